// Windows services through the real plugin in a real Windows Node, on Wine's service control manager. Wine lacks what
// windows-service.test.ts plays on a fake one: crashes that the manager notices, dependents, deletion, failure actions.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ActionResult, CheckResult, Inspection, LifeChange } from '../../src/define.ts';
import { freePorts, until } from '../support/server.ts';
import type { Question } from '../support/wine/driver.ts';
import { openMachine, whyNoMachine, type WindowsMachine } from '../support/wine/machine.ts';

const test = suite('windows-service real');
const reason = await whyNoMachine();
if (reason) console.log(`SKIPPED, all of windows-service on Wine: ${reason}`);
const check = reason ? test.skip : test;

let machine: WindowsMachine;
let ports: number[];
/** Names of this run alone: processes are found by them. */
const name = (mode: string): string => `Wk${process.pid}${mode}`;
const fine = name('fine');
const LONG = { options: { 'start-timeout': '60s' } };
const SHORT_STOP = { options: { 'stop-timeout': '1500ms' } };

const inspect = (service: string, more: Partial<Question> = {}) => machine.ask<Inspection>('inspect', service, more);
const act = (verb: 'start' | 'stop' | 'kill' | 'validate', service: string, more: Partial<Question> = {}) =>
  machine.ask<ActionResult>(verb, service, { ...(verb === 'start' ? LONG : {}), ...more });
const talks = async (): Promise<CheckResult> =>
  machine.ask<CheckResult>('tcp', fine, { options: { port: ports[0], expect: `220 ${fine}` } });
const isOk = (result: ActionResult): void => assert.ok(result.ok, result.detail);

async function install(mode: string, startType = 3): Promise<void> {
  const command = machine.commandOf(name(mode), mode, ports[0] ?? 0);
  assert.equal(await machine.ask('install', name(mode), { command, startType }), { ok: true });
}

test.before(async () => {
  if (reason) return;
  ports = await freePorts(1);
  machine = await openMachine();
  assert.is((await machine.ask<{ platform: string }>('platform', '')).platform, 'win32');
  for (const mode of ['fine', 'deaf', 'mute', 'code42']) await install(mode);
  await install('disabled', 4);
});
test.after(() => machine?.close());

check('no such service: nothing is known of it, and no start can help', async () => {
  const seen = await inspect('WkNobody');
  assert.equal([seen.state, seen.evidence['error']], ['unknown', '1060']);
  for (const verb of ['start', 'stop', 'validate'] as const) {
    const result = await act(verb, 'WkNobody');
    assert.equal([result.ok, result.cause], [false, 'misconfigured'], verb);
    assert.match(result.detail, /no such service \(error 1060\)/);
  }
});

check('never started, started, asked, started once more', async () => {
  const before = await inspect(fine);
  assert.equal([before.state, before.byHand, before.evidence['exit']], ['stopped', false, '1077']);
  isOk(await act('validate', fine));
  isOk(await act('start', fine));
  const seen = await inspect(fine);
  assert.equal([seen.state, seen.byHand, seen.evidence['process']], ['running', false, 'lives']);
  assert.ok((seen.main?.startTicks ?? 0) > 0);
  assert.is((await talks()).outcome, 'pass');
  assert.match((await act('start', fine)).detail, /runs as pid \d+ already/);
});

check('killed: its handle tells the death, whatever the manager says, and a start heals it', async () => {
  await machine.ask('watch', fine);
  process.kill(machine.linuxPid(fine), 'SIGKILL');
  const told = async (kind: string): Promise<boolean> =>
    (await machine.ask<LifeChange[]>('changes', fine)).some((change) => change.kind === kind);
  await until('news of the death', () => told('died'), 30_000);
  const seen = await inspect(fine);
  assert.equal([seen.state, seen.byHand, seen.main], ['failed', false, undefined]);
  assert.is((await talks()).cause, 'refusing');
  isOk(await act('start', fine));
  assert.is((await talks()).outcome, 'pass');
  await until('news of the start', () => told('started'), 30_000);
});

