// The nagios check on real plugins of Debian's monitoring-plugins-basic.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import nagios from '../../src/checks/nagios.ts';
import { runCheck } from '../support/check.ts';
import { closedPort } from '../support/hostile.ts';
import { startNginx } from '../support/servers.ts';

const test = suite('nagios plugins');
const at = (name: string): string => `/usr/lib/nagios/plugins/${name}`;

test('check_dummy says each of the four', async () => {
  const outcomes = ['pass', 'degraded', 'fail', 'unknown'];
  for (const [code, outcome] of outcomes.entries()) {
    const result = await runCheck(nagios, { run: [at('check_dummy'), String(code), 'by request'] });
    assert.is(result.outcome, outcome);
    assert.match(result.detail, /^(OK|WARNING|CRITICAL|UNKNOWN): by request$/);
  }
});

test('check_disk and check_load give values with units and thresholds', async () => {
  const disk = await runCheck(nagios, { run: [at('check_disk'), '-w', '1', '-c', '1', '-p', '/'] });
  assert.is(disk.outcome, 'pass', disk.detail);
  const root = disk.metrics?.find((metric) => metric.name === '/');
  assert.ok(root && root.value > 0 && /^(Mi)?B$/.test(root.unit ?? '') && root.min === 0 && (root.max ?? 0) > 0);
  const load = await runCheck(nagios, { run: [at('check_load'), '-w', '900,900,900', '-c', '999,999,999'] });
  assert.equal(
    load.metrics?.slice(1).map((metric) => metric.name),
    ['load1', 'load5', 'load15'],
  );
});

test('check_http of a server that is there, and of one that is not', async () => {
  const nginx = await startNginx();
  const ask = (port: number): ReturnType<typeof runCheck> =>
    runCheck(nagios, { run: [at('check_http'), '-I', '127.0.0.1', '-p', String(port)], cause: 'refusing' });
  const up = await ask(nginx.http);
  await nginx.stop();
  assert.is(up.outcome, 'pass', up.detail);
  assert.ok(up.metrics?.some((metric) => metric.name === 'time' && metric.unit === 's'));
  const down = await ask(await closedPort());
  assert.is(down.outcome, 'fail', down.detail);
  assert.is(down.cause, 'refusing');
});

test.run();
