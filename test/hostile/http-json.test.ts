// The checks that ask by HTTP and judge a peer, against every way in which a server can be bad. Their verdict comes in
// time and degrades at most, and no word from outside is shown as it came.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import latency from '../../src/checks/latency.ts';
import peerHealth from '../../src/checks/peer-health.ts';
import type { Check } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { type HostileMode, hostile } from '../support/hostile.ts';

const test = suite('hostile health pages');
const TIMEOUT_MS = 2500;
const subjects: Readonly<Record<string, { check: Check; cause: Partial<Record<HostileMode, string>>; own?: boolean }>> =
  {
    latency: {
      check: latency as unknown as Check,
      cause: { silent: 'hung', closes: 'refusing', garbage: 'misconfigured' },
    },
    'peer-health': { check: peerHealth as unknown as Check, cause: {} },
    'own health': {
      check: peerHealth as unknown as Check,
      cause: { silent: 'hung', garbage: 'misconfigured' },
      own: true,
    },
  };
const MODES: HostileMode[] = [
  'silent',
  'half-line',
  'late',
  'drips',
  'long-line',
  'endless',
  'garbage',
  'closes',
  'resets',
];

const SLOW: readonly HostileMode[] = ['silent', 'half-line', 'late', 'drips'];

async function meet(check: Check, own: boolean, mode: HostileMode, cause: string | undefined): Promise<void> {
  const server = await hostile(mode, { greeting: 'HTTP/1.1 200 OK\r\n\r\n' });
  const url = `http://127.0.0.1:${server.port}/`;
  // Whatever comes after its time is thrown away by the daemon, so its own limit must be the shorter one.
  let late = false;
  const timer = setTimeout(() => {
    late = true;
  }, TIMEOUT_MS);
  const result = await runCheck(check, { url, ...(own ? { own } : {}) }, { timeoutMs: TIMEOUT_MS });
  clearTimeout(timer);
  await server.stop();
  assert.not.ok(late, `${mode}: its verdict came too late`);
  assert.is(result.outcome, own ? 'fail' : 'degraded', `${mode}: ${result.detail}`);
  if (cause) assert.is(result.cause, cause, `${mode}: ${result.detail}`);
  assert.not.match(result.detail, /[\p{Cc}\p{Cf}]/u, mode);
  assert.ok(result.detail.length < 500, mode);
}

for (const [name, { check, cause, own = false }] of Object.entries(subjects))
  test(name, async () => {
    const before = process.memoryUsage().rss;
    await Promise.all(SLOW.map((mode) => meet(check, own, mode, cause[mode])));
    for (const mode of MODES.filter((one) => !SLOW.includes(one))) await meet(check, own, mode, cause[mode]);
    assert.ok(process.memoryUsage().rss - before < 80_000_000, 'memory');
  });

test.run();