check('hanging: it stops by TerminateProcess, and starts again', async () => {
  process.kill(machine.linuxPid(fine), 'SIGSTOP');
  assert.is((await inspect(fine)).state, 'running');
  assert.is((await talks()).outcome, 'fail');
  const stopped = await act('stop', fine, SHORT_STOP);
  isOk(stopped);
  assert.match(stopped.detail, /killed pid \d+/);
  assert.is.not((await inspect(fine)).state, 'running');
  isOk(await act('start', fine));
  assert.is((await talks()).outcome, 'pass');
});

check('stopped by us is not by hand; stopped by somebody else is', async () => {
  const stopped = await act('stop', fine);
  isOk(stopped);
  assert.match(stopped.detail, /^stopped in \d+ ms$/, stopped.detail);
  const ours = await inspect(fine);
  assert.equal([ours.state, ours.byHand], ['stopped', false]);
  isOk(await act('start', fine));
  assert.is(await machine.program('net', 'stop', fine), 0);
  // On its way it is somebody's doing as well.
  await until('its stop', async () => {
    const { state, byHand } = await inspect(fine);
    assert.is(byHand, true);
    return state === 'stopped';
  });
  isOk(await act('stop', fine));
});

check('hanging on its stop: TerminateProcess at the end of its time, and a start afterwards', async () => {
  const service = name('deaf');
  isOk(await act('start', service));
  const stopped = await act('stop', service, SHORT_STOP);
  isOk(stopped);
  assert.match(stopped.detail, /did not stop within \d+ ms: .*(is stopping|stays STOP_PENDING).*; killed pid/);
  assert.is((await inspect(service)).byHand, false);
  isOk(await act('start', service));
  isOk(await act('kill', service));
});

check('starting for ever is hung, is not by hand, and can be killed', async () => {
  const service = name('mute');
  const short = { options: { 'start-timeout': '5s' } };
  const started = await act('start', service, short);
  assert.equal([started.ok, started.cause], [false, 'hung'], started.detail);
  await until(
    'its start being seen as stuck',
    async () => /does not get on/.test((await inspect(service, short)).detail),
    40_000,
  );
  const seen = await inspect(service, short);
  assert.equal([seen.state, seen.byHand], ['changing', false]);
  const killed = await act('kill', service);
  isOk(killed);
  assert.match(killed.detail, /killed pid/);
});

check('a service that ends at its start tells its own code', async () => {
  const service = name('code42');
  const started = await act('start', service);
  assert.is(started.ok, false);
  assert.match(started.detail, /with its own code 42 \(error 1066\)/);
  const seen = await inspect(service);
  assert.equal([seen.state, seen.evidence['own-exit']], ['failed', '42']);
});

check('disabled: somebody forbade it, and nobody starts it', async () => {
  const service = name('disabled');
  const seen = await inspect(service);
  assert.equal([seen.state, seen.byHand, seen.evidence['start']], ['stopped', true, 'disabled'], JSON.stringify(seen));
  for (const verb of ['start', 'validate'] as const) {
    const result = await act(verb, service);
    assert.equal([result.ok, result.cause], [false, 'misconfigured'], verb);
    assert.match(result.detail, /error 1058/);
  }
});

check('a program that never reports to the manager is hung (1053), and its file must be there (2)', async () => {
  for (const [mode, command] of [
    ['silent', 'C:\\windows\\system32\\cmd.exe /k'],
    ['nofile', 'C:\\wk\\none.exe'],
  ] as const) {
    const service = name(mode);
    await machine.ask('install', service, { command });
    const result = await act('start', service);
    assert.is(result.ok, false);
    assert.is(result.cause, mode === 'silent' ? 'hung' : 'misconfigured', result.detail);
    assert.match(result.detail, mode === 'silent' ? /error 1053/ : /error 2\)/);
  }
});

test.run();
