import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { NamedResult } from '../../src/core/combine.ts';
import { diagnose, forgotten, held, wantsFacts } from '../../src/core/diagnose.ts';
import type { Cause, Facts, LogSign, Outcome } from '../../src/core/types.ts';

const test = suite('diagnose');

const say = (type: string, outcome: Outcome, cause?: Cause, conclusive = false): NamedResult => ({
  ...{ name: type, type, conclusive },
  result: { outcome, detail: `${type} says ${outcome}`, ...(cause ? { cause } : {}) },
});
const facts = (patch: Partial<Facts> = {}): Facts => ({
  run: { state: 'running', detail: 'it runs' },
  processes: [],
  listeners: [],
  unheld: [],
  ageMs: null,
  log: [],
  resolver: 'answers',
  ...patch,
});
const one = (
  name: string,
  state: string,
  more: { main?: boolean; part?: string } = {},
): NonNullable<Facts['processes']>[number] => ({
  ...{ pid: 7, name, state, main: more.main ?? false, part: more.part ?? null },
});

test('without facts it is what the checks say', () => {
  const results = [say('smtp', 'fail', 'hung', true), say('disk', 'pass')];
  assert.equal(diagnose(results, null), {
    ...{ outcome: 'fail', cause: 'hung', detail: 'smtp says fail', check: 'smtp', conclusive: true },
  });
});

test('facts are asked for only where they could say more', () => {
  const wants = (...results: NamedResult[]): boolean => wantsFacts(results, diagnose(results, null));
  assert.ok(wants(say('imap', 'fail', 'hung')) && wants(say('imap', 'fail', 'refusing')));
  assert.ok(wants(say('imap', 'fail', 'dependency')), 'its log may say more');
  for (const cause of ['no-space', 'misconfigured', 'credentials', 'expired', 'dead'] as const)
    assert.not.ok(wants(say('imap', 'fail', cause)), cause);
  for (const outcome of ['pass', 'unknown'] as const) assert.not.ok(wants(say('imap', outcome)), outcome);
  assert.ok(wants(say('systemd', 'fail', 'dead'), say('smtp', 'pass')), 'something answers for the dead');
});

test('unknown and degraded stay what they are, whatever is known', () => {
  const known = facts({ run: { state: 'failed', detail: 'gone' }, processes: [one('auth', 'T', { main: true })] });
  for (const outcome of ['unknown', 'degraded', 'pass'] as const)
    assert.is(diagnose([say('imap', outcome, outcome === 'degraded' ? 'hung' : undefined)], known).outcome, outcome);
});

test('nothing runs behind a port that refuses: it is dead, for certain', () => {
  const known = facts({ run: { state: 'failed', detail: 'the main process is gone' } });
  assert.equal(diagnose([say('tcp', 'fail', 'refusing')], known), {
    ...{ outcome: 'fail', cause: 'dead', detail: 'the main process is gone', check: 'manager' },
    ...{ confidence: 'certain', conclusive: true, direct: true },
    seen: { by: 'run', check: 'tcp', cause: 'refusing' },
  });
});

test('a manager that cannot say, or is between two states, changes nothing', () => {
  for (const state of ['unknown', 'changing', 'running'] as const)
    assert.is(diagnose([say('tcp', 'fail', 'refusing')], facts({ run: { state, detail: '' } })).cause, 'refusing');
});

test('somebody else answers for a service that is gone: a foreign listener, and no start', () => {
  const listeners = [{ port: 25, who: 'pid 9 (/usr/bin/socat)', own: false }];
  const known = facts({ run: { state: 'failed', detail: 'gone' }, listeners });
  for (const results of [[say('systemd', 'fail', 'dead', true), say('smtp', 'pass')], [say('smtp', 'fail', 'hung')]]) {
    const { cause, detail, confidence } = diagnose(results, known);
    assert.equal([cause, confidence], ['misconfigured', 'certain']);
    assert.match(detail, /port 25 is held by pid 9 \(\/usr\/bin\/socat\): a foreign listener/);
  }
  const own = facts({ ...known, listeners: [{ port: 25, who: 'pid 1', own: true }] });
  assert.is(diagnose([say('smtp', 'fail', 'hung')], own).cause, 'dead');
  // While the service runs, another one on its port is no reason to call it dead.
  assert.is(diagnose([say('smtp', 'fail', 'hung')], facts({ listeners })).cause, 'hung');
});

