// The checks of stores and databases against every way in which a server can be bad: a verdict in time, with the right
// cause, and no word from outside that is not quoted on one line.
import { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import ldap from '../../src/checks/ldap.ts';
import managesieve from '../../src/checks/managesieve.ts';
import mariadb from '../../src/checks/mariadb.ts';
import pop3 from '../../src/checks/pop3.ts';
import postgresql from '../../src/checks/postgresql.ts';
import redis from '../../src/checks/redis.ts';
import type { Check } from '../../src/define.ts';
import type { Net } from '../../src/ports/net.ts';
import { runCheck } from '../support/check.ts';
import { closedPort, type HostileMode, hostile } from '../support/hostile.ts';

const test = suite('hostile stores');
const TIMEOUT_MS = 1500;

interface Subject {
  readonly check: unknown;
  readonly options?: object;
  /** What a good server of this protocol could say. */
  readonly greeting: string;
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

const account = { user: 'probe', password: 'env:LAB_PASSWORD' };
// One byte is an answer of PostgreSQL: S begins TLS, and what comes then is none.
const letter: Partial<Record<HostileMode, string>> = { drips: 'fail/misconfigured', 'half-line': 'fail/misconfigured' };

// The bytes that drip make a whole message after a while, and it is none that makes sense.
const whole: Partial<Record<HostileMode, string>> = { drips: 'fail/misconfigured' };

const subjects: Readonly<Record<string, Subject>> = {
  pop3: { check: pop3, options: account, greeting: '+OK ready\r\n' },
  managesieve: { check: managesieve, options: account, greeting: '"SIEVE" "x"\r\nOK\r\n' },
  redis: { check: redis, options: account, greeting: '+PONG\r\n' },
  ldap: {
    check: ldap,
    options: { ...account, tls: 'off' },
    greeting: '0\u000b\u0002\u0001\u0002e\u0006',
    differs: whole,
  },
  'ldap after StartTLS': {
    check: ldap,
    options: account,
    greeting: '0\u000b\u0002\u0001\u0002x\u0006',
    differs: whole,
  },
  postgresql: { check: postgresql, options: account, greeting: 'zzzz', differs: letter },
  'postgresql, login': { check: postgresql, options: { ...account, tls: 'off' }, greeting: 'R\0\0\u000f\0\0\0\0' },
  mariadb: { check: mariadb, options: account, greeting: '\0\u000f\0\0\n10.11' },
  'mariadb, no login': { check: mariadb, greeting: '\0\u000f\0\0\n10.11' },
};

async function meet(name: string, subject: Subject, depth: 'quick' | 'deep', mode: HostileMode, wanted: string) {
  const server = await hostile(mode, { greeting: subject.greeting });
  const started = performance.now();
  const options = { port: server.port, ...subject.options };
  const result = await runCheck(subject.check as Check, options, { depth, timeoutMs: TIMEOUT_MS });
  const ms = performance.now() - started;
  await server.stop();
  assert.is(`${result.outcome}/${result.cause ?? '-'}`, wanted, `${name}, ${mode}: ${result.detail}`);
  assert.ok(ms < TIMEOUT_MS, `${mode}: its verdict came after ${ms} ms`);
  assert.not.match(result.detail, /[\p{Cc}\p{Cf}]/u, mode);
  assert.ok(result.detail.length < 500, mode);
}

const DEPTHS = ['quick', 'deep'] as const;

for (const [name, subject] of Object.entries(subjects)) {
  test(name, async () => {
    const before = process.memoryUsage().rss;
    const table = Object.entries({ ...usual, ...subject.differs }) as [HostileMode, string][];
    const all = DEPTHS.flatMap((depth) => table.map(([mode, wanted]) => ({ depth, mode, wanted })));
    // Those that end by the clock wait side by side.
    const slow = all.filter(({ wanted }) => wanted === 'fail/hung');
    await Promise.all(slow.map(({ depth, mode, wanted }) => meet(name, subject, depth, mode, wanted)));
    for (const { depth, mode, wanted } of all)
      if (wanted !== 'fail/hung') await meet(name, subject, depth, mode, wanted);
    assert.ok(process.memoryUsage().rss - before < 80_000_000, 'memory');
    for (const depth of DEPTHS) {
      const options = { port: await closedPort(), ...subject.options };
      const refused = await runCheck(subject.check as Check, options, { depth });
      assert.is(`${refused.outcome}/${refused.cause ?? '-'}`, 'fail/refusing', refused.detail);
    }
  });
}

/** A far server that never offers TLS, and keeps what it is sent. */
function farNet(lines: readonly string[], bytes: string, sent: string[]): Net {
  return {
    async open() {
      const left = [...lines];
      return {
        connectMs: 1,
        toItself: false,
        certificate: null,
        readLine: async () => left.shift() ?? '',
        readBytes: async (count) => Buffer.from(bytes.slice(0, count)),
        write: async (data) => void sent.push(String(data)),
        startTls: async () => assert.unreachable() as never,
        lend: () => ({
          socket: new Socket(),
          fault: () => null,
          lost: new Promise(() => undefined),
          unacknowledged: () => null,
          guard: (hear) => hear,
        }),
        close: () => undefined,
      };
    },
  };
}

test('no password goes to a far server without TLS', async () => {
  const told: Readonly<Record<string, readonly string[]>> = {
    pop3: ['+OK', '+OK', 'USER', 'SASL PLAIN', '.'],
    managesieve: ['"SIEVE" "x"', '"SASL" "PLAIN"', 'OK'],
  };
  for (const name of ['pop3', 'managesieve', 'redis', 'ldap', 'postgresql']) {
    const sent: string[] = [];
    const options = { host: '192.0.2.1', ...subjects[name]?.options, tls: name === 'redis' ? 'off' : 'offered' };
    const answer = name === 'ldap' ? '' : 'N';
    const ports = { net: farNet(told[name] ?? [], answer, sent) };
    const plain = name === 'ldap' ? { ...options, tls: 'off' } : options;
    const result = await runCheck(subjects[name]?.check as Check, plain, { depth: 'deep', timeoutMs: 1000, ports });
    assert.is(result.outcome, 'unknown', `${name}: ${result.detail}`);
    assert.match(result.detail, 'sends no password', name);
    assert.not.match(sent.join(''), /pw|AHByb2JlAHB3|PASS|AUTH/, name);
  }
});

test('a check that is not wanted any more ends at once', async () => {
  const server = await hostile('silent');
  for (const [name, subject] of Object.entries(subjects)) {
    for (const depth of DEPTHS) {
      const started = performance.now();
      const options = { port: server.port, ...subject.options };
      await runCheck(subject.check as Check, options, { depth, timeoutMs: 30_000, abortMs: 50 });
      assert.ok(performance.now() - started < 500, `${name}, ${depth}`);
    }
  }
  await server.stop();
});

test.run();
