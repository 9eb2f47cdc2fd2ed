import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/next-hops.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { destinations } from '../../src/dialogues/destinations.ts';
import { parseMessage } from '../../src/dialogues/queue.ts';
import type { Exec, ExecResult } from '../../src/ports/exec.ts';
import { type RunOptions, runCheck } from '../support/check.ts';
import { closedPort, hostile } from '../support/hostile.ts';
import { until } from '../support/server.ts';

const test = suite('next-hops');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const run = (options: object, how: RunOptions = {}): Promise<CheckResult> =>
  runCheck(check as unknown as Check, options, { depth: 'deep', timeoutMs: 3000, ...how });

const line = (queue: string, ...addresses: readonly string[]): string =>
  `${JSON.stringify({
    ...{ queue_name: queue, queue_id: 'A1', arrival_time: 1, message_size: 1, sender: 'a@lab.test' },
    recipients: addresses.map((address) => ({ address, delay_reason: 'connect: timed out' })),
  })}\n`;

const ended: ExecResult = {
  ...{ code: 0, signal: null, stdout: '', stderr: '', timedOut: false, failed: null, truncated: false, ms: 5 },
};
const queue = (output: string, result: Partial<ExecResult> = {}): Exec => ({
  run: async (_argv, options) => {
    options.onStdout?.(Buffer.from(output));
    return { ...ended, ...result };
  },
});
// The real program is not needed: what is asked for is a program that is there and belongs to root.
const counting = { queue: true, postqueue: '/bin/sh', least: 3 };

test('providers, which speak IMAP or POP3', async () => {
  const heard: string[] = [];
  const answer = (text: string): undefined => void heard.push(text);
  const [imap, pop3, busy] = await Promise.all([
    hostile('scripted', { greeting: '* OK ready\r\n', answer }),
    hostile('scripted', { greeting: '+OK ready\r\n', answer }),
    hostile('scripted', { greeting: '* BYE too busy\u001b\r\n' }),
  ]);
  try {
    const at = ({ port }: { port: number }): string[] => [`127.0.0.1:${port}`];
    assert.is(said(await run({ hops: at(imap), speak: 'imap' })), 'pass/-');
    assert.is(said(await run({ hops: at(pop3), speak: 'pop3' })), 'pass/-');
    await until('the goodbyes', () => heard.includes('a LOGOUT') && heard.includes('QUIT'));
    assert.is(said(await run({ hops: at(imap), speak: 'pop3' })), 'degraded/dependency');
    const no = await run({ hops: [...at(imap), ...at(busy)], speak: 'imap' });
    assert.is(said(no), 'degraded/dependency');
    assert.match(no.detail, /^the provider 127.0.0.1:\d+ is in trouble: it says "\* BYE too busy/);
    const away = await run({ hops: [`127.0.0.1:${await closedPort()}`], speak: 'imap' });
    assert.is(said(away), 'degraded/dependency');
    const silent = await hostile('silent');
    assert.is(said(await run({ hops: at(silent), speak: 'imap' }, { timeoutMs: 800 })), 'degraded/dependency');
    await silent.stop();
  } finally {
    await Promise.all([imap.stop(), pop3.stop(), busy.stop()]);
  }
});

test('hops that greet, one that is away, one that says no; a goodbye for each', async () => {
  const heard: string[] = [];
  const answer = (text: string): undefined => void heard.push(text);
  const [well, busy] = await Promise.all([
    hostile('scripted', { answer }),
    hostile('scripted', { greeting: '421 4.3.2 too busy\r\n' }),
  ]);
  try {
    const [good, no, away] = [`127.0.0.1:${well.port}`, `127.0.0.1:${busy.port}`, `127.0.0.1:${await closedPort()}`];
    assert.is(said(await run({ hops: [good] })), 'pass/-');
    await until('the goodbye', () => heard.includes('QUIT'));
    const refused = await run({ hops: [good, away] });
    assert.is(said(refused), 'degraded/dependency');
    assert.match(refused.detail, `the next hop ${away} is in trouble`);
    const two = await run({ hops: [no, good, away] });
    assert.match(two.detail, `${no} is in trouble: 421 4.3.2 too busy, and 1 more of 3`);
    assert.is(said(await run({ hops: ['nowhere.invalid'] })), 'degraded/dependency');
    // The same one twice is asked once.
    const before = well.connections();
    await run({ hops: [good, good] });
    assert.is(well.connections(), before + 1);
  } finally {
    await Promise.all([well.stop(), busy.stop()]);
  }
});

test('nothing to look at is no configuration', () => {
  assert.not.ok(check.options.safeParse({}).success);
  assert.ok(check.options.safeParse({ queue: true }).success);
  for (const hop of ['', 'a b', 'x:99999999', 'x:99999', '[::1', 'http://x']) {
    assert.not.ok(check.options.safeParse({ hops: [hop] }).success, hop);
  }
});

test('deferred mail by domain', async () => {
  const far = line('deferred', 'x@Far.Test', 'y@far.test').repeat(3);
  const rest = line('deferred', 'a@b.test') + line('active', 'a@far.test').repeat(9);
  const stuck = await run(counting, { ports: { exec: queue(far + rest) } });
  assert.is(said(stuck), 'degraded/dependency');
  assert.match(stuck.detail, 'mail to far.test waits: 3 of 4 deferred messages (75 %)');
  assert.is(said(await run({ ...counting, least: 4 }, { ports: { exec: queue(far + rest) } })), 'pass/-');
  assert.is(said(await run({ ...counting, share: 75 }, { ports: { exec: queue(far + rest) } })), 'pass/-');
  assert.is(said(await run(counting, { ports: { exec: queue('') } })), 'pass/-');
  const timedOut = { code: null, timedOut: true };
  assert.is(said(await run(counting, { ports: { exec: queue(far, timedOut) } })), 'unknown/-');
  assert.is(said(await run(counting, { ports: { exec: queue('', { code: 69, stderr: 'down' }) } })), 'unknown/-');
});

test('domains without end are counted within bounds, and strange ones are cleaned', () => {
  const seen = destinations();
  for (let n = 0; n < 5000; n += 1) {
    const message = parseMessage(line('deferred', `a@d${n}.test`));
    if (message) seen.add(message);
  }
  assert.is(seen.total(), 5000);
  assert.is(seen.top()[0]?.count, 1);
  const odd = parseMessage(line('deferred', 'no domain', 'a@\u001b[2Jx'));
  assert.ok(odd);
  const cleaned = destinations();
  cleaned.add(odd);
  for (const { domain } of cleaned.top()) assert.not.match(domain, /\p{Cc}/u);
});

test.run();
