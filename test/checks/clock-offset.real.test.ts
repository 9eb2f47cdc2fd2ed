// A real chronyd of Debian on a loopback port, which leaves the machine's clock alone; run with chroot(8), because it
// and the host's own time daemon exclude each other as packages. Needs root.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/clock-offset.ts';
import type { CheckResult } from '../../src/define.ts';
import { exec } from '../../src/ports/exec.ts';
import { runCheck } from '../support/check.ts';
import { type DebianRoot, debianRoot } from '../support/debian-root.ts';
import { until } from '../support/host.ts';
import { endTree } from '../support/server.ts';
import { closedUdpPort } from '../support/udp-server.ts';

const test = suite('clock-offset, real chronyd');
let debian: DebianRoot;
let daemon: ChildProcess;
let port = 0;
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');

test.before(async () => {
  debian = debianRoot(['chrony']);
  port = await closedUdpPort();
  mkdirSync(join(debian.root, 'run', 'chrony'), { mode: 0o750 });
  const lines = ['local stratum 8', `port ${port}`, 'bindaddress 127.0.0.1', 'allow 127.0.0.1', 'cmdport 0'];
  writeFileSync(join(debian.root, 'run', 'chrony.conf'), `${lines.join('\n')}\n`);
  const words = ['chroot', debian.root, 'chronyd', '-d', '-x', '-u', 'root', '-f', '/run/chrony.conf'];
  daemon = spawn(words[0] ?? '', words.slice(1), { stdio: 'ignore' });
  assert.ok(await until(() => existsSync(join(debian.root, 'run', 'chrony', 'chronyd.sock')), 20_000));
});
test.after(async () => {
  await endTree(daemon?.pid ?? 0);
  debian?.end();
});

test('its answer by SNTP: the same clock is not off', async () => {
  const got = await runCheck(check, { ask: 'server', host: '127.0.0.1', port });
  assert.is(short(got), 'pass', got.detail);
});

test('chronyc, of a daemon that keeps its own time, and of one that is gone', async () => {
  const ports = { exec: { run: ((argv, how) => exec.run(['chroot', debian.root, ...argv], how)) as typeof exec.run } };
  const got = await runCheck(check, { ask: 'chrony' }, { ports });
  assert.is(short(got), 'pass', got.detail);
  await endTree(daemon.pid ?? 0);
  assert.is(short(await runCheck(check, { ask: 'chrony' }, { ports })), 'unknown');
  const away = await runCheck(check, { ask: 'server', host: '127.0.0.1', port });
  assert.is(short(away), 'degraded dependency', away.detail);
});

test.run();
