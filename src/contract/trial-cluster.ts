// The contract of what moves groups, tried on broken doors: a step that could ask nobody claims nothing, a source never
// says that the copy is well, a coordinator never agrees to anything. Two active nodes would come of less.
import type {
  Coordination,
  Coordinator,
  Ports,
  Replication,
  StepContext,
  StepServices,
  SwitchStep,
} from '../define.ts';
import { type Held, OWN_WAY, optionsOf, STILL, type Settled, type Subject, valueOf, withSignal } from './attempt.ts';
import { silentPorts, throwingPorts, watched } from './broken-ports.ts';

type Make = () => Ports;
const MAKERS: readonly Make[] = [throwingPorts, silentPorts];
const doors = (make: Make): string => (make === throwingPorts ? 'ports that throw' : 'silent ports');
const WORDS = { n1: { name: 'n1', host: 'n1.example.org' }, n2: { name: 'n2', host: 'n2.example.org' } };

// ------------------------------------------------------------------------------------------------------------- steps

/** Services whose managers are as broken as the ports. */
function brokenServices(make: Make, knock: () => void): StepServices {
  const ask = (signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) => {
      knock();
      const end = (): void => reject(new Error('no answer'));
      if (make === throwingPorts || signal.aborted) end();
      signal.addEventListener('abort', end, { once: true });
    });
  return {
    ordered: (names) => names,
    inspect: (_service, signal) => ask(signal),
    start: (_service, signal) => ask(signal),
    stop: (_service, _force, signal) => ask(signal),
    check: (_service, signal) => ask(signal),
  };
}

/** A step on node n1 that becomes active after n2 fell silent. */
function stepContext(subject: Subject, make: Make): { context: Omit<StepContext<never>, 'signal'>; used(): boolean } {
  const { ports, used } = watched(make());
  let knocked = false;
  const services = brokenServices(make, () => {
    knocked = true;
  });
  const context = {
    ...{ options: optionsOf(subject), ports, node: 'n1', group: 'group', step: 'step', words: WORDS, services },
    ...{ lease: { epoch: 7, untilMs: () => ports.clock.monotonic() + 60_000 }, to: 'n1', from: 'n2', planned: false },
    ...{ memory: new Map<string, unknown>(), stateDir: '/nonexistent', progress: () => undefined },
  };
  return { context, used: () => used() || knocked };
}

const ACTS = ['do', 'undo', 'prepare', 'unprepare', 'hold', 'ready'] as const;

async function act(subject: Subject, name: (typeof ACTS)[number], force: boolean, make: Make): Promise<Held> {
  const plugin = subject.plugin as SwitchStep;
  const rule = `${name}${force ? ' by force' : ''}: with ${doors(make)} it ends, and is not ok`;
  const { context, used } = stepContext(subject, make);
  const settled = await withSignal(async (signal) =>
    name === 'undo' ? plugin.undo({ ...context, signal }, { force }) : plugin[name]?.({ ...context, signal }),
  );
  if (settled === 'still running') return { rule, fault: STILL };
  if (valueOf<{ ok?: boolean }>(settled)?.ok !== true) return { rule };
  if (used() || subject.ownWay) return { rule, fault: 'it says ok though nothing answered' };
  // What is only said to whoever comes has nothing of its own to take back, and much has nothing to prepare.
  const idle = name !== 'do' && (name !== 'undo' || plugin.scope === 'shared');
  return idle ? { rule } : { rule, open: OWN_WAY };
}

async function probing(subject: Subject, make: Make): Promise<Held> {
  const rule = `probe: with ${doors(make)} it ends, and is neither done nor undone`;
  const { context, used } = stepContext(subject, make);
  const settled = await withSignal((signal) => (subject.plugin as SwitchStep).probe({ ...context, signal }));
  if (settled === 'still running') return { rule, fault: STILL };
  const probe = valueOf<{ state?: unknown }>(settled);
  if (!probe || probe.state === 'unknown') return { rule };
  return used() || subject.ownWay ? { rule, fault: `it says ${String(probe.state)}` } : { rule, open: OWN_WAY };
}

export function stepping(subject: Subject): Promise<readonly Held[]> {
  const plugin = subject.plugin as SwitchStep;
  const acts = ACTS.filter((name) => plugin[name] !== undefined);
  return Promise.all(
    MAKERS.flatMap((make) => [
      probing(subject, make),
      ...acts.map((name) => act(subject, name, false, make)),
      act(subject, 'undo', true, make),
    ]),
  );
}

