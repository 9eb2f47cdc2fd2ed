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
const TIMEOUT_MS = 600;
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

for (const [name, { check, cause, own }] of Object.entries(subjects))
  for (const mode of MODES)
    test(`${name}: ${mode}`, async () => {
      const server = await hostile(mode, { greeting: 'HTTP/1.1 200 OK\r\n\r\n' });
      const before = process.memoryUsage().rss;
      const started = performance.now();
      const url = `http://127.0.0.1:${server.port}/`;
      const result = await runCheck(check, { url, ...(own ? { own } : {}) }, { timeoutMs: TIMEOUT_MS });
      const ms = performance.now() - started;
      await server.stop();
      assert.ok(ms < TIMEOUT_MS, `its verdict came after ${ms} ms`);
      assert.is(result.outcome, own ? 'fail' : 'degraded', result.detail);
      if (cause[mode]) assert.is(result.cause, cause[mode], result.detail);
      assert.not.match(result.detail, /[\p{Cc}\p{Cf}]/u);
      assert.ok(process.memoryUsage().rss - before < 80_000_000, 'memory');
    });

test.run();
