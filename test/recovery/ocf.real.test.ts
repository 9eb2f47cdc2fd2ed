// The agent ocf:heartbeat:nginx of Debian's resource-agents, around an nginx of the test's own: run by it and asked by
// it, well and broken.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/ocf.ts';
import type { Check, Recovery } from '../../src/define.ts';
import { proc } from '../../src/ports/proc.ts';
import ocf from '../../src/recovery/ocf.ts';
import { runCheck } from '../support/check.ts';
import { until } from '../support/host.ts';
import { type OwnNginx, ownNginx } from '../support/own-nginx.ts';
import { recoveryContext } from '../support/recover.ts';
import { answers, stopped } from '../support/servers.ts';

const test = suite('ocf, real nginx');
const recovery = ocf as unknown as Recovery;
let nginx: OwnNginx;
test.before(async () => {
  nginx = await ownNginx();
});
test.after(() => nginx.end());

const agent = () => ({
  agent: 'ocf:heartbeat:nginx',
  parameters: {
    httpd: nginx.exe,
    configfile: nginx.config,
    port: String(nginx.port),
    status10url: `http://127.0.0.1:${nginx.port}/index.html`,
    status10regex: 'Welcome',
  },
});
const context = (more: object = {}) =>
  recoveryContext(recovery, { ...agent(), 'pid-file': nginx.pidFile, exe: [nginx.exe], ports: [nginx.port], ...more });
const ask = async (depth: 'quick' | 'deep', timeoutMs = 20_000): Promise<string> => {
  const got = await runCheck(check as unknown as Check, agent(), { depth, timeoutMs });
  return [got.outcome, got.cause].filter(Boolean).join(' ');
};

test('stopped, started, asked, stopped again', async () => {
  assert.is((await recovery.inspect(context())).state, 'stopped');
  assert.is(await ask('quick'), 'fail dead');
  assert.is((await recovery.validate?.(context()))?.ok, true);
  const started = await recovery.start(context());
  assert.is(started.ok, true, started.detail);
  assert.ok(await answers(nginx.port));
  const seen = await recovery.inspect(context());
  assert.equal([seen.state, seen.main?.exe], ['running', nginx.exe]);
  assert.is(await ask('quick'), 'pass');
  assert.is(await ask('deep'), 'pass');
  const end = await recovery.stop(context(), { force: false });
  assert.is(end.ok, true, end.detail);
  assert.is(nginx.living(), 0);
});

test('one that stands still fails the deep look alone, and is killed as a whole', async () => {
  await recovery.start(context());
  const main = (await recovery.inspect(context())).main;
  await stopped(main?.pid ?? 0, async () => {
    assert.is(await ask('quick'), 'pass');
    assert.is(await ask('deep', 4000), 'fail hung');
    assert.is((await recovery.stop(context(), { force: true })).ok, true);
    assert.is(nginx.living(), 0);
  });
  // To the agent a zombie runs: until somebody has reaped it, a start does nothing.
  assert.ok(await until(() => proc.facts(main?.pid ?? 0) === null, 20_000));
});

test('a stop that does not come to its end leaves nothing either', async () => {
  await recovery.start(context());
  const main = (await recovery.inspect(context())).main;
  for (const one of proc.byExe(nginx.exe)) proc.signal(one.pid, 'SIGSTOP');
  const got = await recovery.stop(context({ 'stop-timeout': '500ms' }), { force: false });
  assert.is(got.ok, true, got.detail);
  assert.match(got.detail, /did not end within \d+ ms; killed [12] process/);
  assert.is(nginx.living(), 0);
  assert.ok(await until(() => proc.byExe(nginx.exe).length === 0 && proc.facts(main?.pid ?? 0) === null, 20_000));
});

test('a bad configuration is told before anything is stopped', async () => {
  nginx.write('bad');
  const got = await recovery.validate?.(context());
  assert.equal([got?.ok, got?.cause], [false, 'misconfigured'], got?.detail);
  assert.match(got?.detail ?? '', 'configuration error');
  const started = await recovery.start(context());
  assert.equal([started.ok, started.cause], [false, 'misconfigured'], started.detail);
  nginx.write('good');
});

test('an agent that is not there', async () => {
  const none = recoveryContext(recovery, { agent: 'ocf:heartbeat:no-such-agent' });
  assert.is((await recovery.start(none)).cause, 'misconfigured');
});

test.run();