test('one stopped process of many: the part that is at fault', () => {
  const processes = [one('dovecot', 'S', { main: true }), one('auth', 'T', { part: 'auth' }), one('imap-login', 'S')];
  const verdict = diagnose([say('imap', 'fail', 'hung', true)], facts({ processes }));
  assert.equal([verdict.cause, verdict.part, verdict.direct, verdict.confidence], ['hung', 'auth', true, 'certain']);
  assert.match(verdict.detail, /imap says fail; its process auth \(pid 7\) is stopped/);
});

test('the main process, or several parts: the whole service', () => {
  const all = [one('dovecot', 'T', { main: true }), one('auth', 'T', { part: 'auth' })];
  assert.is(diagnose([say('imap', 'fail', 'hung')], facts({ processes: all })).part, undefined);
  const two = [one('auth', 'T', { part: 'auth' }), one('lmtp', 'T', { part: 'lmtp' })];
  assert.is(diagnose([say('imap', 'fail', 'hung')], facts({ processes: two })).part, undefined);
});

test('who is looked at by a debugger, or waits for a disk, is not called stopped', () => {
  for (const state of ['t', 'D', 'S', 'R'])
    assert.is(diagnose([say('imap', 'fail', 'hung')], facts({ processes: [one('auth', state)] })).direct, undefined);
});

test('a late greeting of a mail server while the resolver is silent is the resolver', () => {
  const silent = facts({ resolver: 'silent' });
  const verdict = diagnose([say('smtp', 'fail', 'hung', true)], silent);
  assert.equal([verdict.cause, verdict.confidence, verdict.conclusive], ['dependency', 'likely', undefined]);
  assert.match(verdict.detail, /resolver does not answer/);
  assert.is(diagnose([say('imap', 'fail', 'hung')], silent).cause, 'hung', 'who does not ask it is not excused');
  const stopped = facts({ resolver: 'silent', processes: [one('master', 'T', { main: true })] });
  assert.is(diagnose([say('smtp', 'fail', 'hung')], stopped).cause, 'hung', 'what is seen comes first');
});

test('only the probe may not log in: the service is well', () => {
  const others = [say('systemd', 'pass'), say('disk', 'pass')];
  assert.match(diagnose([say('imap', 'fail', 'credentials'), ...others], null).detail, /account of the probe/);
  const worse = [say('imap', 'fail', 'credentials'), say('disk', 'degraded', 'no-space')];
  assert.not.match(diagnose(worse, null).detail, /account of the probe/);
});

test('how long it has been running goes with the verdict', () => {
  assert.is(diagnose([say('imap', 'fail', 'refusing')], facts({ ageMs: 3000 })).ageMs, 3000);
  assert.is(diagnose([say('imap', 'pass')], facts({ ageMs: 3000 })).ageMs, undefined);
});

test('what no restart cures is never turned into something that one would', () => {
  const known = facts({
    run: { state: 'failed', detail: 'gone' },
    processes: [one('auth', 'T', { part: 'auth' })],
    listeners: [{ port: 1, who: 'x', own: false }],
    resolver: 'silent',
  });
  for (const cause of ['misconfigured', 'no-space', 'dependency', 'credentials', 'expired'] as const)
    assert.is(diagnose([say('smtp', 'fail', cause)], known).cause, cause);
});

const SIGNS = [
  { line: 'master: Warning: service(*): process_limit (*) reached*', cause: 'overloaded', says: 'a limit' },
  { line: 'fatal: * No space left on device', cause: 'no-space', says: 'the disk is full', part: 'cleanup' },
] as const;
const blind = facts({ run: null, processes: null, listeners: null, unheld: null, log: null });

test('what could not be gathered is told from what is not there', () => {
  assert.equal(diagnose([say('imap', 'fail', 'refusing')], blind).unseen, [
    'run',
    'processes',
    'listeners',
    'unheld',
    'log',
  ]);
  assert.is(diagnose([say('imap', 'fail', 'refusing')], facts()).unseen, undefined);
  const noWord = facts({ resolver: null });
  assert.equal(diagnose([say('smtp', 'fail', 'hung')], noWord).unseen, ['resolver']);
  assert.is(diagnose([say('smtp', 'fail', 'refusing')], noWord).unseen, undefined, 'not asked, and not wanted');
  assert.is(diagnose([say('smtp', 'fail', 'hung')], null).unseen, undefined, 'nobody has tried');
});

