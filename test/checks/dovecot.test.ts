import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/dovecot.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { logErrors, serviceRows } from '../../src/dialogues/doveadm.ts';
import { clock } from '../../src/ports/clock.ts';
import type { Exec, ExecResult } from '../../src/ports/exec.ts';
import { PASSWORD, runCheck } from '../support/check.ts';

const test = suite('dovecot');

const ended: ExecResult = {
  ...{ code: 0, signal: null, stdout: '', stderr: '', timedOut: false, failed: null, truncated: false, ms: 5 },
};
const HEAD =
  'name\tprocess_count\tprocess_avail\tprocess_limit\tclient_limit\tthrottle_secs\texit_failure_last\t' +
  'exit_failures_in_sec\tlast_drop_warning\tlisten_pending\tlistening\tdoveadm_stop\tprocess_total';
const WALL = Date.parse('2026-11-22T12:00:00Z');

interface Row {
  readonly name?: string;
  readonly count?: number;
  readonly avail?: number;
  readonly limit?: number;
  readonly throttle?: number;
  readonly dropped?: number;
  readonly pending?: string;
  readonly listening?: string;
  readonly stopped?: string;
}
const row = (of: Row = {}): string =>
  [
    ...[of.name ?? 'imap-login', of.count ?? 0, of.avail ?? 0, of.limit ?? 100, 1, of.throttle ?? 0, 0, 0],
    ...[of.dropped ?? 0, of.pending ?? 'n', of.listening ?? 'y', of.stopped ?? 'n', 0],
  ].join('\t');

interface Said {
  readonly rows?: readonly string[];
  readonly status?: Partial<ExecResult>;
  readonly auth?: Partial<ExecResult>;
  readonly log?: string;
}
interface Run {
  readonly argv: readonly string[];
  readonly input: string;
}

/** A doveadm that says this; `runs` keeps how it was called. */
function doveadm(said: Said, runs: Run[] = []): Exec {
  return {
    run: async (argv, options) => {
      runs.push({ argv, input: String(options.input ?? '') });
      if (argv.includes('status')) {
        return { ...ended, stdout: [HEAD, ...(said.rows ?? [row()])].join('\n'), ...said.status };
      }
      if (argv.includes('test')) return { ...ended, ...said.auth };
      options.onStdout?.(Buffer.from(said.log ?? ''));
      return ended;
    },
  };
}

