// The checks of filters, certificates and next hops against every way in which a server can be bad: a verdict in time,
// with the right cause, and no word from outside that is not quoted on one line.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import certificates from '../../src/checks/certificate-files.ts';
import clamd from '../../src/checks/clamd.ts';
import milter from '../../src/checks/milter.ts';
import hops from '../../src/checks/next-hops.ts';
import rspamd from '../../src/checks/rspamd.ts';
import type { Check, Depth } from '../../src/define.ts';
import { good } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { closedPort, type HostileMode, hostile } from '../support/hostile.ts';

const test = suite('filters and hostile servers');
const TIMEOUT_MS = 1500;
/** A loaded machine may be late; a check that does not end is far later. */
const SLACK_MS = 3000;
let folder = '';
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'wk-hostile-'));
  writeFileSync(join(folder, 'cert.pem'), good.cert);
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

interface Subject {
  readonly check: unknown;
  readonly options?: (port: number) => unknown;
  readonly greeting?: string;
  readonly depths?: readonly Depth[];
  readonly differs?: Partial<Record<HostileMode | 'closed', string>>;
}

const usual: Readonly<Record<Exclude<HostileMode, 'scripted'> | 'closed', string>> = {
  silent: 'fail/hung',
  'half-line': 'fail/hung',
  late: 'fail/hung',
  drips: 'fail/hung',
  'long-line': 'fail/misconfigured',
  endless: 'fail/misconfigured',
  garbage: 'fail/misconfigured',
  closes: 'fail/refusing',
  resets: 'fail/refusing',
  closed: 'fail/refusing',
};
/** Whatever a next hop does, it is somebody else's trouble. */
const elsewhere = Object.fromEntries(Object.keys(usual).map((mode) => [mode, 'degraded/dependency']));
/** The first bytes are enough to see that it is something else. */
const atOnce = { drips: 'fail/misconfigured', 'half-line': 'fail/misconfigured' };

const subjects: Readonly<Record<string, Subject>> = {
  clamd: { check: clamd },
  rspamd: {
    check: rspamd,
    options: (port) => ({ url: `http://127.0.0.1:${port}` }),
    greeting: 'HTTP/1.1 200 OK\r\n\r\n',
  },
  milter: { check: milter, differs: atOnce },
  'next-hops': {
    check: hops,
    options: (port) => ({ hops: [`127.0.0.1:${port}`] }),
    depths: ['deep'],
    differs: elsewhere,
  },
  'certificate-files': {
    check: certificates,
    options: (port) => ({ certificate: join(folder, 'cert.pem'), served: [{ port }] }),
    depths: ['deep'],
    differs: atOnce,
  },
  'certificate-files after STARTTLS': {
    check: certificates,
    options: (port) => ({ certificate: join(folder, 'cert.pem'), served: [{ port, starttls: 'smtp' }] }),
    depths: ['deep'],
  },
};

async function meet(subject: Subject, depth: Depth, mode: HostileMode | 'closed', wanted: string): Promise<void> {
  const server = mode === 'closed' ? null : await hostile(mode, { greeting: subject.greeting ?? '220 late ESMTP\r\n' });
  const port = server?.port ?? (await closedPort());
  const started = performance.now();
  const options = subject.options?.(port) ?? { port };
  const result = await runCheck(subject.check as Check, options, { depth, timeoutMs: TIMEOUT_MS });
  const ms = performance.now() - started;
  await server?.stop();
  assert.is(`${result.outcome}/${result.cause ?? '-'}`, wanted, `${mode}: ${result.detail}`);
  assert.ok(ms < TIMEOUT_MS + SLACK_MS, `${mode}: its verdict came after ${ms} ms`);
  assert.not.match(result.detail, /[\p{Cc}\p{Cf}]/u, mode);
  assert.ok(result.detail.length < 500, mode);
}

for (const [name, subject] of Object.entries(subjects))
  for (const depth of subject.depths ?? (['quick', 'deep'] as const))
    test(`${name}, ${depth}`, async () => {
      const before = process.memoryUsage().rss;
      const table = Object.entries({ ...usual, ...subject.differs }) as [HostileMode | 'closed', string][];
      const slow = table.filter(([mode]) => ['silent', 'half-line', 'late', 'drips'].includes(mode));
      await Promise.all(slow.map(([mode, wanted]) => meet(subject, depth, mode, wanted)));
      for (const one of table) if (!slow.includes(one)) await meet(subject, depth, ...one);
      assert.ok(process.memoryUsage().rss - before < 80_000_000, 'memory');
    });

test('a check that is not wanted any more ends at once', async () => {
  const server = await hostile('silent');
  for (const [name, subject] of Object.entries(subjects)) {
    const started = performance.now();
    const options = subject.options?.(server.port) ?? { port: server.port };
    await runCheck(subject.check as Check, options, { depth: 'deep', timeoutMs: 30_000, abortMs: 50 });
    assert.ok(performance.now() - started < SLACK_MS, name);
  }
  await server.stop();
});

test.run();
