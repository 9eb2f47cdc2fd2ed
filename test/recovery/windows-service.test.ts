import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ActionResult, LifeChange, Ports } from '../../src/define.ts';
import { errorCause, errorText } from '../../src/host/windows-service.ts';
import { isRefused, STATE, scm } from '../../src/ports/scm.ts';
import recovery from '../../src/recovery/windows-service.ts';
import { type FakeService, FakeScm } from '../support/fake-scm.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const test = suite('recovery windows-service');

/** One service of a Windows machine, and the plugin on it. */
function world(given: Partial<FakeService> = {}, options: object = {}) {
  const clock = new VirtualClock();
  const manager = new FakeScm(clock);
  const mail = manager.add('mail', given);
  const stop = new AbortController();
  const context = {
    options: recovery.options.parse({ service: 'mail', 'start-timeout': '5s', 'stop-timeout': '2s', ...options }),
    ports: { clock, scm: manager } as unknown as Ports,
    signal: stop.signal,
    service: 'mail',
    memory: new Map<string, unknown>(),
    stateDir: '/nowhere',
  };
  /** Lets time go by until it is done. */
  const done = async <R>(work: Promise<R>): Promise<R> => {
    let over = false;
    const end = (): void => {
      over = true;
    };
    work.then(end, end);
    for (let n = 0; n < 2000 && !over; n++) await clock.run(50);
    assert.ok(over, 'it does not end');
    return work;
  };
  return {
    ...{ clock, manager, mail, context, abort: () => stop.abort(new Error('timeout')) },
    inspect: () => done(recovery.inspect(context)),
    start: () => done(recovery.start(context)),
    stop: (force = false) => done(recovery.stop(context, { force })),
    validate: () => done(recovery.validate?.(context) as Promise<ActionResult>),
  };
}

test('running, stopped, never started, crashed, its own code: state and evidence', async () => {
  const { inspect, mail, manager } = world();
  const runs = await inspect();
  assert.equal([runs.state, runs.byHand, runs.detail], ['running', false, 'mail runs as pid 100']);
  assert.equal(runs.main, { pid: 100, startTicks: 100_000, exe: null });
  assert.equal(runs.evidence, { service: 'mail', state: 'RUNNING', pid: '100', process: 'lives', exit: '0' });
  const cases: [number, number, string, boolean, RegExp][] = [
    [0, 0, 'stopped', true, /^mail was stopped in an orderly way$/],
    [1077, 0, 'stopped', false, /has not been started since boot/],
    [1067, 0, 'failed', false, /its process ended unexpectedly \(error 1067\)/],
    [1066, 42, 'failed', false, /with its own code 42 \(error 1066\)/],
    [1069, 0, 'failed', false, /could not log on/],
    [9999, 0, 'failed', false, /with error 9999/],
  ];
  for (const [exit, own, state, byHand, detail] of cases) {
    manager.halt(mail, exit, own);
    const seen = await inspect();
    assert.equal([seen.state, seen.byHand, seen.main], [state, byHand, undefined], String(exit));
    assert.match(seen.detail, detail);
    assert.is(seen.evidence['exit'], String(exit));
  }
});

test('a dead process is dead, whatever the manager says, and a pid that is used again is not taken for it', async () => {
  const { inspect, mail, manager, stop, start } = world({ blind: true });
  await inspect();
  manager.crash(mail.pid);
  const seen = await inspect();
  assert.equal([seen.state, seen.evidence['state'], seen.evidence['process']], ['failed', 'RUNNING', 'ended']);
  assert.match(seen.detail, /pid 100, has ended with exit code 1, though the service manager says RUNNING/);
  assert.ok((await stop(true)).ok);
  assert.equal(manager.asked, [], 'nobody is killed for it');
  assert.ok((await start()).ok);
  assert.is((await inspect()).state, 'running');
  assert.is(manager.open.size, 1, 'only the handle of the living process is kept');
  await recovery.release?.(world().context);
});