const login = { user: 'probe@lab.test', password: 'env:PROBE_PASSWORD' };
async function ask(said: Said, options = {}, memory = new Map<string, unknown>(), runs: Run[] = []) {
  const ports = { exec: doveadm(said, runs), clock: { ...clock, wall: () => WALL } };
  // The real program is not needed: what is asked for is a program that is there and belongs to root.
  return runCheck(check as unknown as Check, { doveadm: '/bin/sh', ...options }, { depth: 'deep', memory, ports });
}
const short = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}/${result.part ?? '-'}`;

test('the table is read by its header, whatever else stands in it', () => {
  const [one, ...rest] = serviceRows(`${HEAD}\n${row({ name: 'auth', count: 1, avail: 1, limit: 1 })}\n\u001b[2J\n\n`);
  assert.is(one?.name, 'auth');
  assert.is(one?.limit, 1);
  assert.is(rest.length, 0);
  for (const text of ['', 'x', 'Fatal: no\n', 'name']) assert.equal(serviceRows(text), []);
});

test('a service that fails at every start, one that is full, one that was stopped', async () => {
  const seconds = WALL / 1000;
  const wanted: readonly [Row, string, object?][] = [
    [{}, 'pass/-/-'],
    [{ count: 1, avail: 1, limit: 1 }, 'pass/-/-'],
    [{ listening: 'n', throttle: 8 }, 'fail/refusing/imap-login'],
    [{ count: 100, dropped: seconds - 5 }, 'degraded/overloaded/imap-login'],
    [{ count: 100, dropped: seconds - 500 }, 'pass/-/-'],
    [{ count: 100, avail: 3, dropped: seconds - 5 }, 'pass/-/-'],
    [{ stopped: 'y', listening: 'n', throttle: 8 }, 'pass/-/-'],
    [{ stopped: 'y', listening: 'n' }, 'pass/-/-'],
    [{ stopped: 'y', listening: 'n' }, 'degraded/dead/imap-login', { services: ['imap-login'] }],
    [{}, 'fail/misconfigured/-', { services: ['lmtp'] }],
  ];
  for (const [of, outcome, options] of wanted) {
    const result = await ask({ rows: [row(of)] }, options);
    assert.is(short(result), outcome, `${JSON.stringify(of)}: ${result.detail}`);
  }
});

test('connections that wait count when two looks in a row see them', async () => {
  const memory = new Map<string, unknown>();
  const look = async (pending: string): Promise<string> => short(await ask({ rows: [row({ pending })] }, {}, memory));
  assert.is(await look('y'), 'pass/-/-');
  assert.is(await look('n'), 'pass/-/-');
  assert.is(await look('y'), 'pass/-/-');
  assert.is(await look('y'), 'degraded/overloaded/imap-login');
});

test('the password goes through standard input and is nowhere else', async () => {
  const runs: Run[] = [];
  const result = await ask({}, login, new Map(), runs);
  assert.is(short(result), 'pass/-/-');
  const run = runs.find((one) => one.argv.includes('test'));
  assert.is(run?.input, `${PASSWORD}\n`);
  assert.not.match(JSON.stringify(runs.map((one) => one.argv)), 'p\\"w');
  assert.not.match(JSON.stringify(result), 'p\\"w');
});

test('a refused password is not a table of users that cannot be read: the log tells', async () => {
  const auth = { code: 77, stdout: 'passdb: probe@lab.test auth failed\n' };
  assert.is(short(await ask({ auth }, login)), 'degraded/credentials/-');
  const log = 'Nov 22 12:00:00 Error: auth: passwd-file /users: open(/users) failed: No such file or directory\n';
  const broken = await ask({ auth, log }, login);
  assert.is(short(broken), 'fail/dependency/auth');
  assert.match(broken.detail, 'No such file or directory');
  const refused = { code: 77, stderr: 'Error: auth-client: connect(/run/auth-client) failed: Connection refused' };
  assert.is(short(await ask({ auth: refused }, login)), 'fail/refusing/auth');
  assert.is(short(await ask({ auth: { code: null, timedOut: true } }, login)), 'fail/hung/auth');
  assert.is(short(await ask({ auth: { code: 75 } }, login)), 'degraded/dependency/auth');
  assert.is(short(await ask({ auth: { code: 64 } }, login)), 'unknown/-/-');
});

test('what doveadm says when it cannot ask', async () => {
  const wanted: readonly [Partial<ExecResult>, string][] = [
    [{ code: null, timedOut: true }, 'fail/hung'],
    [{ code: 75, stderr: 'Fatal: read(/run/dovecot/master) failed: Interrupted system call' }, 'fail/hung'],
    [{ code: 75, stderr: 'Fatal: read(/run/dovecot/master) failed: Connection reset by peer' }, 'fail/refusing'],
    [{ code: 75, stderr: 'Fatal: net_connect_unix(/run/master) failed: No such file or directory' }, 'fail/refusing'],
    [{ code: 89, stderr: 'Fatal: Error in configuration file x line 1: Unknown setting' }, 'fail/misconfigured'],
    [{ code: 77, stderr: 'Fatal: net_connect_unix(/run/master) failed: Permission denied' }, 'unknown/-'],
    [{ code: 64, stderr: 'Fatal: usage' }, 'unknown/-'],
    [{ code: null, failed: 'ENOENT' }, 'unknown/-'],
  ];
  for (const [status, outcome] of wanted) {
    const result = await ask({ status: { stdout: '', ...status } });
    assert.is(`${result.outcome}/${result.cause ?? '-'}`, outcome, JSON.stringify(status));
  }
});

test('errors are counted from look to look, and a crash names its part', async () => {
  const line = 'Nov 22 12:00:00 Error: imap(u1): stat(/mail) failed\n';
  const memory = new Map<string, unknown>();
  assert.is(short(await ask({ log: line.repeat(500) }, {}, memory)), 'pass/-/-', 'the first look only begins');
  assert.is(short(await ask({ log: line.repeat(30) }, {}, memory)), 'pass/-/-');
  const many = await ask({ log: line.repeat(31) }, {}, memory);
  assert.is(short(many), 'degraded/dependency/-');
  assert.match(many.detail, '31 errors a minute');
  const crash = 'Nov 22 12:00:00 Fatal: lmtp: master: service(lmtp): child 5 killed with signal 11 (core dumped)\n';
  assert.is(short(await ask({ log: crash }, {}, memory)), 'degraded/dead/lmtp');
});

test('a log of any kind is read without harm', () => {
  const seen = logErrors();
  for (let i = 0; i < 200; i += 1) seen.add(Buffer.alloc(65_536, 0x78));
  seen.add(Buffer.from('\nNov 22 12:00:00 Panic: imap: file x: line 1: assertion failed\n\u0000\u001b[2J\n'));
  const all = seen.end();
  assert.is(all.count, 1);
  assert.is(all.crash?.part, 'imap');
});

test.run();
