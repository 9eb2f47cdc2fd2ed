// Real agents of fence-agents, and one more that ends a real process tree as if it were a node.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clock } from '../../src/ports/clock.ts';
import { proc } from '../../src/ports/proc.ts';
import fence from '../../src/switchover/fence.ts';
import { stepContext, stepFolder } from '../support/step.ts';

const test = suite('step fence, real agents');
const folder = stepFolder();
const status = join(folder.path, 'status');
const log = join(folder.path, 'log');
test.after(() => {
  for (const { pid } of proc.byArgv(new RegExp(folder.path))) proc.signal(pid, 'SIGKILL');
  folder.remove();
});

const dummy = (more: object = {}, nodes: object = { n1: {}, n2: {} }) => ({
  agent: 'fence_dummy',
  options: { status_file: status, ...more },
  nodes,
});
const context = (devices: readonly object[], more: object = {}, options: object = {}) =>
  stepContext(fence, { devices, ...options }, { from: 'n2', planned: false, ...more });

/** To the API of fence-agents: options on standard input, 0 on, 2 off, 1 an error. */
function treeAgent(off = 'kill -9 $(members)'): string {
  const path = join(folder.path, 'fence_tree');
  const read =
    'while IFS= read -r line; do case "$line" in plug=*|action=*|password=*) eval "${line%%=*}=\\${line#*=}";; esac; done';
  const text = `#!/bin/sh
members() { ps -e -o pgid= -o pid= -o stat= | awk -v g="$plug" '$1 == g && $3 !~ /^[ZX]/ { print $2 }'; }
${read}
echo "$# $action" >> ${log}
[ "$password" = "s3cret word" ] || { echo "error: bad password $password" >&2; exit 1; }
case "$action" in
off|reboot) ${off}; exit 0;;
status) [ -n "$(members)" ] && exit 0; exit 2;;
esac
exit 1
`;
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}
const secret = (text: string): string => {
  const path = join(folder.path, 'secret');
  writeFileSync(path, text, { mode: 0o600 });
  return `file:${path}`;
};
const tree = (agent: string, pid: number, ref = secret('s3cret word')) => ({
  ...{ agent, secrets: { password: ref }, nodes: { n2: { plug: String(pid) } } },
});
async function node(): Promise<number> {
  const made = await proc.spawn(['sh', '-c', `sleep 600 & sleep 600; : ${folder.path}`], {});
  if ('failed' in made) throw new Error(made.failed);
  return made.pid;
}

test('a node is off when its device says so afterwards', async () => {
  writeFileSync(status, 'on');
  const wanted = context([dummy()]);
  assert.is((await fence.probe(wanted)).state, 'undone');
  const got = await fence.do(wanted);
  assert.equal([got.ok, readFileSync(status, 'utf8')], [true, 'off'], got.detail);
  assert.is((await fence.probe(wanted)).state, 'done');
  assert.is((await fence.undo(wanted, { force: true })).ok, true);
  assert.is(readFileSync(status, 'utf8'), 'off', 'nothing is powered on');
});

test('nobody is fenced on a planned move, at the first start, and never this node', async () => {
  writeFileSync(status, 'on');
  for (const more of [{ planned: true }, { from: null }, { from: 'n1' }]) {
    assert.is((await fence.do(context([dummy()], more))).ok, true);
    assert.is((await fence.probe(context([dummy()], more))).state, 'done');
  }
  assert.is(readFileSync(status, 'utf8'), 'on');
});

test('a device that fails is no success, and the next one is tried', async () => {
  writeFileSync(status, 'on');
  const failing = dummy({ type: 'fail', power_timeout: '1' }, { n2: { plug: '1' } });
  const alone = await fence.do(context([failing]));
  assert.is(alone.ok, false, alone.detail);
  const both = await fence.do(context([failing, dummy()]));
  assert.equal([both.ok, readFileSync(status, 'utf8')], [true, 'off'], both.detail);
  assert.is((await fence.do(context([dummy({}, { n3: {} })]))).ok, false, 'no device knows it');
  const none = { agent: 'fence_no_such', nodes: { n2: {} } };
  assert.is((await fence.do(context([none]))).ok, false);
  assert.is((await fence.probe(context([none]))).state, 'unknown');
  assert.is((await fence.ready?.(context([none])))?.ok, false);
  assert.is((await fence.ready?.(context([dummy()])))?.ok, true);
});

