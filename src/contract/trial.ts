// The contract that every plugin keeps, whatever it is about, tried on doors that are broken: the same code tests the
// shipped ones and `watchkeeper plugin test` people's own. Judges nothing that a plugin says of a service.
import { runChecks } from '../daemon/run-check.ts';
import type { Alert, AlertChannel, AlertContext, Check, Depth, Ports, Recovery, Shape } from '../define.ts';
import { z } from '../define.ts';
import { ABORT_MS, type Held, OWN_WAY, optionsOf, STILL, type Subject, valueOf, withSignal } from './attempt.ts';
import { silentPorts, throwingPorts, watched } from './broken-ports.ts';
import { coordinating, replicating, stepping } from './trial-cluster.ts';

export type { Held, Subject } from './attempt.ts';

const OUTCOMES = ['pass', 'degraded', 'fail', 'unknown'];

// ------------------------------------------------------------------------------------------------- how it is written

/** One sentence; what differs by depth may be said for each. */
export function aboutFault(about: string): string | null {
  if (!/^[A-Z][^\n]{15,160}[.?]$/.test(about))
    return 'not one sentence of 17 to 162 characters, from a capital letter to a full stop or question mark';
  return /[.!?] [A-Z]/.test(about.replace(/^Quick: (.*)\. Deep: /, '')) ? 'more than one sentence' : null;
}

interface Node {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
}

/** Paths of the properties, at any depth, that say nothing about themselves. */
function undescribed(node: Node, path = ''): string[] {
  const below = Object.entries(node.properties ?? {}).flatMap(([name, property]) => [
    ...(property.description ? [] : [`${path}${name}`]),
    ...undescribed(property, `${path}${name}.`),
  ]);
  const parts = [...(node.items ? [node.items] : []), ...(node.anyOf ?? [])];
  return [...below, ...parts.flatMap((part) => undescribed(part, path))];
}

