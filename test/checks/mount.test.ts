import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/mount.ts';
import type { CheckResult } from '../../src/define.ts';
import type { ExecResult } from '../../src/ports/exec.ts';
import { files } from '../../src/ports/files.ts';
import { proc } from '../../src/ports/proc.ts';
import { ask, hostPorts } from '../support/host.ts';

const test = suite('check mount');
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');
const well = { code: 0, signal: null, stdout: '0', stderr: '', timedOut: false, failed: null, truncated: false, ms: 3 };

/** A machine with one mount line, where stat ends so. */
function run(options: object, line: string | null, stat: Partial<ExecResult> = {}): Promise<CheckResult> {
  const table = line === null ? '' : `22 1 0:21 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / ${line}\n`;
  const ports = hostPorts({
    files: { ...files, readText: () => table },
    exec: { run: () => Promise.resolve({ ...well, ...stat }) },
    proc: { ...proc, byArgv: () => [] },
  });
  return ask(check, { path: '/var/vmail', ...options }, ports);
}
const NFS = '/var/vmail rw,relatime shared:5 - nfs4 nas:/mail rw,vers=4.2';

test('the table and the answer decide', async () => {
  assert.is(short(await run({}, NFS)), 'pass');
  assert.is(short(await run({ path: '/var/vmail/' }, NFS)), 'pass');
  assert.is(short(await run({ kinds: ['nfs', 'nfs4'], source: 'nas:/mail' }, NFS)), 'pass');
  const away = await run({ path: '/var/mail' }, NFS);
  assert.is(short(away), 'fail dependency');
  assert.is(away.detail, 'nothing is mounted at /var/mail');
  assert.is((await run({ kinds: ['ext4'] }, NFS)).detail, '/var/vmail is nfs4 on nas:/mail, expected ext4');
  assert.is(short(await run({ source: 'nas:/other' }, NFS)), 'fail dependency');
});

test('read-only is no space to write, unless it may be', async () => {
  for (const line of ['/var/vmail ro - nfs4 nas:/mail rw', '/var/vmail rw - ext4 /dev/sdb ro,errors=remount-ro']) {
    assert.is(short(await run({}, line)), 'fail no-space');
    assert.is(short(await run({ 'read-only': true }, line)), 'pass');
  }
});

test('the newest mount at a point is the one that shows', async () => {
  const two = `/var/vmail rw - nfs4 nas:/mail rw\n31 30 0:41 / /var/vmail rw - tmpfs tmpfs rw`;
  assert.is(short(await run({ kinds: ['nfs4'] }, two)), 'fail dependency');
});

test('a server that is gone: stale handles, errors, silence', async () => {
  const said = (stderr: string) => run({}, NFS, { code: 1, stderr: `stat: cannot statfs '/var/vmail': ${stderr}\n` });
  assert.is(short(await said('Stale file handle')), 'fail dependency');
  assert.is(short(await said('Transport endpoint is not connected')), 'fail dependency');
  assert.is(short(await said('Function not implemented')), 'unknown');
  const silent = await run({}, NFS, { code: null, timedOut: true, ms: 4700 });
  assert.is(short(silent), 'fail dependency');
  assert.is(silent.detail, '/var/vmail is mounted and does not answer, for 4.7 s now');
  assert.is(short(await run({}, NFS, { code: null, failed: 'EAGAIN' })), 'unknown');
});

test.run();
