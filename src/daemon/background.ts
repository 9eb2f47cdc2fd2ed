// What a person is told beside the alert itself: the incident's story, who else waits for it, what does not work now.
// Reads only.
import { highest } from '../core/severity.ts';
import type { Alert, Background } from '../define.ts';
import { catalogue } from '../core/catalogue.ts';
import { IDS, type Loop } from './loop.ts';

const STORY_MAX = 40;

export function backgroundOf(loop: Loop, { notice }: Alert): Background {
  const { node, recent } = loop;
  const services = Object.entries(node.services);
  const own = (told: (typeof recent)[number]): boolean =>
    notice.incident === null ? told.service === notice.service : told.incident === notice.incident;
  const alarms = Object.values(node.alarms);
  return {
    story: recent
      .filter(own)
      .slice(-STORY_MAX)
      .map(({ time, service, rule, text }) => ({ time, service, rule, text })),
    children:
      notice.service === null ? [] : services.filter(([, s]) => s.blockedBy === notice.service).map(([name]) => name),
    failing: services.filter(([, s]) => s.incident !== null).map(([name]) => name),
    active: { count: alarms.length, highest: highest(alarms.map((alarm) => alarm.severity)) },
  };
}

/** Told to one channel by hand. Its number is one that no other alert has had or will have. */
export function testAlert(loop: Loop, wall: number, channel: string): Alert {
  const event = 'alert-test';
  const at = loop.now();
  return {
    id: loop.seq * IDS + IDS - 1,
    time: new Date(wall).toISOString(),
    to: [channel],
    notice: {
      ...{ event, kind: 'once', key: `node/${loop.policy.node}/test`, severity: catalogue[event].severity },
      ...{ service: null, incident: null, at, raisedAt: at, cause: null, count: 1, runbook: null },
      summary: `this is a test of the channel ${channel}: nothing is wrong`,
      action: 'none',
    },
  };
}
