import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Known, mainOf, readUnit } from '../../src/host/unit-state.ts';
import type { Proc, ProcessFacts } from '../../src/ports/proc.ts';
import { unitFacts } from '../support/host.ts';

const test = suite('unit-state');

const process = (pid: number, given: Partial<ProcessFacts> = {}): ProcessFacts => ({
  pid,
  startTicks: pid * 10,
  exe: '/usr/sbin/maild',
  ppid: 1,
  group: pid,
  session: pid,
  state: 'S',
  comm: 'maild',
  ...given,
});
const machine = (...all: ProcessFacts[]): Proc =>
  ({
    cgroup: (path: string) => (path === '/system.slice/mail.service' ? all.map((one) => one.pid) : []),
    facts: (pid: number) => all.find((one) => one.pid === pid) ?? null,
  }) as unknown as Proc;
const read = (given: Record<string, string>, all: ProcessFacts[] = [], known: Known | null = null) =>
  readUnit('mail', unitFacts(given), machine(...all), known);
const invocation = unitFacts()['InvocationID'] ?? '';

const asPid = (main: ReturnType<typeof mainOf>) => (main === 'dead' ? 'dead' : (main?.pid ?? null));

const CASES: [string, Record<string, string>, ProcessFacts[], string, string, boolean][] = [
  ['runs', { MainPID: '7' }, [process(7)], 'running', 'running', false],
  ['a stopped one still runs', { MainPID: '7' }, [process(7, { state: 'T' })], 'running', 'running', false],
  ['reloading', { MainPID: '7', ActiveState: 'reloading', Job: '4' }, [process(7)], 'running', 'running', false],
  ['active, its main a zombie', { MainPID: '7' }, [process(7, { state: 'Z' })], 'remains', 'failed', false],
  ['active, its main gone', { MainPID: '7' }, [process(8, { session: 7 })], 'remains', 'failed', false],
  ['two equals', {}, [process(7), process(8)], 'running', 'running', false],
  ['active without any process', {}, [], 'remains', 'failed', false],
  ['oneshot', { Type: 'oneshot', RemainAfterExit: 'yes' }, [], 'exited', 'running', false],
  ['wrapper', { RemainAfterExit: 'yes', ConsistsOf: 'mail@-.service' }, [], 'wrapper', 'unknown', false],
  ['started by hand', { ActiveState: 'activating', SubState: 'start', Job: '12' }, [], 'starting', 'changing', true],
  ['queued by hand', { ActiveState: 'inactive', Job: '12' }, [], 'starting', 'changing', true],
  ['by systemd itself', { ActiveState: 'activating', SubState: 'auto-restart' }, [], 'restarting', 'changing', false],
  ['stopped by hand', { ActiveState: 'deactivating', Job: '12' }, [], 'stopping', 'changing', true],
  ['cleanup of a crash', { ActiveState: 'deactivating', SubState: 'stop' }, [], 'dying', 'failed', false],
  ['stopped', { ActiveState: 'inactive', InactiveEnterTimestampMonotonic: '5' }, [], 'stopped', 'stopped', true],
  ['never started', { ActiveState: 'inactive' }, [], 'never-started', 'stopped', false],
  ['failed', { ActiveState: 'failed', Result: 'signal' }, [], 'failed', 'failed', false],
  ['inactive after a failure', { ActiveState: 'inactive', Result: 'exit-code' }, [], 'failed', 'failed', false],
  ['start limit', { ActiveState: 'failed', Result: 'start-limit-hit' }, [], 'start-limit', 'failed', false],
  ['masked', { LoadState: 'masked', ActiveState: 'inactive' }, [], 'masked', 'stopped', true],
  ['missing', { LoadState: 'not-found', ActiveState: 'inactive' }, [], 'missing', 'unknown', false],
  ['bad unit file', { LoadState: 'bad-setting', ActiveState: 'inactive' }, [], 'missing', 'unknown', false],
  ['cleaned by hand', { ActiveState: 'maintenance' }, [], 'stopping', 'changing', true],
];
for (const [name, facts, all, condition, state, byHand] of CASES)
  test(name, () => {
    const got = read(facts, all);
    assert.equal([got.condition, got.state, got.byHand], [condition, state, byHand]);
    assert.ok(got.detail.length > 10 && !got.detail.includes('undefined'), got.detail);
  });

test('a disabled unit is forgotten by systemd when it is stopped; having seen it run tells the difference', () => {
  const known = { invocation: 'old', main: process(7) };
  assert.is(read({ ActiveState: 'inactive' }, [], known).condition, 'stopped');
});

test('a SysV unit stays active when its daemon has died; having seen it run tells the difference', () => {
  const known = { invocation, main: process(7) };
  const given = { Type: 'forking', RemainAfterExit: 'yes', MainPID: '0' };
  assert.is(read(given, [], known).condition, 'remains');
  assert.is(read(given, []).condition, 'exited');
  assert.is(read({ ...given, Type: 'oneshot' }, [], known).condition, 'exited');
});

test('systemd does not know the main process: the leader of the group', () => {
  const master = process(7);
  const [pickup, qmgr] = [process(8, { ppid: 7, session: 7 }), process(9, { ppid: 7, session: 7 })];
  const of = (all: ProcessFacts[], known: Known | null = null, given = {}) =>
    asPid(mainOf(unitFacts(given), all, known));
  assert.is(of([pickup, master, qmgr]), 7);
  const [left, right] = [process(8, { session: 7 }), process(9, { session: 7 })];
  assert.is(of([left, right]), null, 'two that cannot be told apart');
  assert.is(of([left]), 8, 'one process that never called setsid');
  const known = { invocation, main: master };
  assert.is(of([left], known), 'dead', 'an orphan of the master that was seen');
  assert.is(of([process(8)], known), 8, 'a new leader in the same run');
  assert.is(of([left], { ...known, invocation: 'another run' }), 8);
  assert.is(of([process(5), master, qmgr], null, { ControlPID: '5' }), 7, 'the stop command is not the service');
  assert.is(of([process(7, { startTicks: 1 }), process(8)], known), 'dead', 'two leaders instead of one');
});

test('a main process outside of its group counts', () => {
  const proc = { ...machine(), facts: (pid: number) => (pid === 7 ? process(7) : null) } as Proc;
  assert.is(readUnit('mail', unitFacts({ MainPID: '7' }), proc, null).condition, 'running');
});

test.run();
