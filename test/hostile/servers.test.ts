// Every network check against every way in which a server can be bad: a verdict in time, with the right cause, and no
// word from outside that is not quoted on one line.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import dns from '../../src/checks/dns.ts';
import http from '../../src/checks/http.ts';
import imap from '../../src/checks/imap.ts';
import lmtp from '../../src/checks/lmtp.ts';
import roundtrip from '../../src/checks/mail-roundtrip.ts';
import smtp from '../../src/checks/smtp.ts';
import tcp from '../../src/checks/tcp.ts';
import tls from '../../src/checks/tls.ts';
import type { Check } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { closedPort, type HostileMode, hostile } from '../support/hostile.ts';

const test = suite('hostile servers');
const TIMEOUT_MS = 600;

interface Subject {
  readonly check: Check;
  /** Options for a server at this port; default `{ port }`. */
  readonly options?: (port: number) => unknown;
  readonly greeting?: string;
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
  tcp: { check: tcp as unknown as Check, options: (port) => ({ port, expect: 'ESMTP' }) },
  smtp: { check: smtp as unknown as Check },
  lmtp: { check: lmtp as unknown as Check },
  imap: { check: imap as unknown as Check },
  // The first five bytes are enough to see that it is no TLS.
  tls: { check: tls as unknown as Check, differs: { drips: 'fail/misconfigured', 'half-line': 'fail/misconfigured' } },
  'tls after STARTTLS': { check: tls as unknown as Check, options: (port) => ({ port, starttls: 'smtp' }) },
  http: {
    check: http as unknown as Check,
    options: (port) => ({ url: `http://127.0.0.1:${port}/`, text: 'x' }),
    greeting: 'HTTP/1.1 200 OK\r\n\r\n',
  },
  'mail-roundtrip, submission': {
    check: roundtrip as unknown as Check,
    options: (port) => ({ to: 'a@b', submit: { port }, store: { port, user: 'a', password: 'env:LAB_PASSWORD' } }),
  },
};

const optionsFor = (subject: Subject, port: number): unknown => subject.options?.(port) ?? { port };

async function meet(subject: Subject, depth: 'quick' | 'deep', mode: HostileMode, wanted: string): Promise<void> {
  const server = await hostile(mode, { greeting: subject.greeting ?? '220 late ESMTP\r\n' });
  const started = performance.now();
  const result = await runCheck(subject.check, optionsFor(subject, server.port), { depth, timeoutMs: TIMEOUT_MS });
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
      const refused = await runCheck(subject.check, optionsFor(subject, await closedPort()), { depth });
      assert.is(`${refused.outcome}/${refused.cause ?? '-'}`, 'fail/refusing', refused.detail);
    });
  }
}

test('a check that is not wanted any more ends at once', async () => {
  const server = await hostile('silent');
  for (const [name, subject] of Object.entries(subjects)) {
    for (const depth of ['quick', 'deep'] as const) {
      const started = performance.now();
      await runCheck(subject.check, optionsFor(subject, server.port), { depth, timeoutMs: 30_000, abortMs: 50 });
      assert.ok(performance.now() - started < 500, `${name}, ${depth}`);
    }
  }
  await server.stop();
});

test('dns: nobody there, and a question that cannot be asked', async () => {
  const ask = (name: string): ReturnType<typeof runCheck> =>
    runCheck(dns as unknown as Check, { query: name, server: '127.0.0.1:1' }, { timeoutMs: TIMEOUT_MS });
  assert.is((await ask('a.test')).cause, 'refusing');
  assert.is((await ask(`${'a'.repeat(80)}.test`)).outcome, 'unknown');
});

test.run();
