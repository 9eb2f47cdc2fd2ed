// Mail in a cluster of real nodes: what was accepted is there after a move, zone and directory name the node that is
// active, and the comm paths carry what the coordinator cannot. A client sends numbered mails all the time.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FLOATING, MEMBERS, type NodeName, NODES, otherOf } from './cluster.ts';
import {
  cutPaths,
  endOf,
  mailOptions,
  named,
  names,
  type Network,
  powerCut,
  powerOn,
  prepareMail,
} from './cluster-mail.ts';
import { type Calm, ClusterRun, say } from './cluster-run.ts';
import { eventually, sleep } from './command.ts';
import { monotonicMs } from './holders.ts';
import { DOMAIN } from './mail-files.ts';
import { MailStream } from './mail-stream.ts';
import { ask } from './watchkeeper.ts';

const test = suite('cluster-mail');
const MOVED_MS = 9000;
const RPO_MS = 30_000;
/** From its 250 to the mailbox: a queue is no copy. */
const DELIVERED_MS = 1000;
let run: ClusterRun;
let stream: MailStream;

test.before.each(({ __test__: name }) => say(name));
test.after(() => {
  stream?.close();
  run?.close();
});

const alarmed = async (name: NodeName, what: RegExp): Promise<boolean> => what.test(await run.cluster.alarms(name));

/** Zone and directory come to say so: they follow the address. */
const follow = (name: NodeName, limitMs = 10_000): Promise<string> =>
  eventually(
    `zone and directory of ${name}`,
    async () => ((last) => (last === names(name) ? last : null))(await named(run.cluster)),
    limitMs,
    100,
  ).catch(async (error: Error) => {
    throw new Error(`${error.message}: ${await named(run.cluster)}\n${await run.cluster.stories()}`);
  });

const asked = async (from: NodeName, words: readonly string[]): Promise<{ code: number | null; text: string }> => {
  const got = await ask(run.cluster.node(from), [...words, '--yes', '--timeout', '60s'], 90_000);
  return { code: got.code, text: got.stdout + got.stderr };
};

test('it comes up on both networks, with zone and directory where it is', async () => {
  run = await ClusterRun.up(mailOptions({ gate: '{ rpo: 30s }' }), prepareMail);
  const all = async (): Promise<boolean> => {
    const shown = (await Promise.all(NODES.map((name) => run.cluster.paths(name)))).flat();
    return shown.length === 4 && shown.every(({ state }) => state === 'operational');
  };
  await eventually('all paths', all, 15_000, 200);
  await follow('n1');
  stream = new MailStream(run.cluster.lab, { address: FLOATING, user: `ann@${DOMAIN}`, everyMs: 60 });
  await stream.goesOn(0, 10_000);
});

test('a planned move, and back: no mail is lost, zone and directory follow', async () => {
  for (let n = 0; n < 2; n += 1) {
    const { active, spare, at } = await run.calm();
    await stream.goesOn(at, 5000);
    const got = await asked(active, ['switchover', 'mail']);
    assert.is(got.code, 0, got.text);
    await run.moved(spare, at, MOVED_MS);
    const late = await stream.complete(10_000);
    await follow(spare);
    await stream.goesOn(monotonicMs(), 5000);
    const gap = run.holders.gap(at).toFixed(0);
    say(`${stream.accepted.length} mails, ${late} came a moment later; no answer for ${gap} ms`);
    run.never(at);
  }
});

/** The network whose path is in use from `name` to the other node. */
async function inUse(name: NodeName): Promise<Network> {
  const used = (await run.cluster.paths(name)).find((one) => one.inUse)?.to;
  return used === endOf('first', otherOf(name)) ? 'first' : 'second';
}

let cut: Network;

test('the path in use is cut: told on both nodes, the other one carries on, and nothing moves', async () => {
  const calm = await run.calm();
  cut = await inUse(calm.active);
  const at = monotonicMs();
  await cutPaths(run.cluster, [cut]);
  for (const name of NODES) {
    const key = new RegExp(`path/${otherOf(name)}/${endOf(cut, otherOf(name)).replaceAll('.', '\\.')}"`);
    await eventually(`an alarm on ${name}`, () => alarmed(name, key), 15_000, 200);
    const shown = await run.cluster.paths(name);
    for (const { to, state, inUse: used } of shown)
      assert.equal([state, used], to === endOf(cut, otherOf(name)) ? ['failed', false] : ['operational', true]);
    assert.not.ok(await alarmed(name, /node-unreachable/));
  }
  await run.stays({ ...calm, at }, 500, 1000);
});

const etcd = (act: 'start' | 'stop'): Promise<readonly string[]> =>
  Promise.all(
    MEMBERS.map((name) => run.cluster.node(name).exec(['systemctl', act, 'etcd-lab'], { timeoutMs: 60_000 })),
  );

let held: Calm;