test('two power supplies: off when both say so, each with its own agent and its own words', async () => {
  const second = join(folder.path, 'status-b');
  const supplies = (more: object = {}) => [
    dummy({}, { n2: { plug: 'a2' } }),
    { ...dummy({ status_file: second, ...more }, { n2: { plug: 'b2' } }) },
  ];
  const on = (a: string, b: string): void => {
    writeFileSync(status, a);
    writeFileSync(second, b);
  };
  const wanted = context(supplies(), {}, { all: true });
  on('on', 'on');
  assert.is((await fence.probe(wanted)).state, 'undone');
  assert.is((await fence.ready?.(wanted))?.ok, true);
  on('off', 'on');
  assert.is((await fence.probe(wanted)).state, 'undone', 'one that is off is not enough');
  on('on', 'on');
  const got = await fence.do(wanted);
  assert.equal([got.ok, readFileSync(status, 'utf8'), readFileSync(second, 'utf8')], [true, 'off', 'off'], got.detail);
  assert.is((await fence.probe(wanted)).state, 'done');
  // The second one does not switch: not fenced, whatever the first one says.
  on('on', 'on');
  const half = await fence.do(context(supplies({ type: 'fail', power_timeout: '1' }), {}, { all: true }));
  assert.equal([half.ok, readFileSync(second, 'utf8')], [false, 'on'], half.detail);
  assert.match(half.detail, '1 of 2 supplies are not off');
  // One that cannot be asked may be on.
  on('on', 'off');
  const mute = [supplies()[0] ?? {}, { agent: 'fence_no_such', nodes: { n2: {} } }];
  assert.is((await fence.do(context(mute, {}, { all: true }))).ok, false);
  assert.is.not((await fence.probe(context(mute, {}, { all: true }))).state, 'done');
  assert.throws(() => context(supplies(), {}, { all: true, action: 'reboot' }), /several supplies/);
});

test('a tree of processes as the node: gone, with the secret on standard input alone', async () => {
  const pid = await node();
  const wanted = context([tree(treeAgent(), pid)]);
  assert.is((await fence.probe(wanted)).state, 'undone');
  const got = await fence.do(wanted);
  assert.is(got.ok, true, got.detail);
  assert.is(proc.group(pid).filter((one) => !'ZX'.includes(proc.facts(one)?.state ?? 'X')).length, 0);
  assert.ok(
    readFileSync(log, 'utf8')
      .split('\n')
      .filter(Boolean)
      .every((line) => line.startsWith('0 ')),
    'no words',
  );
});

test('an agent that lies is found out, and one that hangs ends', async () => {
  const pid = await node();
  const lied = await fence.do(context([tree(treeAgent(':'), pid)]));
  assert.equal([lied.ok, /status of n2: exit code 0/.test(lied.detail)], [false, true], lied.detail);
  const started = clock.monotonic();
  const hung = await fence.do(context([{ ...tree(treeAgent('sleep 60'), pid), timeout: '500ms' }]));
  assert.is(hung.ok, false, hung.detail);
  assert.ok(clock.monotonic() - started < 30_000);
  assert.ok(proc.facts(pid), 'it lives');
  assert.is((await fence.do(context([tree(treeAgent(), pid)]))).ok, true);
});

test('a wrong secret is told without the secret', async () => {
  const got = await fence.do(context([tree(treeAgent(), 999_999_999, secret('wr0ng'))]));
  assert.equal([got.ok, got.detail.includes('wr0ng')], [false, false], got.detail);
  const two = await fence.do(context([tree(treeAgent(), 999_999_999, secret('a\naction=on'))]));
  assert.is(two.ok, false);
  assert.ok(existsSync(log));
});

test.run();
