// What goes wrong in a simulated cluster, and what people do to it meanwhile.
import type { MoveRequest } from '../../src/core/group-types.ts';
import { ownerKey, requestKey } from './cluster-daemon.ts';
import type { Cluster } from './cluster-world.ts';

type Trouble = (c: Cluster, name: string, group: string) => void;

const span = (c: Cluster, least: number, more: number): number => least + c.random.int(more);

/** For a while, and then not any more. */
function during(c: Cluster, ms: number, begin: () => void, end: () => void): void {
  begin();
  c.queue.after(ms, end);
}

const cut =
  (pairs: (c: Cluster, name: string) => readonly string[]): Trouble =>
  (c, name) => {
    const cuts = pairs(c, name);
    c.note(`cut ${cuts.join(' ')}`);
    during(
      c,
      span(c, 500, 9000),
      () => cuts.forEach((one) => c.net.cut.add(one)),
      () => cuts.forEach((one) => c.net.cut.delete(one)),
    );
  };

const others = (c: Cluster, name: string): readonly string[] => c.names.filter((one) => one !== name);
const bothWays = (name: string, other: string): readonly string[] => [`${name}>${other}`, `${other}>${name}`];
const fromAll = (c: Cluster, name: string): readonly string[] => [
  ...bothWays(name, 'store'),
  ...others(c, name).flatMap((other) => bothWays(name, other)),
];

const fault: readonly Trouble[] = [
  (c, name) => {
    c.kill(name);
    c.queue.after(span(c, 100, 6000), () => c.boot(name));
  },
  (c, name) => {
    c.note(`${name}: SIGSTOP`);
    during(
      c,
      span(c, 500, 9000),
      () => c.machine(name).halt(),
      () => {
        c.machine(name).resume();
        c.stalled(name);
      },
    );
  },
  (c, name) => {
    c.note(`${name}: frozen`);
    const { boot } = c.machine(name);
    during(
      c,
      span(c, 500, 9000),
      () => c.machine(name).freeze(),
      () => {
        if (c.machine(name).boot === boot) c.machine(name).thaw();
        c.stalled(name);
        c.note(`${name}: thawed`);
      },
    );
  },
  (c, name) => c.powerOff(name),
  cut((_c, name) => bothWays(name, 'store')),
  cut((_c, name) => [`${name}>store`]),
  cut((_c, name) => [`store>${name}`]),
  cut((c, name) => bothWays(name, c.random.pick(others(c, name)))),
  cut(fromAll),
  cut((c, name) => [...bothWays(name, 'store'), ...others(c, name).map((other) => `${name}>${other}`)]),
  (c) => {
    c.note('no quorum');
    during(
      c,
      span(c, 200, 7000),
      () => void (c.store.quorum = false),
      () => c.store.recover(),
    );
  },
  (c) => {
    c.note('slow store');
    during(
      c,
      span(c, 500, 5000),
      () => void (c.store.slowMs = span(c, 100, 1800)),
      () => void (c.store.slowMs = 0),
    );
  },
  (c) => {
    during(
      c,
      span(c, 500, 5000),
      () => void (c.net.slow = true),
      () => void (c.net.slow = false),
    );
  },
  (c, name) => {
    during(
      c,
      span(c, 500, 5000),
      () => c.slowDisk.add(name),
      () => c.slowDisk.delete(name),
    );
  },
];

const state: readonly Trouble[] = [
  (c, name) => {
    c.note(`${name}: steps fail`);
    during(
      c,
      span(c, 1000, 15_000),
      () => c.failing.add(name),
      () => c.failing.delete(name),
    );
  },
  (c, name, group) => {
    const place = c.machine(name).place(group);
    c.note(`${name}: ${group} does not stop`);
    during(
      c,
      span(c, 1000, 15_000),
      () => Object.assign(place, { hangs: true, hungAt: c.queue.now }),
      () => void (place.hangs = false),
    );
  },
  (c, name, group) => {
    const truth = c.truthOf(name, group);
    during(
      c,
      span(c, 1000, 15_000),
      () => void (truth.unready = true),
      () => void (truth.unready = false),
    );
  },
  (c, name, group) => {
    const truth = c.truthOf(name, group);
    const health = c.random.pick(['degraded', 'unknown', 'failing'] as const);
    during(
      c,
      span(c, 1000, 15_000),
      () => void (truth.health = health),
      () => void (truth.health = 'ok'),
    );
  },
  (c, name, group) => {
    const truth = c.truthOf(name, group);
    during(
      c,
      span(c, 1000, 15_000),
      () => void (truth.maintenance = true),
      () => void (truth.maintenance = false),
    );
  },
  (c, name, group) => {
    const truth = c.truthOf(name, group);
    if (!truth.replication) return;
    const how = c.random.pick(['healthy', 'failed', 'suspended', 'synchronizing'] as const);
    truth.replication = c.copy(how, c.random.chance(0.2) ? null : c.random.int(6000));
    c.queue.after(span(c, 2000, 15_000), () => void (truth.replication = c.copy('healthy', 0)));
  },
];

function ask(c: Cluster, group: string, request: Pick<MoveRequest, 'verb' | 'to' | 'by' | 'force'>): void {
  const number = ++c.requests;
  c.note(`${request.by} asks: ${request.verb} ${request.to ?? ''} ${request.force.join(',')}`);
  c.store.put(requestKey(group), { ...request, id: `r${number}`, comment: '' });
}

const people: readonly Trouble[] = [
  (c, name, group) => ask(c, group, { verb: 'switchover', to: name, by: 'op', force: [] }),
  (c, _name, group) => ask(c, group, { verb: 'switchover', to: null, by: 'op', force: [] }),
  (c, name, group) =>
    ask(c, group, {
      verb: 'failover',
      to: name,
      by: 'op',
      force: c.random.chance(0.5) ? ['data-loss', 'old-data'] : [],
    }),
  (c, _name, group) => ask(c, group, { verb: 'failover', to: null, by: 'service mail', force: [] }),
  (c, _name, group) => c.store.put(requestKey(group), null),
  (c, _name, group) => confirm(c, group, c.random.chance(0.7)),
  (c, _name, group) => acknowledge(c, group),
  (c, _name, group) => {
    if (c.random.chance(0.1)) c.store.put(ownerKey(group), null);
  },
];

/** Told to every daemon, as the shell does. */
export function confirm(c: Cluster, group: string, yes: boolean): void {
  for (const daemon of c.daemons.values())
    if (daemon.alive)
      daemon.machine.process(() => daemon.alive && daemon.feed({ kind: 'group-confirmed', group, by: 'op', yes }));
}

export function acknowledge(c: Cluster, group: string): void {
  const { epoch } = (c.store.get(ownerKey(group)).value ?? { epoch: 0 }) as { epoch: number };
  c.acked.set(group, Math.max(c.acked.get(group) ?? 0, epoch));
  for (const daemon of c.daemons.values())
    if (daemon.alive)
      daemon.machine.process(() => daemon.alive && daemon.feed({ kind: 'group-acked', group, epoch, by: 'op' }));
}

/** One thing goes wrong, or somebody does something. */
export function mischief(c: Cluster): void {
  const { random } = c;
  const dice = random.next();
  const kinds = dice < 0.5 ? fault : dice < 0.75 ? state : people;
  random.pick(kinds)(c, random.pick(c.names), random.pick(c.groups));
}

/** For so long of true time, with so many troubles. */
export function trouble(c: Cluster, ms: number, count: number): void {
  const end = c.queue.now + ms;
  for (let n = 0; n < count; n++) c.queue.after(c.random.int(ms), () => mischief(c));
  c.queue.runUntil(end);
}
