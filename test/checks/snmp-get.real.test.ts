// A real snmpd of Debian on a loopback port, with a community and three users.
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/snmp-get.ts';
import type { CheckResult } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { endTree, newFolder, stopped } from '../support/server.ts';
import { closedUdpPort } from '../support/udp-server.ts';

const test = suite('snmp-get, real snmpd');
const folder = newFolder('snmpd');
const LOCATION = '1.3.6.1.2.1.1.6.0';
const UPTIME = '1.3.6.1.2.1.1.3.0';
const env = { COMMUNITY: 'lab-reads', AUTH: 'authentication', PRIVACY: 'privacy-phrase', WRONG: 'wrong-phrase' };
const secrets = secretsFrom(env);
let daemon: ChildProcess;
let port = 0;

const ask = (more: object, timeoutMs = 5000): Promise<CheckResult> =>
  runCheck(check, { port, oid: LOCATION, ...more }, { timeoutMs, ports: { secrets } });
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');
const v2 = { community: 'env:COMMUNITY' };
const v3 = { version: '3', user: 'private', 'auth-key': 'env:AUTH', 'privacy-key': 'env:PRIVACY' };

test.before(async () => {
  port = await closedUdpPort();
  writeFileSync(
    join(folder, 'conf'),
    `agentaddress udp:127.0.0.1:${port}
sysLocation rack 7
rocommunity ${env.COMMUNITY} 127.0.0.1
createUser private SHA-256 ${env.AUTH} AES ${env.PRIVACY}
createUser open SHA ${env.AUTH}
rouser private priv
rouser open auth
`,
  );
  const words = [
    '-f',
    '-Lf',
    join(folder, 'log'),
    '-C',
    '-c',
    join(folder, 'conf'),
    '-I',
    '-smux',
    '-p',
    join(folder, 'pid'),
  ];
  const persistent = { ...process.env, SNMP_PERSISTENT_DIR: folder };
  daemon = spawn('snmpd', words, { stdio: 'ignore', env: persistent });
  for (let tries = 0; tries < 40 && (await ask(v2, 500)).outcome !== 'pass'; tries += 1)
    await new Promise((next) => setTimeout(next, 100));
});
test.after(async () => {
  await endTree(daemon?.pid ?? 0);
  rmSync(folder, { recursive: true, force: true });
});

test('version 2c: a text, a number with limits, a value that is not there', async () => {
  const text = await ask(v2);
  assert.is(short(text), 'pass', text.detail);
  assert.match(text.detail, /says "rack 7"$/);
  assert.is(short(await ask({ ...v2, text: 'rack 8', cause: 'misconfigured' })), 'fail misconfigured');
  assert.is(short(await ask({ ...v2, oid: UPTIME, 'warn-above': 1e9 })), 'pass');
  assert.is(short(await ask({ ...v2, oid: UPTIME, 'warn-above': 0 })), 'degraded dependency');
  assert.is(short(await ask({ ...v2, oid: UPTIME, 'crit-below': 1e9 })), 'fail dependency');
  assert.is(short(await ask({ ...v2, 'warn-above': 0 })), 'unknown', 'no number');
  assert.is(short(await ask({ ...v2, oid: '1.3.6.1.2.1.1.99.0' })), 'fail misconfigured');
  // A 64-bit counter: bytes received by the loopback interface.
  const wide = await ask({ ...v2, oid: '1.3.6.1.2.1.31.1.1.1.6.1', 'warn-below': 0 });
  assert.is(short(wide), 'pass', wide.detail);
});

test('version 3: private, authenticated only, and who is refused', async () => {
  const got = await ask(v3);
  assert.is(short(got), 'pass', got.detail);
  assert.is(short(await ask({ version: '3', user: 'open', auth: 'sha', 'auth-key': 'env:AUTH' })), 'pass');
  assert.is(short(await ask({ ...v3, 'auth-key': 'env:WRONG' })), 'fail credentials');
  assert.is(short(await ask({ ...v3, user: 'nobody' })), 'fail credentials');
  assert.is(short(await ask({ version: '3', user: 'private', 'auth-key': 'env:AUTH' })), 'fail credentials');
});

test('an agent that stands still is hung; a wrong community gets no answer either', async () => {
  await stopped(daemon.pid ?? 0, async () => {
    assert.is(short(await ask(v2, 800)), 'fail hung');
    assert.is(short(await ask(v3, 800)), 'fail hung');
  });
  assert.is(short(await ask({ community: 'env:WRONG' }, 800)), 'fail hung');
});

test.run();