test('a process that may not be opened is believed to live', async () => {
  const { inspect, manager } = world();
  manager.closed.add(100);
  const seen = await inspect();
  assert.equal([seen.state, seen.evidence['process']], ['running', 'may not be opened']);
});

test('an orderly stop, and what is ours is not by hand', async () => {
  const { inspect, stop, start, manager, mail } = world();
  const stopped = await stop();
  assert.match(stopped.detail, /^stopped in \d+ ms$/);
  assert.is((await inspect()).byHand, false);
  assert.ok((await stop()).ok, 'twice is no fault');
  assert.ok((await start()).ok);
  manager.halt(mail);
  assert.is((await inspect()).byHand, true, 'it ran again, and this stop is not ours');
  assert.equal(manager.asked, ['stop mail', 'start mail']);
});

test('a stop that is not obeyed, not taken, or not finished ends in TerminateProcess', async () => {
  for (const [given, why] of [
    [{ stops: 'ignores' }, /did not stop within 2\d\d\d ms: mail stays STOP_PENDING/],
    [{ stops: 1052 }, /did not take the stop control: it does not take this control now \(error 1052\)/],
    [{ stops: 1053 }, /error 1053/],
    [{ stops: 1061 }, /error 1061/],
    [{ stops: 'obeys', lingers: true }, /says STOPPED, but its process lives/],
  ] as [Partial<FakeService>, RegExp][]) {
    const { stop, manager, inspect } = world(given);
    const result = await stop();
    assert.ok(result.ok, result.detail);
    assert.match(result.detail, why, result.detail);
    assert.match(result.detail, /; killed pid 100 in/);
    assert.is(manager.living.size, 0);
    assert.is((await inspect()).byHand, false);
  }
});

test('force kills at once; who survives is said', async () => {
  const { stop, manager } = world();
  assert.match((await stop(true)).detail, /^killed pid 100/);
  assert.equal(manager.asked, ['kill 100']);
  const other = world();
  other.manager.immortal.add(100);
  const left = await other.stop(true);
  assert.equal([left.ok, left.cause], [false, 'hung']);
  assert.match(left.detail, /pid 100 lives still/);
});

test('a shared process is not killed for one of its services, unless that is allowed', async () => {
  const { stop, manager } = world({ shared: true, stops: 'ignores' });
  const result = await stop();
  assert.is(result.ok, false);
  assert.match(result.detail, /has other services too/);
  assert.ok(manager.living.has(100));
  const allowed = world({ shared: true, stops: 'ignores' }, { 'kill-shared': true });
  assert.ok((await allowed.stop()).ok);
  const orderly = world({ shared: true, lingers: true });
  assert.match((await orderly.stop()).detail, /^stopped in/, 'its process may live on for the others');
});

test('dependents (1051) are stopped first, told, and started again', async () => {
  const { stop, start, manager } = world({ dependents: ['web', 'sync'] });
  manager.add('web');
  manager.add('sync');
  const stopped = await stop();
  assert.match(stopped.detail, /^2 dependent services stopped first: web, sync; stopped in/);
  assert.equal(manager.asked, ['stop mail', 'stop web', 'stop sync', 'stop mail']);
  assert.match((await start()).detail, /; its dependents were started again: sync, web$/);
  assert.is(manager.services.get('web')?.state, STATE.running);
});

test('a dependent that does not stop is not killed; the service itself is', async () => {
  const { stop, manager } = world({ dependents: ['web'] });
  const web = manager.add('web', { stops: 'ignores' });
  web.state = STATE.running;
  const stopped = await stop();
  assert.ok(stopped.ok);
  assert.match(stopped.detail, /0 dependent services of 1 stopped first: none/);
  assert.equal(
    manager.asked.filter((one) => one.startsWith('kill')),
    ['kill 100'],
  );
});

