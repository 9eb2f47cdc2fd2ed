// Two real daemons and a real etcd, from the first certificate to a node that is gone and back, all by the command
// line: what it shows, what it refuses and why, and with which exit codes. Never two owners.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { program, type Run, until } from '../support/live-daemon.ts';
import { certify, livePair, type Name, otherOf, PAIR, type Pair } from '../support/live-pair.ts';

const test = suite('a cluster of two, by its command line');
const LIMIT_MS = 30_000;
let pair: Pair;
let taken: Server;

test.after(() => pair?.end());

const say = (name: Name, ...words: readonly string[]): Promise<Run> => pair.daemon(name).cli(...words);
async function json<T>(name: Name, ...words: readonly string[]): Promise<T & { readonly schemaVersion?: number }> {
  const { out, err } = await say(name, ...words, '-o', 'json');
  assert.ok(out.startsWith('{'), `${words.join(' ')}: ${err}`);
  return JSON.parse(out);
}
const all = ({ out, err }: Run): string => `${out}\n${err}`;

/** In service there, as both say, and the other one could take it. */
async function calm(group: string, on: Name): Promise<void> {
  let seen = '';
  const look = async (): Promise<boolean> => {
    const both = await Promise.all(PAIR.map((name) => pair.group(name, group).catch(() => null)));
    seen = JSON.stringify(both.map((one) => one && [one.owner, one.role, one.health, one.why.text, one.nodes]));
    const ready = both.every((one) => one?.nodes.every(({ node, ready: may }) => node === on || may));
    return ready && both.every((one) => one?.owner === on && one.health === 'ok');
  };
  await until(`${group} on ${on}`, look, LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}: ${seen}`);
  });
}

const alarmed = (name: Name, key: string, on: boolean): Promise<void> =>
  until(
    `${name}: ${on ? '' : 'no '}alarm ${key}`,
    async () => (await pair.status(name)).alarms.some((one) => one.key === key) === on,
    LIMIT_MS,
  );

test('certificates, two daemons, and both groups come up on the node that is wanted most', async () => {
  pair = await livePair();
  const made = await certify(join(pair.folder, 'tls'));
  assert.is(made.code, 0, made.err);
  assert.match(made.out, /made an authority, and certificates for 825 days: n1, n2 in /);
  for (const name of PAIR) pair.show(name, join(pair.folder, 'tls'));
  // Somebody else has the port of one path: the other one carries all.
  taken = await pair.occupy('127.0.2.2');
  const checked = await pair.start('n1').then(() => say('n1', 'config', 'check', pair.daemon('n1').config));
  assert.is(checked.code, 64, 'it asks no daemon');
  await pair.start('n2');
  for (const group of ['mail', 'desk']) await calm(group, 'n1');
  assert.equal([pair.placed('app'), pair.placed('disk'), pair.placed('desk')], [['n1'], ['n1'], ['n1']]);
});

test('status: all nodes from any node, with the age of what they say, groups and paths', async () => {
  await alarmed('n1', 'path/n2/127.0.2.2', true);
  for (const name of PAIR) {
    const shown = await say(name, 'status');
    assert.is(shown.code, 0, all(shown));
    assert.match(shown.out, /^ group +health +owner +here +for +ready standbys +now/m);
    assert.match(shown.out, new RegExp(`^ mail +ok +n1 +${name === 'n1' ? 'active' : 'standby'} .* n2 `, 'm'));
    assert.match(shown.out, new RegExp(`^ ${name} +this node +\\S+`, 'm'));
    assert.match(shown.out, new RegExp(`^ ${otherOf(name)} +\\d+ s ago`, 'm'));
  }
  const shown = await say('n1', 'status');
  assert.match(shown.out, /^paths to n2: 127\.0\.1\.2 \([\d.]+ ms, in use\) {2}127\.0\.2\.2 \(failed, .+\)$/m);
  assert.match(shown.out, /minor since .*the path to n2 at 127\.0\.2\.2 fails/);
  const { schemaVersion, nodes, paths, coordinator } = await json<Awaited<ReturnType<Pair['status']>>>('n2', 'status');
  assert.is(schemaVersion, 1);
  assert.equal(
    nodes.map(({ node, own, ageMs }) => [node, own, typeof ageMs]),
    [
      ['n1', false, 'number'],
      ['n2', true, 'number'],
    ],
  );
  assert.equal([paths.length, paths.filter(({ inUse }) => inUse).length], [2, 1]);
  assert.equal([coordinator.members.length, coordinator.spare], [3, 1]);
  taken.close();
  await once(taken, 'close');
  await alarmed('n1', 'path/n2/127.0.2.2', false);
  assert.match((await say('n1', 'status')).out, /127\.0\.2\.2 \([\d.]+ ms\)/);
});

test('explain: can we lose it now, and what a failover would be', async () => {
  const told = await say('n2', 'explain', 'mail');
  assert.is(told.code, 0, all(told));
  assert.match(told.out, /^mail +ok, on n1, epoch \d+; standby here/m);
  assert.match(told.out, /^lose it\? +yes/m);
  assert.match(told.out, /^n2 +may take it now/m);
  assert.match(told.out, /3 of 3 members answer; 1 more may fail/);
  assert.match(told.out, /n2: do disk[\s\S]*n2: do service/);
  const { group, lose } = await json<{ group: string; lose: { yes: boolean } }>('n1', 'explain', 'mail');
  assert.equal([group, lose.yes], ['mail', true]);
  assert.is((await say('n1', 'explain', 'nothing')).code, 64);
});

test('switchover: foreseen, asked for, and shown step by step while it goes on', async () => {
  const dry = await say('n2', 'switchover', 'mail', '--dry-run');
  assert.is(dry.code, 0, all(dry));
  assert.match(
    dry.out,
    /^mail: from n1 to n2\n[\s\S]*n1: undo service\n[\s\S]*n1: undo disk\n[\s\S]*n2: do disk/,
    all(dry),
  );
  assert.is((await say('n1', 'switchover', 'mail')).code, 64, 'nobody is at a terminal');
  assert.equal(pair.placed('app'), ['n1']);
  pair.slow(true);
  const child = spawn(process.execPath, [
    ...[program, 'switchover', 'mail', '--to', 'n2', '--yes'],
    ...['--socket', pair.daemon('n1').socket],
  ]);
  const heard: { readonly at: number; readonly text: string }[] = [];
  let out = '';
  child.stderr.on('data', (data: Buffer) => heard.push({ at: performance.now(), text: data.toString() }));
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  const [code] = (await once(child, 'close')) as [number];
  const ended = performance.now();
  pair.slow(false);
  const err = heard.map(({ text }) => text).join('');
  assert.is(code, 0, err);
  const order = /n1: service undone, \d+ ms\n[\s\S]*n1: disk undone, [\s\S]*n2: disk done, [\s\S]*n2: service done, /;
  if (!order.test(err)) throw new Error(`other lines: ${err}`);
  assert.not.match(err, /n1: \w+ done|n2: \w+ undone/);
  assert.ok(ended - (heard[0]?.at ?? ended) > 500, 'the first line came while it went on');
  assert.match(out, /^mail: in service on n2, without service for \d+ ms\n$/);
  await calm('mail', 'n2');
  assert.equal([pair.placed('app'), pair.placed('disk')], [['n2'], ['n2']]);
});

test('a node in maintenance gets nothing: refused, with its why not', async () => {
  assert.match((await say('n2', 'maintenance', 'n1', '--on', '--comment', 'new disks')).out, /n1 is in maintenance/);
  await until(
    'known on n1',
    async () => (await pair.status('n1')).nodes[0]?.maintenance?.comment === 'new disks',
    LIMIT_MS,
  );
  const refused = await say('n2', 'switchover', 'mail', '--yes');
  assert.is(refused.code, 1, all(refused));
  assert.match(refused.err, /refused\n {2}n1: .*\[maintenance\]/);
  assert.not.match(refused.err, /--force/);
  const { refused: why } = await json<{ refused: readonly { node: string; rule: string }[] }>(
    ...(['n2', 'switchover', 'mail', '--yes'] as const),
  );
  assert.ok(why.some(({ node, rule }) => node === 'n1' && rule === 'maintenance'));
  assert.match(
    (await say('n1', 'explain', 'mail')).out,
    /^lose it\? +NO[\s\S]*^n1 +may not take it now[\s\S]*\[maintenance\]/m,
  );
  assert.is((await say('n1', 'status')).code, 1, 'no spare is degraded');
  assert.is((await say('n1', 'maintenance', 'n1')).code, 64);
  assert.match((await say('n1', 'maintenance', 'n1', '--off')).out, /n1 is not in maintenance any more/);
  await calm('mail', 'n2');
});

test('a drill goes over and back, and is kept', async () => {
  assert.is((await say('n1', 'drill', 'mail', '--dry-run')).code, 0);
  const held = await say('n1', 'drill', 'mail', '--yes');
  assert.is(held.code, 0, all(held));
  assert.match(held.out, /n2 to n1 and back, by .*: passed: /);
  await calm('mail', 'n2');
  const { drills } = await json<{ drills: readonly { ok: boolean; ended: boolean }[] }>(
    'n2',
    'drill',
    'mail',
    '--list',
  );
  assert.equal(
    drills.map(({ ok, ended }) => [ok, ended]),
    [[true, true]],
  );
});

test('failover of a group whose node lives is a move at once; as JSON', async () => {
  interface Moved {
    readonly ok: boolean;
    readonly owner: string;
    readonly measured: { readonly met: { readonly rto: boolean } } | null;
    readonly steps: readonly object[];
  }
  const moved = await json<Moved>('n2', 'failover', 'mail', '--yes');
  const said = JSON.stringify(moved);
  assert.equal([moved.schemaVersion, moved.ok, moved.owner, moved.measured?.met.rto], [1, true, 'n1', true], said);
  assert.ok(moved.steps.length >= 4, said);
  for (const group of ['mail', 'desk']) await calm(group, 'n1');
  // It was a failover: no other one by itself, until somebody says that it was meant.
  assert.match((await say('n2', 'explain', 'mail')).out, /^held +no other failover by itself .*\[block\]$/m);
  assert.is((await say('n1', 'ack', 'group/mail')).code, 0);
  await until('no block', async () => (await pair.group('n2', 'mail')).block === null, LIMIT_MS);
});

test('the active node is gone: the other takes over, and asks where it should', async () => {
  const at = performance.now();
  await pair.die('n1');
  await until('mail on n2', async () => (await pair.group('n2', 'mail')).role === 'active', LIMIT_MS);
  const took = performance.now() - at;
  assert.ok(took > 1500, `before the silence was over: ${took.toFixed(0)} ms`);
  await until('a question', async () => (await pair.group('n2', 'desk')).ask !== null, LIMIT_MS);
  const shown = await say('n2', 'status');
  assert.is(shown.code, 2, shown.out);
  assert.match(shown.out, /^ desk +failing +nobody \(silent\).*a person is asked until .*/m);
  assert.equal([pair.placed('app'), pair.placed('desk')], [['n2'], []]);
  await alarmed('n2', 'path/n1', true);
  const yes = await say('n2', 'confirm', 'desk');
  assert.is(yes.code, 0, all(yes));
  await until('desk on n2', async () => (await pair.group('n2', 'desk')).role === 'active', LIMIT_MS);
  assert.is((await say('n2', 'confirm', 'mail')).code, 1, 'nothing is asked about it');
  // What it said last is believed for a moment still.
  const gone = async (): Promise<boolean> => /\[unreachable\]/.test((await say('n2', 'explain', 'mail')).out);
  await until('n1 refused as unreachable', gone, LIMIT_MS);
});

test('the failover blocks a further one until somebody took note', async () => {
  assert.is.not((await pair.group('n2', 'mail')).block, null);
  assert.match((await say('n2', 'explain', 'mail')).out, /\[block\]/);
  const seen = await say('n2', 'ack', 'group/mail');
  assert.is(seen.code, 0, all(seen));
  await until('no block', async () => (await pair.group('n2', 'mail')).block === null, LIMIT_MS);
});

test('the node that comes back starts nothing, and is a standby again', async () => {
  const before = pair.daemon('n1').startsOf('app');
  await pair.start('n1');
  for (const group of ['mail', 'desk']) await calm(group, 'n2');
  assert.is(pair.daemon('n1').startsOf('app'), before);
  await alarmed('n2', 'path/n1', false);
});

test('a certificate of another authority is refused and alarmed, and the right one heals it', async () => {
  assert.is((await certify(join(pair.folder, 'strange'))).code, 0);
  pair.show('n1', join(pair.folder, 'strange'));
  for (const name of PAIR) await alarmed(name, `path/${otherOf(name)}`, true);
  const shown = await say('n2', 'status');
  assert.match(shown.out, /^paths to n1: 127\.0\.1\.1 \(failed, .*certificate/m);
  assert.match(shown.out, /major since .*n1 answers on none of its paths/);
  assert.is((await pair.group('n2', 'mail')).owner, 'n2', 'what is well stays where it is');
  pair.show('n1', join(pair.folder, 'tls'));
  for (const name of PAIR) await alarmed(name, `path/${otherOf(name)}`, false);
});

test('never two owners, and one record says who it is', async () => {
  assert.equal(pair.seen.doubles, []);
  assert.ok(pair.seen.owners.size >= 6, [...pair.seen.owners].join('; '));
  const record = pair.etcd.ctl(['get', '--print-value-only', '/watchkeeper/pair/v1/groups/mail/owner']);
  assert.equal([JSON.parse(record).node, JSON.parse(record).state], ['n2', 'held']);
});

test('without a quorum nothing can be moved, and what runs goes on as long as both nodes agree', async () => {
  for (const member of [0, 1]) await pair.etcd.kill(member);
  await until('no quorum', async () => ((await pair.status('n1')).coordinator.spare ?? 0) < 0, LIMIT_MS);
  const refused = await say('n1', 'switchover', 'mail', '--yes');
  assert.is(refused.code, 106, all(refused));
  assert.match((await say('n2', 'status')).out, /^member .* does not answer: /m);
  assert.equal([pair.placed('app'), pair.placed('disk')], [['n2'], ['n2']]);
  assert.equal(pair.seen.doubles, []);
});

test.run();
