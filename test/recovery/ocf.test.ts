import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Recovery } from '../../src/define.ts';
import { proc } from '../../src/ports/proc.ts';
import ocf from '../../src/recovery/ocf.ts';
import { until } from '../support/host.ts';
import { recoveryContext } from '../support/recover.ts';

const test = suite('recovery ocf');
const recovery = ocf as unknown as Recovery;
const root = mkdtempSync(join(tmpdir(), 'wk-ocf-'));
const folder = join(root, 'resource.d', 'lab');
const path = join(folder, 'thing');
const exe = join(root, 'maild');
mkdirSync(folder, { recursive: true });
copyFileSync('/bin/sleep', exe);
test.after.each(() => {
  for (const one of proc.byExe(exe)) proc.signal(one.pid, 'SIGKILL');
});
test.after(() => rmSync(root, { recursive: true }));

/** An agent: what it does, by action. */
function agent(actions: Readonly<Record<string, string>>): void {
  const all = Object.entries(actions).map(([name, body]) => `${name}) ${body};;`);
  writeFileSync(path, `#!/bin/sh\ncase "$1" in\n${all.join('\n')}\n*) exit 3;;\nesac\n`);
  chmodSync(path, 0o755);
}
const context = (more: object = {}) => recoveryContext(recovery, { agent: 'ocf:lab:thing', root, ...more });
const living = (): number => proc.byExe(exe).filter((one) => one.state !== 'Z').length;

test('what its monitor says is what is known', async () => {
  const table: [string, string][] = [
    ['exit 0', 'running'],
    ['exit 8', 'running'],
    ['exit 190', 'running'],
    ['exit 7', 'stopped'],
    ['exit 1', 'failed'],
    ['exit 9', 'failed'],
    ['exit 5', 'unknown'],
    ['exit 4', 'unknown'],
    ['kill -9 $$', 'unknown'],
    ['sleep 30', 'unknown'],
  ];
  for (const [monitor, wanted] of table) {
    agent({ monitor });
    assert.is((await recovery.inspect(context({ 'ask-timeout': '300ms' }))).state, wanted, monitor);
  }
  assert.is((await recovery.inspect(context({ agent: 'ocf:lab:other' }))).state, 'unknown');
});

test('a start leaves the service behind; codes 2, 5 and 6 are misconfigured', async () => {
  agent({ start: `${exe} 30 & exit 0` });
  assert.is((await recovery.start(context())).ok, true);
  assert.ok(await until(() => living() === 1));
  for (const [code, cause] of Object.entries({
    1: undefined,
    2: 'misconfigured',
    5: 'misconfigured',
    6: 'misconfigured',
  })) {
    agent({ start: `echo "ocf-exit-reason:no" >&2; exit ${code}` });
    const got = await recovery.start(context());
    assert.equal([got.ok, got.cause], [false, cause], code);
    assert.match(got.detail, `start says ${code}`);
    assert.match(got.detail, '"no"');
  }
  agent({ start: 'sleep 30' });
  assert.is((await recovery.start(context({ 'start-timeout': '100ms' }))).cause, 'hung');
});

test('a stop that fails, hangs or lies ends in SIGKILL of what is its own', async () => {
  for (const stop of ['exit 1', 'sleep 30', 'exit 0']) {
    agent({ start: `${exe} 30 & exit 0`, stop });
    const asked = context({ exe: [exe], 'stop-timeout': '200ms' });
    await recovery.start(asked);
    assert.ok(await until(() => living() === 1));
    const got = await recovery.stop(asked, { force: false });
    assert.is(got.ok, true, got.detail);
    assert.match(got.detail, 'killed 1 process');
    assert.is(living(), 0);
  }
  agent({ stop: 'exit 1' });
  assert.is((await recovery.stop(context(), { force: true })).ok, false, 'nothing tells its processes');
});

test('validate-all: no is no, and none says nothing', async () => {
  const table: [string, boolean][] = [
    ['exit 0', true],
    ['exit 1', false],
    ['exit 6', false],
    ['exit 3', true],
    ['sleep 30', true],
  ];
  for (const [validate, ok] of table) {
    agent({ 'validate-all': validate });
    const got = await recovery.validate?.(context({ 'ask-timeout': '300ms' }));
    assert.equal([got?.ok, got?.cause], [ok, ok ? undefined : 'misconfigured'], validate);
  }
  assert.is((await recovery.reload?.(context()))?.ok, false, 'it knows no reload');
});

test.run();