// ------------------------------------------------------------------------------------------------------- replication

const CARES = ['prove', 'flush', 'suspend', 'resume', 'reseed', 'direct'] as const;

async function care(subject: Subject, name: 'look' | (typeof CARES)[number], make: Make): Promise<Held> {
  const plugin = subject.plugin as Replication;
  const says = name === 'look' ? 'does not say healthy' : 'is not ok';
  const rule = `${name}: with ${doors(make)} it ends, and ${says}`;
  const { ports, used } = watched(make());
  const rest = {
    ...{ options: optionsOf(subject), ports, node: 'n1', group: 'group', source: 'source', active: false },
    ...{ owner: 'n2', nodes: ['n2'], words: WORDS, memory: new Map<string, unknown>(), stateDir: '/nonexistent' },
  };
  const settled = await withSignal(async (signal) => plugin[name]?.({ ...rest, signal }));
  if (settled === 'still running') return { rule, fault: STILL };
  const result = valueOf<{ ok?: boolean; state?: string }>(settled);
  if (result?.ok !== true && result?.state !== 'healthy') return { rule };
  if (used() || subject.ownWay) return { rule, fault: `it says ${result.state ?? 'ok'} though nothing answered` };
  return name === 'look' ? { rule, open: OWN_WAY } : { rule };
}

export function replicating(subject: Subject): Promise<readonly Held[]> {
  const cares = CARES.filter((name) => (subject.plugin as Replication)[name] !== undefined);
  return Promise.all(MAKERS.flatMap((make) => (['look', ...cares] as const).map((name) => care(subject, name, make))));
}

// ----------------------------------------------------------------------------------------------------------- cluster

/** An opening has no signal: it ends by the time limits of its own. */
const OPEN_MS = 10_000;

const CALLS: Readonly<Record<string, (store: Coordination, signal: AbortSignal) => Promise<unknown>>> = {
  write: (store, signal) => store.write('key', 'value', 0, signal),
  publish: (store, signal) => store.publish('key', 'value', signal),
  read: (store, signal) => store.read('', signal),
  members: async (store, signal) => {
    const members = await store.members(signal);
    if (!members.some(({ ok }) => ok)) throw new Error('nobody answers');
  },
};

async function opened(subject: Subject, ports: Ports): Promise<Settled> {
  const { clock } = ports;
  const stop = new AbortController();
  const context = { options: optionsOf(subject), ports, node: 'n1', prefix: '/watchkeeper/trial/v1/' };
  const open = (async () => (subject.plugin as Coordinator).open(context))();
  const late = clock.sleep(OPEN_MS, stop.signal).then(
    (): Settled => 'still running',
    (): Settled => 'still running',
  );
  const settled = await Promise.race([
    open.then((value): Settled => ({ value })).catch((error: unknown): Settled => ({ error })),
    late,
  ]);
  stop.abort();
  return settled;
}

async function coordinator(subject: Subject, make: Make): Promise<readonly Held[]> {
  const { ports, used } = watched(make());
  const rule = `open: with ${doors(make)} it ends`;
  const settled = await opened(subject, ports);
  if (settled === 'still running') return [{ rule, fault: 'it neither opens nor throws' }];
  const store = valueOf<Coordination>(settled);
  if (!store) return [{ rule }];
  const calls = Object.entries(CALLS).map(async ([name, call]): Promise<Held> => {
    const says = `${name}: with ${doors(make)} it ends, and throws`;
    const answer = await withSignal((signal) => call(store, signal));
    if (answer === 'still running') return { rule: says, fault: STILL };
    if ('error' in answer) return { rule: says };
    return used() || subject.ownWay
      ? { rule: says, fault: 'it answers though nobody could be asked' }
      : { rule: says, open: OWN_WAY };
  });
  const held = await Promise.all(calls);
  const closed = await withSignal(() => store.close());
  const close = `close: with ${doors(make)} it ends`;
  return [{ rule }, ...held, closed === 'still running' ? { rule: close, fault: STILL } : { rule: close }];
}

export const coordinating = async (subject: Subject): Promise<readonly Held[]> =>
  (await Promise.all(MAKERS.map((make) => coordinator(subject, make)))).flat();