test('what was seen of the same failure holds until it is refuted', () => {
  const hung = [say('lmtp', 'fail', 'hung')];
  const processes = [one('lmtp', 'T', { part: 'lmtp' })];
  const before = diagnose(hung, facts({ processes }));
  const now = held(before, diagnose([say('lmtp', 'fail', 'hung', true)], { ...blind, ageMs: 9000 }));
  assert.equal([now.part, now.cause, now.direct, now.conclusive, now.ageMs], ['lmtp', 'hung', true, true, 9000]);
  assert.match(now.detail, /lmtp \(pid 7\) is stopped.*seen before, and not refuted since\)$/);
  const third = held(now, diagnose(hung, blind));
  assert.is(third.detail, now.detail, 'it does not grow');
  assert.is(held(third, diagnose(hung, facts())).part, undefined, 'they were looked at, and none is stopped');
  const half = facts({ processes: [], resolver: null });
  assert.is(held(third, diagnose(hung, half)).part, undefined, 'other evidence that is missing refutes nothing');
});

test('another failure is another story', () => {
  const before = diagnose([say('lmtp', 'fail', 'hung')], facts({ processes: [one('lmtp', 'T', { part: 'lmtp' })] }));
  for (const other of [say('imap', 'fail', 'hung'), say('lmtp', 'fail', 'refusing'), say('lmtp', 'fail', 'no-space')])
    assert.is(held(before, diagnose([other], blind)).part, undefined);
  for (const outcome of ['pass', 'unknown', 'degraded'] as const) {
    const now = diagnose([say('lmtp', outcome, outcome === 'degraded' ? 'hung' : undefined)], blind);
    assert.is(held(before, now), now, outcome);
  }
  assert.is(
    held(forgotten(before), diagnose([say('lmtp', 'fail', 'hung')], blind)).part,
    undefined,
    'and it can be dropped',
  );
  assert.is(held(null, before), before);
});

test('a guess does not outweigh what was seen, and what is only put off is no failure', () => {
  const hung = [say('lmtp', 'fail', 'hung')];
  const before = diagnose(hung, facts({ processes: [one('lmtp', 'T', { part: 'lmtp' })] }));
  const full = ['fatal: queue: No space left on device'];
  const guess = diagnose(hung, facts({ processes: null, log: full }), SIGNS);
  assert.equal([guess.cause, held(before, guess).cause, held(before, guess).part], ['no-space', 'hung', 'lmtp']);
  const looked = diagnose(hung, facts({ processes: [], log: full }), SIGNS);
  assert.is(held(before, looked).cause, 'no-space');
  assert.is(held(diagnose(hung, facts({ resolver: 'silent' })), guess).cause, 'no-space', 'of two guesses the newer');
  const later = diagnose([say('lmtp', 'degraded', 'dependency')], facts({ log: full }), SIGNS);
  assert.is(held(later, diagnose([say('lmtp', 'fail', 'dependency')], blind)).outcome, 'fail');
});

test('what kept it from a repair holds as well', () => {
  const smtp = [say('smtp', 'fail', 'hung', true)];
  const before = diagnose(smtp, facts({ resolver: 'silent' }));
  const now = held(before, diagnose(smtp, facts({ resolver: null })));
  assert.equal([now.cause, now.conclusive], ['dependency', undefined]);
  assert.is(held(before, diagnose(smtp, facts({ resolver: 'answers' }))).cause, 'hung');
});

test('a line of its log names the cause, below what was seen', () => {
  const log = ['connect from x', 'fatal: queue: No space left on device', 'disconnect from x'];
  const verdict = diagnose([say('smtp', 'fail', 'hung')], facts({ log }), SIGNS);
  assert.equal([verdict.cause, verdict.confidence, verdict.part], ['no-space', 'likely', 'cleanup']);
  assert.match(verdict.detail, /^smtp says fail; its log says "fatal: queue: No .*": the disk is full$/);
  const stopped = facts({ log, processes: [one('cleanup', 'T', { part: 'cleanup' })] });
  assert.is(diagnose([say('smtp', 'fail', 'hung')], stopped, SIGNS).cause, 'hung', 'a process that is stopped');
  assert.is(diagnose([say('smtp', 'fail', 'expired')], facts({ log }), SIGNS).cause, 'expired', 'nor a plain word');
});