function optionsFault(options: Shape): string | null {
  const silent = undescribed(z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' }) as Node);
  return silent.length > 0 ? `without .describe(): ${silent.join(', ')}` : null;
}

function exampleFault(options: Shape, example: unknown): string | null {
  const read = options.safeParse(example);
  return read.success ? null : z.prettifyError(read.error);
}

// --------------------------------------------------------------------------------------------------- what it does

const depthsOf = (plugin: Check): readonly Depth[] => (plugin.depth === 'both' ? ['quick', 'deep'] : [plugin.depth]);

/** As the daemon asks: one check through the runner. */
export async function throughRunner(subject: Subject, depth: Depth, ports: Ports) {
  const { name } = subject;
  const runnable = {
    ...{ name, type: name, plugin: subject.plugin as Check, options: optionsOf(subject), everyMs: null },
    ...{ at: () => depth, memory: new Map<string, unknown>(), last: null, throws: 0 },
  };
  const { signal } = new AbortController();
  return (await runChecks('service', [runnable], depth, ABORT_MS, ports, signal, true)).verdict;
}

async function throwing(subject: Subject, depth: Depth): Promise<Held> {
  const rule = `${depth}: a check whose ports throw says unknown`;
  const { ports, used } = watched(throwingPorts());
  const { outcome } = await throughRunner(subject, depth, ports);
  if (!used() && !subject.ownWay) return { rule, open: OWN_WAY };
  const expected = subject.ownWay ? 'fail' : 'unknown';
  return outcome === expected ? { rule } : { rule, fault: `it says ${outcome}, not ${expected}` };
}

async function silent(subject: Subject, depth: Depth): Promise<readonly Held[]> {
  const plugin = subject.plugin as Check;
  const { ports, used } = watched(silentPorts());
  const context = { options: optionsOf(subject), ports, timeoutMs: ABORT_MS, depth, service: 'service' };
  const settled = await withSignal((signal) => plugin.run({ ...context, signal, memory: new Map() }));
  const ends = `${depth}: a check whose ports are silent ends with its signal`;
  const says = `${depth}: what it then says is an answer, and not that all is well`;
  if (settled === 'still running') return [{ rule: ends, fault: STILL }];
  const result = valueOf<{ outcome: string; cause?: string; detail: string }>(settled);
  // It may throw: the runner makes `unknown` of that.
  if (!result) return 'error' in settled ? [{ rule: ends }] : [{ rule: ends }, { rule: says, fault: 'no answer' }];
  const caused = result.outcome === 'fail' || result.outcome === 'degraded';
  const went = used() || subject.ownWay !== undefined;
  const faults = [
    OUTCOMES.includes(result.outcome) ? '' : `outcome ${String(result.outcome)}`,
    typeof result.detail === 'string' && result.detail.length > 0 ? '' : 'no detail',
    caused === (result.cause !== undefined) ? '' : `a cause belongs to fail and degraded, and only there`,
    went && result.outcome === 'pass' ? 'it passes though nothing answered' : '',
  ].filter((text) => text !== '');
  if (faults.length > 0) return [{ rule: ends }, { rule: says, fault: faults.join('; ') }];
  return [{ rule: ends }, went ? { rule: says } : { rule: says, open: OWN_WAY }];
}

const DEEDS = ['inspect', 'start', 'stop', 'restart', 'reload', 'sweep', 'validate'] as const;

async function deed(subject: Subject, name: (typeof DEEDS)[number], make: () => Ports): Promise<Held> {
  const plugin = subject.plugin as Recovery;
  const { ports, used } = watched(make());
  const rule = `${name}: with ${make === throwingPorts ? 'ports that throw' : 'silent ports'} it ends, and claims nothing`;
  const rest = { options: optionsOf(subject), ports, service: 'service', stateDir: '/nonexistent' };
  const settled = await withSignal(async (signal) => {
    const context = { ...rest, signal, memory: new Map<string, unknown>() };
    return name === 'stop' ? plugin.stop(context, { force: false }) : plugin[name]?.(context);
  });
  if (settled === 'still running') return { rule, fault: STILL };
  const result = valueOf<{ ok?: boolean; state?: string }>(settled);
  if (!result) return { rule };
  const claims =
    (name === 'inspect' && make === throwingPorts && result.state !== 'unknown') ||
    (name === 'start' && result.ok !== false);
  if (!claims) return { rule };
  return used() ? { rule, fault: `it says ${result.state ?? 'that it started it'}` } : { rule, open: OWN_WAY };
}

const ALERT: Alert = {
  id: 7,
  time: '2026-11-22T13:00:00.123Z',
  notice: {
    ...{ event: 'service-failing', kind: 'raise', key: 'mta/service-failing', severity: 'major', service: 'mta' },
    ...{ incident: 'mta-1', at: 1000, raisedAt: 1000, summary: 'no banner within 2 s', cause: 'hung', count: 1 },
    ...{ action: 'a restart is tried', runbook: null },
  },
};

/** The context of a channel that knows of nothing else; what lasts is made anew each time. */
export const bareContext = (): Omit<AlertContext<never>, 'options' | 'ports' | 'signal'> => ({
  ...{ node: 'n1', channel: 'channel', stateDir: '/nonexistent' },
  background: () => ({ story: [], children: [], failing: [], active: { count: 1, highest: 'major' } }),
  lasting: (make) => make(),
  trouble: () => undefined,
});

/** A channel may be for heartbeats alone. Its time is now: an old one may be left untold. */
const heartbeat = (): Alert => ({
  id: 8,
  time: new Date().toISOString(),
  notice: {
    ...{ event: 'heartbeat', kind: 'once', key: 'node/n1/heartbeat', severity: 'indeterminate', service: null },
    ...{ incident: null, at: 2000, raisedAt: 2000, summary: '1 alarm is active', cause: null, count: 1 },
    ...{ action: '', runbook: null },
  },
});

async function sending(subject: Subject): Promise<Held> {
  const rule = 'an alert whose ports throw is never said to be sent';
  let tried = false;
  for (const alert of [ALERT, heartbeat()]) {
    const { ports, used } = watched(throwingPorts());
    const context = { ...bareContext(), options: optionsOf(subject), ports };
    const settled = await withSignal((signal) => (subject.plugin as AlertChannel).send(alert, { ...context, signal }));
    if (settled === 'still running') return { rule, fault: STILL };
    tried ||= used();
    if (used() && valueOf(settled) === 'sent') return { rule, fault: 'it says that it was sent' };
  }
  return tried ? { rule } : { rule, open: OWN_WAY };
}

const told = (rule: string, fault: string | null): Held => (fault === null ? { rule } : { rule, fault });

/** Holds one plugin to the whole contract. Its definition is known to have the right parts. */
export async function holdToContract(subject: Subject): Promise<readonly Held[]> {
  const { about, options, example } = subject.plugin;
  const written = [
    told('about is one sentence', aboutFault(about)),
    told('the example validates', exampleFault(options, example)),
    told('every option is described', optionsFault(options)),
  ];
  if (written[1]?.fault !== undefined) return written;
  const before = process.getActiveResourcesInfo().length;
  const done = await behaviour(subject);
  await new Promise((next) => setTimeout(next, 50));
  const left = process.getActiveResourcesInfo().slice(before);
  return [...written, ...done, told('nothing is left behind', left.length > 0 ? left.join(', ') : null)];
}

async function behaviour(subject: Subject): Promise<readonly Held[]> {
  const { kind, plugin } = subject;
  if (kind === 'alerts') return [await sending(subject)];
  if (kind === 'checks') {
    const held = depthsOf(plugin as Check).map(async (depth) => [
      await throwing(subject, depth),
      ...(await silent(subject, depth)),
    ]);
    return (await Promise.all(held)).flat();
  }
  if (kind === 'switchover') return stepping(subject);
  if (kind === 'replication') return replicating(subject);
  if (kind === 'cluster') return coordinating(subject);
  const deeds = DEEDS.filter((name) => (plugin as Recovery)[name] !== undefined);
  return Promise.all([throwingPorts, silentPorts].flatMap((make) => deeds.map((name) => deed(subject, name, make))));
}