const STARTS: [Partial<FakeService>, ActionResult['cause'], RegExp][] = [
  [{ startType: 4 }, 'misconfigured', /disabled.*1058/],
  [{ startError: 1072 }, 'misconfigured', /marked for deletion/],
  [{ startError: 1069 }, 'credentials', /could not log on/],
  [{ startError: 1068 }, 'dependency', /1068/],
  [{ startError: 1053 }, 'hung', /did not report in time/],
  [{ startError: 1055 }, 'hung', /was not started within 5000 ms: the service database is locked/],
  [{ startError: 2 }, 'misconfigured', /program file is not there/],
  [{ startError: 5 }, 'misconfigured', /access is denied/],
  [{ startError: 4711 }, undefined, /Windows says no \(error 4711\)/],
  [{ startError: 'never' }, 'hung', /no answer to start/],
  [{ starts: 'pends' }, 'hung', /was still starting after 5\d\d\d ms/],
  [{ starts: { exit: 1066, own: 7 } }, undefined, /was started and ended with its own code 7/],
  [{ starts: { exit: 1067 } }, undefined, /1067/],
  [{ starts: { exit: 112 } }, 'no-space', /the disk is full/],
  [{ starts: { exit: 0 } }, undefined, /was started and stopped at once/],
];

test('a start that fails says why, with the cause that decides the repair, and is not taken for by hand', async () => {
  for (const [given, cause, detail] of STARTS) {
    const { start, inspect, mail } = world({ state: STATE.stopped, ...given });
    const result = await start();
    assert.equal([result.ok, result.cause], [false, cause], result.detail);
    assert.match(result.detail, detail);
    assert.is((await inspect()).byHand, mail.startType === 4, result.detail);
  }
});

test('no such service: nothing can be said, and a start cannot help', async () => {
  const { inspect, start, stop, validate } = world({}, { service: 'nobody' });
  const seen = await inspect();
  assert.equal([seen.state, seen.byHand, seen.evidence['error']], ['unknown', false, '1060']);
  for (const result of [await start(), await stop(), await validate()])
    assert.equal([result.ok, result.cause], [false, 'misconfigured']);
});

test('a manager that does not answer is our own trouble', async () => {
  const { inspect, start, manager } = world();
  manager.broken = { error: null, text: 'the service control manager did not answer' };
  assert.is((await inspect()).state, 'unknown');
  const result = await start();
  assert.equal([result.ok, result.cause], [false, undefined]);
});

test('runs already (1056): fine when it does, waited for when it is dying or starting', async () => {
  assert.match((await world().start()).detail, /mail runs as pid 100 already/);
  const dying = world();
  dying.mail.state = STATE.stopPending;
  dying.clock.after(700, () => dying.manager.halt(dying.mail));
  const started = await dying.start();
  assert.ok(started.ok, started.detail);
  assert.ok(dying.manager.asked.length > 3);
  const starting = world();
  starting.mail.state = STATE.startPending;
  starting.clock.after(700, () => Object.assign(starting.mail, { state: STATE.running }));
  assert.ok((await starting.start()).ok);
});

test('a refusal that passes (6, 1055) is asked again', async () => {
  for (const error of [6, 1055]) {
    const { start, clock, mail } = world({ state: STATE.stopped, startError: error });
    clock.after(700, () => Object.assign(mail, { startError: 0 }));
    const started = await start();
    assert.ok(started.ok, started.detail);
  }
});

test('failure actions that restart it behind our back: the kill counts, and the start finds it running', async () => {
  const { stop, start, inspect } = world({ failureAction: true });
  assert.ok((await stop(true)).ok);
  assert.match((await start()).detail, /mail runs as pid 101 already/);
  assert.equal([(await inspect()).state, (await inspect()).main?.pid], ['running', 101]);
});

