// `watchkeeper status`: how every service is. Exit code as a Nagios plugin: the worst of them.
import { styleText } from 'node:util';
import Table from 'cli-table3';
import { clean } from '../core/clean.ts';
import type { Status } from '../daemon/status.ts';
import { ask, body, socketOf } from './client.ts';
import { HEALTH_EXIT, type Io } from './io.ts';
import { groupNow } from './live-groups.ts';

export interface StatusOptions {
  readonly output: 'table' | 'json';
  readonly socket?: string;
}

const WORST = ['ok', 'unknown', 'degraded', 'failing'];
const COLOUR = { ok: 'green', degraded: 'yellow', failing: 'red', unknown: 'magenta' } as const;

/** Only `io` decides: it knows the terminal and the environment. */
export const paint = (io: Io, colour: Parameters<typeof styleText>[0], text: string): string =>
  io.isTty && (io.env['NO_COLOR'] ?? '') === '' ? styleText(colour, text, { validateStream: false }) : text;

export async function run(options: StatusOptions, io: Io): Promise<number> {
  const status = await body<Status>(ask(socketOf(io, options.socket), 'GET', '/api/v1/status'));
  if (options.output === 'json') io.out(`${JSON.stringify(status, null, 2)}\n`);
  else show(status, io);
  return exitCodeOf(status);
}

/** The worst of what belongs here: a service whose group is on another node is not expected to run. */
export function exitCodeOf({ services, groups }: Pick<Status, 'services' | 'groups'>): number {
  const all = [...services.filter(({ phase }) => phase !== 'relinquished'), ...groups];
  const worst = Math.max(0, ...all.map((one) => WORST.indexOf(one.health)));
  return HEALTH_EXIT[WORST[worst] ?? 'unknown'] ?? 3;
}

/** `1h`, `3 min`: how long ago, for people. */
export function ago(from: string, to: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

function show(status: Status, io: Io): void {
  const table = new Table({
    head: ['service', 'health', 'phase', 'for', 'quick', 'deep', 'why'],
    style: { head: [], border: [] },
    ...plainBorders,
  });
  for (const one of status.services) {
    const answer = (shown: typeof one.quick): string => (shown ? `${shown.outcome} ${Math.round(shown.ms)} ms` : '-');
    const why = clean(one.why.text, Math.max(20, io.width - 75));
    const health = one.phase === 'relinquished' ? '-' : paint(io, COLOUR[one.health], one.health);
    table.push([
      clean(one.name, 60),
      health,
      one.phase,
      ago(one.since, status.time),
      answer(one.quick),
      answer(one.deep),
      why,
    ]);
  }
  io.out(`${table.toString()}\n`);
  showGroups(status, io);
  showPaths(status, io);
  for (const alarm of status.alarms)
    io.out(`${paint(io, 'red', alarm.severity)} since ${alarm.raised}: ${clean(alarm.summary, 300)}\n`);
  const { daemon } = status;
  const doubts = [
    daemon.observe ? 'observe-only' : '',
    daemon.tilt ? `observer suspect (${daemon.tilt.reason})` : '',
    daemon.strict ? 'strict budgets' : '',
    daemon.durable ? '' : 'journal not written',
  ];
  for (const doubt of doubts) if (doubt !== '') io.out(`${paint(io, 'yellow', doubt)}\n`);
}

const tableOf = (head: readonly string[]): InstanceType<typeof Table> =>
  new Table({ head: [...head], style: { head: [], border: [] }, ...plainBorders });

/** Groups and nodes; nothing where this node stands alone. */
function showGroups({ groups, nodes, coordinator, time }: Status, io: Io): void {
  if (groups.length > 0) {
    const table = tableOf(['group', 'health', 'owner', 'here', 'for', 'ready standbys', 'now']);
    for (const one of groups) {
      const ready = one.nodes.filter((row) => row.ready && !row.owner).map(({ node }) => clean(node, 60));
      const health = paint(io, COLOUR[one.health], one.health);
      const now = clean(groupNow(one), Math.max(20, io.width - 75));
      const owner = one.owner === null ? `nobody (${one.state})` : clean(one.owner, 60);
      table.push([
        ...[clean(one.name, 60), health, owner, one.role, ago(one.since, time)],
        ...[ready.length === 0 ? 'none' : ready.join(' '), now],
      ]);
    }
    io.out(`${table.toString()}\n`);
  }
  if (nodes.length === 0) return;
  const table = tableOf(['node', 'heard', 'version', 'carries', 'maintenance']);
  for (const one of nodes) {
    const heard = one.own ? 'this node' : one.ageMs === null ? 'never' : `${Math.round(one.ageMs / 1000)} s ago`;
    const carries = one.groups.filter(({ role }) => role === 'active').map(({ group }) => clean(group, 60));
    const work = one.maintenance ? clean(`${one.maintenance.by}: ${one.maintenance.comment}`, 60) : '';
    table.push([clean(one.node, 60), heard, clean(one.version ?? '-', 30), carries.join(' '), work]);
  }
  io.out(`${table.toString()}\n`);
  const { members } = coordinator;
  for (const { name, endpoint, detail } of members.filter(({ ok }) => !ok))
    io.out(`${paint(io, 'yellow', 'member')} ${clean(name || endpoint, 60)} does not answer: ${clean(detail, 200)}\n`);
}

/** One line for each other node: how its paths are. */
function showPaths({ paths }: Status, io: Io): void {
  for (const node of new Set(paths.map((one) => one.node))) {
    const each = paths
      .filter((one) => one.node === node)
      .map(({ to, state, rttMs, inUse, detail }) => {
        const how = state === 'operational' ? `${rttMs} ms${inUse ? ', in use' : ''}` : `${state}, ${detail}`;
        const text = clean(`${to} (${how})`, 200);
        return state === 'failed' ? paint(io, 'yellow', text) : text;
      });
    io.out(`paths to ${clean(node, 60)}: ${each.join('  ')}\n`);
  }
}

/** Columns without lines: what greps and small terminals like. */
export const plainBorders = {
  chars: {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  },
};
