// What a person is told beside the alert itself: the incident's story, who else waits for it, what does not work now.
// Reads only.
import { highest } from '../core/severity.ts';
import type { Alert, Background } from '../define.ts';
import type { Loop } from './loop.ts';

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
