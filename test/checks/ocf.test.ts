import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/ocf.ts';
import type { CheckResult } from '../../src/define.ts';
import { PASSWORD, runCheck } from '../support/check.ts';

const test = suite('check ocf');
const root = mkdtempSync(join(tmpdir(), 'wk-ocf-'));
const folder = join(root, 'resource.d', 'lab');
const path = join(folder, 'thing');
mkdirSync(folder, { recursive: true });
test.after(() => rmSync(root, { recursive: true }));

/** An agent that does this when it is asked anything. */
function agent(body: string): void {
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
}
const run = (more: object = {}, depth: 'quick' | 'deep' = 'quick', timeoutMs = 5000): Promise<CheckResult> =>
  runCheck(check, { agent: 'ocf:lab:thing', root, ...more }, { depth, timeoutMs });
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');

test('each exit code of the specification', async () => {
  const table: [number, string][] = [
    [0, 'pass'],
    [1, 'fail refusing'],
    [2, 'fail misconfigured'],
    [3, 'unknown'],
    [4, 'unknown'],
    [5, 'fail misconfigured'],
    [6, 'fail misconfigured'],
    [7, 'fail dead'],
    [8, 'pass'],
    [9, 'fail refusing'],
    [42, 'unknown'],
    [190, 'degraded refusing'],
    [191, 'degraded refusing'],
  ];
  for (const [code, wanted] of table) {
    agent(`exit ${code}`);
    assert.is(short(await run()), wanted, String(code));
  }
  assert.is(short(await run({ cause: 'overloaded' })), 'degraded overloaded');
});

test('its environment is that of a cluster, at the level of the depth', async () => {
  agent(`env | grep ^OCF_ | sort > ${root}/env; echo "$1" >> ${root}/env; exit 0`);
  await run({ parameters: { port: '25' }, secrets: { password: 'env:PROBE_PASSWORD' }, 'deep-level': 20 }, 'deep');
  const { readFileSync } = await import('node:fs');
  const told = readFileSync(join(root, 'env'), 'utf8');
  for (const line of [
    'OCF_CHECK_LEVEL=20',
    'OCF_RA_VERSION_MAJOR=1',
    'OCF_RA_VERSION_MINOR=1',
    'OCF_RESKEY_port=25',
    `OCF_RESKEY_password=${PASSWORD}`,
    'OCF_RESOURCE_INSTANCE=test',
    'OCF_RESOURCE_PROVIDER=lab',
    'OCF_RESOURCE_TYPE=thing',
    `OCF_ROOT=${root}`,
    'monitor',
  ])
    assert.ok(told.split('\n').includes(line), `${line}\n${told}`);
  await run({ instance: 'web' });
  assert.match(readFileSync(join(root, 'env'), 'utf8'), /^OCF_CHECK_LEVEL=0$[^]*^OCF_RESOURCE_INSTANCE=web$/m);
});

test('its own reason is told, on one line and quoted', async () => {
  agent(`echo noise; printf 'ERROR: other\\nocf-exit-reason:no \\033[31mlicence\\n' >&2; exit 5`);
  assert.is((await run()).detail, 'ocf:lab:thing monitor says 5 (not installed): "no \\x1b[31mlicence"');
});

test('one that does not come back waits for its service', async () => {
  agent('sleep 30');
  const started = performance.now();
  assert.is(short(await run({}, 'quick', 600)), 'fail hung');
  assert.ok(performance.now() - started < 10_000);
});

test('what cannot or must not be run says nothing', async () => {
  agent('exit 0');
  assert.is(short(await run({ agent: 'ocf:lab:other' })), 'unknown');
  assert.is(short(await run({ secrets: { password: 'env:NO_SUCH' } })), 'unknown');
  chmodSync(path, 0o777);
  const open = await run();
  assert.is(short(open), 'unknown');
  assert.match(open.detail, 'everybody may write');
  for (const bad of ['ocf:lab:../thing', 'lab:thing', 'ocf:lab:', 'ocf:lab:a/b', 'ocf:..:x'])
    assert.is(check.options.safeParse({ agent: bad }).success, false, bad);
});

test.run();
