// Real agents of Debian's resource-agents: Dummy, Filesystem, IPaddr2 (an address of the loopback that nobody uses),
// and promotable ones.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import ocf from '../../src/switchover/ocf.ts';
import { stepContext, stepFolder } from '../support/step.ts';

const test = suite('step ocf, real agents');
const folder = stepFolder();
const on = join(folder.path, 'mnt');
mkdirSync(on);
const address = `127.${100 + (process.pid % 100)}.${(process.pid >> 8) % 250}.77`;
const addresses = (): string => execFileSync('ip', ['-4', 'address', 'show', 'dev', 'lo'], { encoding: 'utf8' });
const filesystem = { device: 'tmpfs', directory: on, fstype: 'tmpfs', options: 'size=1m' };

const subjects: Readonly<Record<string, object>> = {
  'ocf:heartbeat:Dummy': { state: join(folder.path, 'dummy') },
  'ocf:heartbeat:Filesystem': filesystem,
  'ocf:heartbeat:IPaddr2': { ip: address, cidr_netmask: '32', nic: 'lo' },
};
test.after(async () => {
  for (const [agent, parameters] of Object.entries(subjects))
    await ocf.undo(stepContext(ocf, { agent, parameters }), { force: true });
  folder.remove();
});

for (const [agent, parameters] of Object.entries(subjects))
  test(`${agent}: there, again, away, again`, async () => {
    const context = stepContext(ocf, { agent, parameters });
    const ready = await ocf.ready?.(context);
    assert.is(ready?.ok, true, ready?.detail);
    assert.is((await ocf.probe(context)).state, 'undone');
    for (const _ of [1, 2]) {
      const done = await ocf.do(context);
      assert.is(done.ok, true, done.detail);
    }
    assert.is((await ocf.probe(context)).state, 'done');
    if (agent.endsWith('IPaddr2')) assert.match(addresses(), address);
    for (const force of [false, true]) {
      const undone = await ocf.undo(context, { force });
      assert.is(undone.ok, true, undone.detail);
    }
    assert.is((await ocf.probe(context)).state, 'undone');
    assert.not.match(addresses(), address);
  });

test('ocf:pacemaker:Stateful: promoted, and stopped', async () => {
  const parameters = { state: join(folder.path, 'stateful') };
  const context = stepContext(ocf, { agent: 'ocf:pacemaker:Stateful', parameters, promotable: true });
  assert.is((await ocf.probe(context)).state, 'undone');
  const done = await ocf.do(context);
  assert.equal([done.ok, /monitor says 8/.test(done.detail)], [true, true], done.detail);
  const undone = await ocf.undo(context, { force: false });
  assert.is(undone.ok, true, undone.detail);
  assert.is((await ocf.probe(context)).state, 'undone');
});

/** A promotable agent of one file, to the API: one that can be made to lie. */
function promotable(): { root: string } {
  const root = join(folder.path, 'ocf');
  mkdirSync(join(root, 'resource.d', 'test'), { recursive: true });
  const text = `#!/bin/sh
s="$OCF_RESKEY_state"
case "$1" in
start) echo unpromoted > "$s";;
stop) [ -z "$OCF_RESKEY_deaf" ] && rm -f "$s"; exit 0;;
promote) echo promoted > "$s";;
demote) [ "$(cat "$s")" = promoted ] && echo unpromoted > "$s"; exit 0;;
monitor) case "$(cat "$s" 2>/dev/null)" in promoted) exit 8;; unpromoted) exit 0;; esac; exit 7;;
*) exit 3;;
esac
`;
  writeFileSync(join(root, 'resource.d', 'test', 'two'), text, { mode: 0o755 });
  return { root };
}
const two = (more: object = {}, parameters: object = {}) =>
  stepContext(ocf, {
    ...{ agent: 'ocf:test:two', parameters: { state: join(folder.path, 'two'), ...parameters } },
    ...{ ...promotable(), promotable: true, ...more },
  });

test('a promotable one: started and promoted, demoted and stopped', async () => {
  const done = await ocf.do(two());
  assert.is(done.ok, true, done.detail);
  assert.is((await ocf.probe(two())).state, 'done');
  assert.is((await ocf.undo(two(), { force: false })).ok, true);
  assert.is((await ocf.probe(two())).state, 'undone');
});

test('a promotable one that goes on unpromoted', async () => {
  const keep = two({ 'keep-unpromoted': true });
  assert.is((await ocf.do(keep)).ok, true);
  assert.is((await ocf.undo(keep, { force: false })).ok, true);
  assert.is((await ocf.probe(keep)).state, 'undone');
  assert.equal([(await ocf.probe(two())).state], ['unknown'], 'it runs, and would have to be gone');
  assert.is((await ocf.undo(keep, { force: true })).ok, true);
});

test('a stop that says that it was done, and was not, is not ok', async () => {
  assert.is((await ocf.do(two())).ok, true);
  const got = await ocf.undo(two({}, { deaf: '1' }), { force: true });
  assert.equal([got.ok, /monitor says 8/.test(got.detail)], [false, true], got.detail);
  assert.is((await ocf.undo(two(), { force: true })).ok, true);
});

test('without the right nothing is started; an agent that is not there tells nothing', async () => {
  const options = { agent: 'ocf:heartbeat:Dummy', parameters: { state: join(folder.path, 'dummy') } };
  const lease = { epoch: 7, untilMs: () => Number.NEGATIVE_INFINITY };
  assert.is((await ocf.do(stepContext(ocf, options, { lease }))).ok, false);
  assert.is((await ocf.probe(stepContext(ocf, options))).state, 'undone');
  const none = stepContext(ocf, { agent: 'ocf:heartbeat:no-such-agent' });
  assert.is((await ocf.probe(none)).state, 'unknown');
  assert.equal([(await ocf.do(none)).ok, (await ocf.undo(none, { force: true })).ok], [false, false]);
});

test.run();
