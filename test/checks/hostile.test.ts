// Every network check against every way in which a server can be bad: a verdict in time, with the right cause, and no
// word from outside that is not quoted on one line.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import imap from '../../src/checks/imap.ts';
import lmtp from '../../src/checks/lmtp.ts';
import smtp from '../../src/checks/smtp.ts';
import tcp from '../../src/checks/tcp.ts';
import type { Check } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { closedPort, type HostileMode, hostile } from '../support/hostile.ts';

const test = suite('hostile servers');
const TIMEOUT_MS = 600;

interface Subject {
  readonly check: Check;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Where this check differs from the rest. */
  readonly differs?: Partial<Record<HostileMode, string>>;
}

const usual: Readonly<Partial<Record<HostileMode, string>>> = {
  silent: 'fail/hung',
  'half-line': 'fail/hung',
  late: 'fail/hung',
  drips: 'fail/hung',
  'long-line': 'fail/misconfigured',
  endless: 'fail/misconfigured',
  garbage: 'fail/misconfigured',
  closes: 'fail/refusing',
  resets: 'fail/refusing',
};

const subjects: Readonly<Record<string, Subject>> = {
  tcp: { check: tcp as unknown as Check, options: { expect: 'ESMTP' } },
  smtp: { check: smtp as unknown as Check },
  lmtp: { check: lmtp as unknown as Check },
  imap: { check: imap as unknown as Check },
};

async function meet(subject: Subject, depth: 'quick' | 'deep', mode: HostileMode, wanted: string): Promise<void> {
  const server = await hostile(mode, { greeting: '220 late ESMTP\r\n' });
  const started = performance.now();
  const options = { port: server.port, ...subject.options };
  const result = await runCheck(subject.check, options, { depth, timeoutMs: TIMEOUT_MS });
  const ms = performance.now() - started;
  await server.stop();
  assert.is(`${result.outcome}/${result.cause ?? '-'}`, wanted, `${mode}: ${result.detail}`);
  assert.ok(ms < TIMEOUT_MS, `${mode}: its verdict came after ${ms} ms`);
  assert.not.match(result.detail, /[\p{Cc}\p{Cf}]/u, mode);
  assert.ok(result.detail.length < 500, mode);
}

for (const [name, subject] of Object.entries(subjects)) {
  for (const depth of ['quick', 'deep'] as const) {
    test(`${name}, ${depth}`, async () => {
      const before = process.memoryUsage().rss;
      const table = Object.entries({ ...usual, ...subject.differs }) as [HostileMode, string][];
      const slow = table.filter(([, wanted]) => wanted === 'fail/hung');
      await Promise.all(slow.map(([mode, wanted]) => meet(subject, depth, mode, wanted)));
      for (const [mode, wanted] of table) if (wanted !== 'fail/hung') await meet(subject, depth, mode, wanted);
      assert.ok(process.memoryUsage().rss - before < 80_000_000, 'memory');
      const refused = await runCheck(subject.check, { port: await closedPort(), ...subject.options }, { depth });
      assert.is(`${refused.outcome}/${refused.cause ?? '-'}`, 'fail/refusing', refused.detail);
    });
  }
}

test.run();
