import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LifeChange } from '../../src/define.ts';
import type { PortHolder } from '../../src/ports/proc.ts';
import { clock } from '../../src/ports/clock.ts';
import recovery from '../../src/recovery/systemd.ts';
import { unitFacts, until } from '../support/host.ts';
import { holder, World } from '../support/systemd-world.ts';

const test = suite('recovery systemd');

test('a dead master: its orphans and the stop command are killed directly, then it is started', async () => {
  const world = new World();
  world.living.delete(10);
  world.living.add(12);
  world.facts = { ActiveState: 'deactivating', SubState: 'stop' };
  const context = world.context();
  const seen = await recovery.inspect(context);
  assert.equal([seen.state, seen.byHand], ['failed', false]);
  assert.is((await recovery.stop(context, { force: false })).ok, true);
  assert.is((await recovery.sweep?.(context))?.ok, true);
  assert.is((await recovery.start(context)).ok, true);
  assert.equal(new Set(world.killed), new Set([11, 12]));
  assert.equal(world.asked, ['start'], 'nothing else was asked of systemctl');
});

test('a database that hangs is asked to stop before it is killed', async () => {
  const world = new World();
  assert.is((await recovery.stop(world.context({ orderly: true }), { force: true })).ok, true);
  assert.equal([world.killed, world.asked], [[], ['stop']]);
  const deaf = new World();
  deaf.verbs['stop'] = () => ({ code: null, timedOut: true, ms: 10_000 });
  assert.is((await recovery.stop(deaf.context({ orderly: true }), { force: true })).ok, true);
  assert.equal(deaf.killed, [10, 11]);
});

test('one part of it: those that run its executable now are killed, and nobody else', async () => {
  const world = new World();
  for (const pid of [12, 13]) {
    world.living.add(pid);
    world.exes.set(pid, '/usr/lib/mail/auth');
  }
  const context = world.context({ parts: { auth: '/usr/lib/mail/auth', lmtp: '/usr/lib/mail/lmtp' } });
  assert.equal(recovery.parts?.(context.options), ['auth', 'lmtp']);
  const seen = await recovery.evidence?.(context, { sinceMs: 1000, stay: [] });
  const parts = seen?.processes?.map((one) => `${one.pid} ${one.main} ${one.part}`);
  assert.equal(parts, ['10 true null', '11 false null', '12 false auth', '13 false auth']);
  assert.match((await recovery.repairPart?.(context, 'auth'))?.detail ?? '', /^killed 2 processes of auth/);
  assert.equal(
    [world.killed, world.asked],
    [
      [12, 13],
      ['journalctl', 'journalctl'],
    ],
    'and nothing was asked of systemctl',
  );
  for (const other of ['lmtp', 'nobody']) assert.is((await recovery.repairPart?.(context, other))?.ok, false, other);
  world.living.delete(10);
  assert.is((await recovery.repairPart?.(context, 'auth'))?.ok, false, 'nobody would start it anew');
});

test('evidence names who listens on its ports, and whether that is the service', async () => {
  const world = new World();
  world.exes.set(40, '/usr/bin/socat');
  world.held = [holder(10, '/usr/sbin/maild'), holder(40, '/usr/bin/socat', { address: '::' })];
  const seen = await recovery.evidence?.(world.context(), { sinceMs: 1000, stay: [] });
  assert.equal(seen?.listeners, [
    { port: 143, who: 'pid 10 (/usr/sbin/maild)', own: true },
    { port: 143, who: 'pid 40 (/usr/bin/socat)', own: false },
  ]);
});