test('all of etcd stops: the owner stays by the promise of the other, over the path that is left', async () => {
  // Not `calm`: that would mend the path.
  const active = await eventually('a calm cluster', () => run.cluster.calmOn(), 30_000, 200);
  held = { active, spare: otherOf(active), at: monotonicMs() };
  const { epoch } = await run.cluster.group(active);
  await etcd('stop');
  const stopped = monotonicMs();
  await run.stays({ ...held, at: stopped }, 7000, 1000);
  await stream.goesOn(monotonicMs(), 3000);
  await cutPaths(run.cluster, []);
  for (const name of NODES)
    await eventually(`no alarm on ${name}`, async () => !(await alarmed(name, /path-down/)), 15_000, 200);
  await run.stays({ ...held, at: stopped }, 500, 1000);
  const { role, epoch: now } = await run.cluster.group(active);
  assert.equal([role, now], ['active', epoch], 'it neither went nor came');
});

test('and no path either: nobody has it, until etcd is back', async () => {
  const at = monotonicMs();
  await cutPaths(run.cluster, ['first', 'second']);
  await eventually('nobody', () => run.holders.now.length === 0, 8000, 20);
  say(`nobody after ${(monotonicMs() - at).toFixed(0)} ms`);
  await sleep(3500);
  assert.equal(run.holders.now, [], run.holders.transcript(at));
  await cutPaths(run.cluster, []);
  await sleep(1000);
  assert.equal(run.holders.now, [], 'a promise gives nothing back');
  await etcd('start');
  const { active } = await run.settles(held.at);
  await follow(active);
  await stream.complete(15_000);
});

/** When this node began to take it, and what it said would be lost. */
async function takenAt(name: NodeName): Promise<{ readonly at: number; readonly lossMs: number }> {
  const { last } = await run.cluster.group(name);
  assert.ok(last?.ok, JSON.stringify(last));
  const lossMs = last.loss?.ms ?? null;
  if (lossMs === null) throw new Error(`its report has no estimate: ${JSON.stringify(last)}`);
  const wall = Date.parse(last.at) - (last.ms ?? 0);
  return { at: monotonicMs() - (Date.now() - wall), lossMs };
}

test('a power cut: what is missing is no more than the report says, and comes back with the node', async () => {
  const { active, spare, at } = await run.calm();
  await stream.goesOn(at + 1500, 5000);
  const off = monotonicMs();
  await powerCut(run.cluster, active);
  await run.moved(spare, off, MOVED_MS);
  await follow(spare);
  await run.cluster.well(spare, 10_000);
  const { at: taken, lossMs } = await takenAt(spare);
  assert.ok(lossMs <= RPO_MS, `${lossMs} ms`);
  const gone = (await stream.missing(off)).map((one) => Math.round(off - one.at));
  const owed = await stream.missing(taken - lossMs - DELIVERED_MS);
  const oldest = Math.max(0, ...gone);
  say(
    `${gone.length} are missing, the oldest accepted ${oldest} ms before the cut; the report: ${lossMs.toFixed(0)} ms`,
  );
  assert.equal(owed, [], `taken ${(taken - off).toFixed(0)} ms after the cut, ${lossMs} ms are given up`);
  assert.match(await told(spare), /what is lost by it/);
  await powerOn(run.cluster, active);
  await run.cluster.well(spare, 60_000, true);
  await stream.complete(20_000);
  run.never(off);
});

const told = (name: NodeName): Promise<string> =>
  run.cluster.node(name).exec(['journalctl', '-u', 'watchkeeper', '-o', 'cat', '--no-pager', '-n', '400']);

test('with the gate lossless nobody takes it after a power cut, until a person gives up what is missing', async () => {
  const before = await run.calm();
  await run.cluster.configure(mailOptions({ gate: 'lossless' }));
  const off = monotonicMs();
  await powerCut(run.cluster, before.active);
  const unowned = (): Promise<boolean> => alarmed(before.spare, /group-unowned/);
  await eventually('an alarm', unowned, 20_000, 300).catch(async (error: Error) => {
    const said = await run.cluster.group(before.spare);
    throw new Error(`${error.message}: ${JSON.stringify(said)}\n${await run.cluster.story(before.spare)}`);
  });
  assert.is(run.holders.arrivals(before.spare, off), 0, run.holders.transcript(off));
  const got = await asked(before.spare, ['failover', 'mail']);
  assert.is.not(got.code, 0, got.text);
  assert.match(got.text, /--force-data-loss/);
  const forced = await asked(before.spare, ['failover', 'mail', '--force-data-loss']);
  assert.is(forced.code, 0, forced.text);
  await run.came(before.spare, off, MOVED_MS);
  await follow(before.spare);
  await powerOn(run.cluster, before.active);
  await stream.complete(30_000);
  stream.close();
  run.never(0);
});

test.run();