test('on its way by somebody else it is by hand; without getting on it is stuck, and ours to kill', async () => {
  const { inspect, mail, clock, stop } = world();
  Object.assign(mail, { state: STATE.startPending, waitHint: 3000 });
  const seen = await inspect();
  assert.equal([seen.state, seen.byHand], ['changing', true]);
  await clock.run(4000);
  mail.checkPoint = 1;
  assert.is((await inspect()).byHand, true);
  await clock.run(4900);
  assert.is((await inspect()).byHand, true, 'it got on meanwhile');
  await clock.run(200);
  const stuck = await inspect();
  assert.equal([stuck.state, stuck.byHand], ['changing', false]);
  assert.match(stuck.detail, /stays START_PENDING as pid 100 and does not get on/);
  assert.ok((await stop(true)).ok);
});

test('paused and disabled are the will of somebody', async () => {
  const { inspect, mail, manager, validate } = world();
  mail.state = STATE.paused;
  assert.equal([(await inspect()).state, (await inspect()).byHand], ['running', true]);
  mail.startType = 4;
  assert.is((await validate()).cause, 'misconfigured', 'it is not stopped for a restart that cannot be');
  manager.halt(mail, 1067);
  const seen = await inspect();
  assert.equal([seen.byHand, seen.evidence['start']], [true, 'disabled']);
});

test('nothing is begun and nothing killed when the time is over', async () => {
  const { stop, abort, manager } = world({ stops: 'ignores' });
  const work = stop();
  abort();
  assert.is((await work).ok, false);
  assert.ok(manager.living.has(100));
});

test('watch: deaths at once, starts by others, stops of a shared process; silent after close', async () => {
  const { context, manager, mail, clock } = world();
  const seen: LifeChange[] = [];
  const watch = await recovery.watch?.(context, (change) => seen.push(change));
  await clock.run(3000);
  assert.equal(seen, [], 'what runs at first is no news');
  manager.crash(mail.pid);
  await clock.run(200);
  assert.equal(
    seen.map(({ kind }) => kind),
    ['died'],
  );
  manager.run(mail);
  await clock.run(2000);
  mail.shared = true;
  mail.lingers = true;
  manager.halt(mail);
  await clock.run(2000);
  assert.equal(
    seen.map(({ kind }) => kind),
    ['died', 'started', 'died'],
  );
  watch?.close();
  manager.run(mail);
  await clock.run(3000);
  assert.is(seen.length, 3);
  assert.is(clock.armed, 0);
  assert.is(manager.open.size, 0, 'no handle is left open');
});

test('names of services: no paths, no control characters', () => {
  for (const service of ['', 'a/b', 'a\\b', 'a\u0000b', 'x'.repeat(257)])
    assert.not.ok(recovery.options.safeParse({ service }).success, JSON.stringify(service));
  assert.ok(recovery.options.safeParse({ service: 'MSSQL$EXPRESS' }).success);
});

test('on another system the real door says that it is not here, and loads nothing', async () => {
  if (process.platform === 'win32') return;
  const limits = { timeoutMs: 1000 };
  const answers = [
    await scm.status('mail', limits),
    await scm.startType('mail', limits),
    await scm.start('mail', limits),
    await scm.stop('mail', limits),
    await scm.dependents('mail', limits),
    await scm.hold(1, limits),
  ];
  for (const answer of answers) {
    assert.ok(isRefused(answer));
    assert.match(
      (answer as { text: string }).text,
      /has neither service control manager nor event log: this is for Windows only/,
    );
  }
  const context = { ...world().context, ports: { clock: new VirtualClock(), scm } as unknown as Ports };
  const seen = await recovery.inspect(context);
  assert.equal([seen.state, seen.byHand], ['unknown', false]);
  assert.is((await recovery.start(context)).ok, false);
});

test('each error has its number in the text', () => {
  assert.is(errorText(1060), 'there is no such service (error 1060)');
  assert.is(errorCause(1055), undefined);
});

test.run();
