import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { NamedResult } from '../../src/core/combine.ts';
import { diagnose, wantsFacts } from '../../src/core/diagnose.ts';
import type { Cause, Facts, Outcome } from '../../src/core/types.ts';

const test = suite('diagnose');

const say = (type: string, outcome: Outcome, cause?: Cause, conclusive = false): NamedResult => ({
  ...{ name: type, type, conclusive },
  result: { outcome, detail: `${type} says ${outcome}`, ...(cause ? { cause } : {}) },
});
const facts = (patch: Partial<Facts> = {}): Facts => ({
  run: { state: 'running', detail: 'it runs' },
  processes: [],
  listeners: [],

  ageMs: null,
  resolver: 'answers',
  ...patch,
});
const one = (
  name: string,
  state: string,
  more: { main?: boolean; part?: string } = {},
): Facts['processes'][number] => ({
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

test.run();