test('evidence holds the newest lines of its own log since it was well, bounded and clean', async () => {
  const world = new World();
  const lines = Array.from({ length: 500 }, (_, number) => `line ${number} \u001b[31m${'x'.repeat(500)}`);
  world.verbs['journalctl'] = () => ({ stdout: `${lines.join('\n')}\n` });
  const seen = await recovery.evidence?.(world.context(), { sinceMs: 5000, stay: [] });
  assert.is(seen?.log?.length, 400);
  assert.match(seen?.log?.at(-1) ?? '', /^line 499 \\x1b\[31mx{500}$/);
  world.verbs['journalctl'] = () => ({ code: 1 });
  assert.is(
    (await recovery.evidence?.(world.context(), { sinceMs: 5000, stay: [] }))?.log,
    null,
    'it could not be read',
  );
  world.systemd = false;
  const blind = await recovery.evidence?.(world.context(), { sinceMs: 5000, stay: [] });
  assert.equal([blind?.processes, blind?.listeners], [null, null]);
});

test('evidence holds an older line that stays true, of this life of its main process only', async () => {
  const world = new World();
  const asked: (readonly string[])[] = [];
  world.verbs['journalctl'] = (argv: readonly string[]) => {
    asked.push(argv);
    return argv.includes('-g') ? { stdout: 'warning: "smtp" is full\n' } : {};
  };
  const stay = [{ line: 'warning: "*" is full', forMs: 1_000_000 }];
  const seen = await recovery.evidence?.(world.context(), { sinceMs: 1000, stay });
  assert.equal([seen?.log, seen?.older], [[], ['warning: "smtp" is full']]);
  const [searched] = asked.filter((argv) => argv.includes('-g'));
  assert.is(searched?.[searched.indexOf('-g') + 1], '^warning\\: \\".*\\" is full$');
  assert.ok(searched?.includes('_PID=10'), 'its main process said it');
});

test('a living one is stopped in good order, and killed when it does not', async () => {
  const polite = new World();
  assert.match((await recovery.stop(polite.context(), { force: false })).detail, /^stopped in 5 ms$/);
  assert.equal([polite.killed, polite.asked], [[], ['stop']]);

  const hung = new World();
  hung.verbs['stop'] = () => ({ code: null, timedOut: true, ms: 10_000 });
  const got = await recovery.stop(hung.context(), { force: false });
  assert.is(got.ok, true);
  assert.match(got.detail, /^mail\.service did not stop within 10000 ms; killed 2 processes/);
  assert.equal(hung.killed, [10, 11]);

  const forced = new World();
  await recovery.stop(forced.context(), { force: true });
  assert.equal([forced.killed, forced.asked], [[10, 11], []]);
});

test('systemd’s own restarts are called off before anything is killed', async () => {
  const world = new World();
  world.facts = { ...world.facts, Restart: 'always' };
  world.verbs['stop'] = () => ({});
  await recovery.stop(world.context(), { force: true });
  assert.equal([world.killed, world.asked], [[10, 11], ['stop']]);
});

test('the daemon’s own unit is not killed', async () => {
  const world = new World();
  world.living.add(process.pid);
  const got = await recovery.stop(world.context(), { force: true });
  assert.equal([got.ok, got.cause, world.killed], [false, 'misconfigured', []]);
});

test('what cannot be killed is told, and is no success', async () => {
  const world = new World();
  world.immortal.add(11);
  const got = await recovery.stop(world.context(), { force: true });
  assert.equal([got.ok, got.cause], [false, 'hung']);
  assert.match(got.detail, '1 process cannot be killed: pid 11 maild');
});

test('a start limit is reset once, before or after it is met, and told', async () => {
  const before = new World();
  before.down('failed', 'start-limit-hit');
  const first = await recovery.start(before.context());
  assert.equal([first.ok, before.asked], [true, ['reset-failed', 'start']]);
  assert.match(first.detail, 'after its start limit was reset');

  const met = new World();
  met.down('failed', 'signal');
  let tries = 0;
  met.verbs['start'] = () => {
    tries += 1;
    if (tries > 1) return met.up(20);
    met.down('failed', 'start-limit-hit');
    return { code: 1 };
  };
  const second = await recovery.start(met.context());
  assert.equal([second.ok, met.asked], [true, ['start', 'reset-failed', 'start']]);
  assert.equal(
    second.steps?.map((one) => [one.name, one.ok]),
    [
      ['start', false],
      ['reset-failed', true],
      ['start', true],
    ],
  );

  const never = new World();
  never.down('failed', 'start-limit-hit');
  never.verbs['reset-failed'] = () => ({});
  never.verbs['start'] = () => ({ code: 1 });
  assert.is((await recovery.start(never.context())).ok, false);
  assert.equal(never.asked.filter((verb) => verb === 'start').length, 1);
});

test('a SysV unit: a crash looks like an end in good order, and the log says whether somebody asked for it', async () => {
  const [started, stopping] = ['39f53479d3a045ac8e11786248231fbf', 'de5b426a63be47a7b6ac3eaac82e2f6f'];
  const stopped = { ActiveState: 'inactive', InactiveEnterTimestampMonotonic: '5', ControlGroup: '', MainPID: '0' };
  for (const [said, state, byHand, main] of [
    [`{"MESSAGE_ID":"${started}"}\n`, 'failed', false, '0'],
    [`{"MESSAGE_ID":"${stopping}"}\n`, 'stopped', true, '0'],
    ['', 'stopped', true, '0'],
    [`{"MESSAGE_ID":"${started}"}\n`, 'stopped', true, '77'],
  ] as const) {
    const world = new World();
    world.living.clear();
    world.facts = { ...stopped, ExecMainStartTimestampMonotonic: main };
    world.verbs['journalctl'] = () => ({ stdout: said });
    const seen = await recovery.inspect(world.context());
    assert.equal([seen.state, seen.byHand], [state, byHand], said);
  }
});

test('a SysV unit that is active without a process has failed', async () => {
  const world = new World();
  world.living.clear();
  world.facts = { Type: 'forking', RemainAfterExit: 'yes', MainPID: '0' };
  assert.is((await recovery.inspect(world.context())).state, 'failed');
  world.facts = { ...world.facts, Type: 'oneshot' };
  assert.is((await recovery.inspect(world.context())).state, 'running');
});

test('a unit that systemd takes for active is restarted, not started', async () => {
  const world = new World();
  world.facts = { MainPID: '0', RemainAfterExit: 'yes' };
  world.living.clear();
  await recovery.start(world.context());
  assert.equal(world.asked, ['restart']);
});

test('no start of what must not or cannot start', async () => {
  for (const facts of [
    { LoadState: 'masked', ActiveState: 'inactive' },
    { LoadState: 'not-found', ActiveState: 'inactive' },
    { MainPID: '0', RemainAfterExit: 'yes', ConsistsOf: 'mail@-.service' },
  ]) {
    const world = new World();
    world.facts = facts;
    world.living.clear();
    const got = await recovery.start(world.context());
    assert.equal([got.ok, got.cause, world.asked], [false, 'misconfigured', []]);
  }
  const running = new World();
  assert.equal([(await recovery.start(running.context())).ok, running.asked], [true, []]);
});

test('a failed start tells what the service said; a late one is hung', async () => {
  const world = new World();
  world.down('failed', 'signal');
  world.verbs['journalctl'] = () => ({ stdout: 'reading\nmaild: Fatal: \u001b[1mbad line 4\n' });
  world.verbs['start'] = () => {
    world.down('failed', 'exit-code');
    world.facts = { ...world.facts, ExecMainCode: '1', ExecMainStatus: '78' };
    return { code: 1, stderr: 'Job failed' };
  };
  const got = await recovery.start(world.context());
  assert.equal([got.ok, got.cause], [false, 'misconfigured']);
  assert.match(got.detail, 'ended with exit code 78; it said "maild: Fatal: [1mbad line 4"');
  world.verbs['start'] = () => ({ code: null, timedOut: true, ms: 30_000 });
  assert.is((await recovery.start(world.context())).cause, 'hung');
});

test('orphans that keep a port die; a foreign holder, another unit’s or a container’s process does not', async () => {
  const orphan = new World();
  orphan.down('failed', 'signal');
  orphan.exes.set(50, '/usr/lib/mail/imap-login');
  orphan.held = [holder(50, '/usr/lib/mail/imap-login')];
  const swept = await recovery.sweep?.(orphan.context());
  assert.equal([swept?.ok, orphan.killed], [true, [50]]);
  assert.match(swept?.detail ?? '', 'killed 1 orphan that kept port 143');

  const cases: [PortHolder, string?][] = [
    [holder(50, '/usr/bin/nc')],
    [holder(50, '/usr/lib/mail/imap-login'), '/system.slice/mail-two.service'],
    [holder(50, '/usr/lib/mail/imap-login', { ours: false })],
    [holder(0, '', { exe: null, ours: false })],
    [holder(50, '/usr/lib/mailx')],
  ];
  for (const [one, group] of cases) {
    const world = new World();
    world.down('failed', 'signal');
    world.exes.set(50, one.exe ?? '');
    if (group) world.groups.set(50, group);
    world.held = [one];
    const got = await recovery.sweep?.(world.context());
    assert.equal([got?.ok, got?.cause, world.killed], [false, 'misconfigured', []], one.exe ?? 'unseen');
    assert.match(got?.detail ?? '', 'port 143 on 0.0.0.0 is held by');
  }
  const socket = new World();
  socket.down('failed', 'signal');
  socket.held = [holder(1, '/lib/systemd/systemd')];
  assert.is((await recovery.sweep?.(socket.context()))?.ok, true, 'a socket unit holds it for the service');
});

test('a running service and somebody’s own start are not swept', async () => {
  const running = new World();
  assert.match((await recovery.sweep?.(running.context()))?.detail ?? '', 'nothing to sweep');
  const starting = new World();
  starting.facts = { ActiveState: 'activating', SubState: 'start', Job: '7' };
  assert.match((await recovery.sweep?.(starting.context()))?.detail ?? '', 'nothing swept');
  assert.equal([...running.killed, ...starting.killed], []);
  assert.is((await recovery.inspect(starting.context())).byHand, true);
});

test('without systemd nothing is known and nothing done', async () => {
  const world = new World();
  world.systemd = false;
  const context = world.context();
  assert.is((await recovery.inspect(context)).state, 'unknown');
  for (const got of [
    await recovery.start(context),
    await recovery.stop(context, { force: true }),
    await recovery.sweep?.(context),
  ])
    assert.is(got?.ok, false);
  assert.equal([world.killed, world.asked], [[], []]);
});

test('what systemd said stays good for a moment, and no longer', async () => {
  const world = new World();
  const context = world.context();
  let now = 1000;
  const ports = { ...context.ports, clock: { ...clock, monotonic: () => now } };
  let shows = 0;
  const units = { show: () => Promise.resolve(unitFacts(((shows += 1), world.facts))) };
  const asking = { ...context, ports: { ...ports, proc: context.ports.proc, exec: context.ports.exec, units } };
  await recovery.inspect(asking);
  now += 200;
  await recovery.start(asking);
  assert.is(shows, 1);
  now += 300;
  await recovery.start(asking);
  assert.is(shows, 2);
});

test('deaths and starts are told, also of a unit that is gone and comes back', async () => {
  const world = new World();
  const told: LifeChange[] = [];
  const watch = await recovery.watch?.(world.context(), (change) => told.push(change));
  assert.ok(await until(() => world.exits.length === 1));
  world.kill(10);
  assert.equal(
    told.map((one) => one.kind),
    ['died'],
  );
  world.kill(11);
  world.facts = { LoadState: 'not-found', ActiveState: 'inactive', ControlGroup: '' };
  await new Promise((next) => setTimeout(next, 250));
  world.up(20);
  assert.ok(await until(() => told.length === 2));
  assert.equal(
    told.map((one) => one.kind),
    ['died', 'started'],
  );
  watch?.close();
});

test('options: a bare template, a glob or a path is no unit', () => {
  for (const unit of ['postfix@', '*', '/etc/x.service', '-x', 'a b', ''])
    assert.is(recovery.options.safeParse({ unit }).success, false, unit);
});

test.run();