test('it runs, holds one port, and nobody listens on the other: a restart would not open it', () => {
  const known = facts({ listeners: [{ port: 25, who: 'pid 7', own: true }], unheld: [587], ageMs: 60_000 });
  const verdict = diagnose([say('smtp', 'fail', 'refusing')], known);
  assert.equal([verdict.cause, verdict.confidence], ['misconfigured', 'likely']);
  assert.match(verdict.detail, /holds port 25, and nobody listens on port 587/);
  const other = (patch: Partial<Facts>): unknown =>
    diagnose([say('smtp', 'fail', 'refusing')], facts({ ...known, ...patch })).cause;
  assert.is(other({ ageMs: 3000 }), 'refusing', 'it may be coming up');
  assert.is(other({ listeners: [] }), 'refusing', 'it holds none: that is no word on its configuration');
  assert.is(other({ listeners: [{ port: 25, who: 'x', own: false }] }), 'refusing');
  assert.is(other({ run: { state: 'failed', detail: 'gone' } }), 'dead');
  assert.is(diagnose([say('smtp', 'fail', 'hung')], known).cause, 'hung');
});

test('"not now" has its cause named by the log, and stays degraded', () => {
  const log = ['fatal: queue: No space left on device'];
  const verdict = diagnose([say('smtp', 'degraded', 'dependency')], facts({ log }), SIGNS);
  assert.equal([verdict.outcome, verdict.cause, verdict.unseen], ['degraded', 'no-space', undefined]);
  assert.is(diagnose([say('smtp', 'degraded', 'overloaded')], facts({ log }), SIGNS).cause, 'overloaded');
  const stopped = facts({ processes: [one('smtpd', 'T')], run: { state: 'failed', detail: 'gone' } });
  assert.is(diagnose([say('smtp', 'degraded', 'dependency')], stopped, SIGNS).cause, 'dependency');
  assert.ok(wantsFacts([], diagnose([say('smtp', 'degraded', 'dependency')], null)));
  const dead = [{ line: 'fatal: *', cause: 'dead', says: 'x' }] as const;
  for (const outcome of ['degraded', 'fail'] as const)
    assert.is(
      diagnose([say('smtp', outcome, 'dependency')], facts({ log }), dead).cause,
      'dependency',
      'no repair of it',
    );
});

test('the first sign of the table decides, and only a whole line', () => {
  const full = 'fatal: queue: No space left on device';
  const limit = 'master: Warning: service(imap-login): process_limit (2) reached, client connections are being dropped';
  const cause = (...log: string[]): unknown => diagnose([say('smtp', 'fail', 'hung')], facts({ log }), SIGNS).cause;
  assert.equal([cause(full, limit), cause(limit, full)], ['overloaded', 'overloaded']);
  for (const line of [`reject: helo=<${full}>`, `${full}>`, 'fatal: No space left on device', ''])
    assert.is(cause(line), 'hung', line);
});

test('a line that is said once stays true while as many processes run as it says', () => {
  const line = 'warning: service "*" has reached its limit "*": clients wait';
  const older = ['warning: service "smtp" has reached its limit "2": clients wait'];
  const stays = { forMs: 1_000_000, processes: 'smtpd' };
  const sign = { line, cause: 'overloaded', says: 'all are busy', stays } as const;
  const cause = (patch: Partial<Facts>, which: LogSign = sign): unknown =>
    diagnose([say('smtp', 'fail', 'hung')], facts({ older, ...patch }), [which]).cause;
  const two = [one('smtpd', 'S'), one('smtpd', 'S')];
  assert.is(cause({ processes: two }), 'overloaded');
  assert.is(cause({ processes: null }), 'overloaded', 'nobody could look: hands off');
  assert.is(cause({ processes: [...two.slice(1), one('qmgr', 'S')] }), 'hung', 'there is room again');
  assert.is(cause({ processes: two, older: [] }), 'hung');
  const { stays: _, ...plain } = sign;
  assert.is(cause({ processes: two }, plain), 'hung', 'an older line of a sign that does not stay');
  assert.is(cause({ processes: [], log: older }), 'overloaded', 'said since it failed');
  const newer = { line: 'warning: filter: *', cause: 'dependency', says: 'x' } as const;
  const both = facts({ older, processes: two, log: ['warning: filter: gone'] });
  assert.is(diagnose([say('smtp', 'fail', 'hung')], both, [sign, newer]).cause, 'dependency', 'news come first');
  const putOff = facts({ older, processes: two });
  assert.is(diagnose([say('smtp', 'degraded', 'dependency')], putOff, [sign]).cause, 'dependency');
});

test.run();
