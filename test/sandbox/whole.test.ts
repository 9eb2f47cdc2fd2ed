// The embedded default, whole: the daemon and the three services as `npm start` runs them (on free ports, in a folder of
// the test). Each fault gets its true cause, its repair or the refusal of one, and an alarm; nobody else is touched.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ask, body } from '../../src/commands/client.ts';
import { breakService, type How, healService, look } from '../../src/sandbox/break.ts';
import type { ServiceName } from '../../src/sandbox/places.ts';
import { makeSandbox, type TestSandbox, until } from '../support/sandbox.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
interface Shown {
  readonly name: string;
  readonly health: string;
  readonly phase: string;
  readonly cause: string | null;
  readonly why: { readonly rule: string; readonly text: string };
}
interface Alarmed {
  readonly event: string;
  readonly service?: string;
  readonly cause?: string;
}

let box: TestSandbox;
let daemon: ChildProcess;
let ended: Promise<number | null>;
let told = '';
const at = (path: string): string => join(box.dir, path);

/** config/watchkeeper.yaml, with the ports and folders of the test, and DeepChecks as often as its times allow. */
function writeConfig(): string {
  const { smtp, lmtp, imap, http } = box.ports;
  const text = readFileSync(join(root, 'config/watchkeeper.yaml'), 'utf8')
    .replaceAll('20025', String(smtp))
    .replaceAll('20024', String(lmtp))
    .replaceAll('20143', String(imap))
    .replaceAll('20080', String(http))
    .replace(/\.\/\.\.\/dist\/(\S+?\.js)/g, `${root}dist/$1, --dir, ${box.dir}`)
    .replaceAll('./../.state/sandbox', box.dir)
    .replaceAll('./../.state', at('daemon'));
  assert.not.match(text, '/../');
  mkdirSync(at('config'), { mode: 0o700 });
  writeFileSync(at('config/watchkeeper.yaml'), text, { mode: 0o600 });
  return at('config/watchkeeper.yaml');
}

async function shown(service: ServiceName): Promise<Shown> {
  const status = await body<{ services: readonly Shown[] }>(
    ask(at('daemon/run/control.sock'), 'GET', '/api/v1/status'),
  );
  const found = status.services.find((one) => one.name === service);
  assert.ok(found);
  return found;
}

const alarms = (): readonly Alarmed[] =>
  readFileSync(at('daemon/events.log'), 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Alarmed);

async function allWell(): Promise<void> {
  const well = async (): Promise<boolean> => {
    const all = await Promise.all((['store', 'mta', 'web'] as const).map(shown));
    return all.every((one) => one.health === 'ok');
  };
  await until(`all is well: ${told.slice(-2000)}`, () => well().catch(() => false), 20_000);
}

const pids = (): Readonly<Record<ServiceName, number | null>> => ({
  store: look(box.dir, 'store').pid,
  mta: look(box.dir, 'mta').pid,
  web: look(box.dir, 'web').pid,
});

/** Breaks a service and gives the alarms that came of it, up to the one that is waited for. */
async function breakAndSee(service: ServiceName, how: How, event: string): Promise<readonly Alarmed[]> {
  const before = alarms().length;
  const broken = await breakService(box.dir, service, how, 10_000);
  assert.ok(broken.ok, broken.text);
  const since = (): readonly Alarmed[] => alarms().slice(before);
  const seen = (): boolean => since().some((one) => one.event === event && one.service === service);
  await until(`${service} ${how}: ${event}; ${told.slice(-3000)}`, seen, 15_000);
  return since();
}

const test = suite('the embedded default');
test.before(async () => {
  box = await makeSandbox();
  const argv = [join(root, 'bin/watchkeeper.js'), 'run', '--config', writeConfig(), '--live'];
  daemon = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [daemon.stdout, daemon.stderr])
    stream?.on('data', (data: Buffer) => (told = (told + data.toString()).slice(-20_000)));
  ended = new Promise((resolve) => daemon.once('close', (code) => resolve(code)));
});
test.after(async () => {
  daemon.kill('SIGKILL');
  await ended;
  for (const pid of Object.values(pids())) if (pid !== null) process.kill(pid, 'SIGKILL');
  await box.end();
});

test('from nothing to all well', allWell);

const curable: readonly (readonly [ServiceName, How, string])[] = [
  ['mta', 'kill', 'dead'],
  ['store', 'hang', 'hung'],
  ['web', 'refuse', 'refusing'],
  ['mta', 'slow', 'hung'],
];
for (const [service, how, cause] of curable) {
  test(`${service} ${how}: cause ${cause}, repaired; the others are left alone`, async () => {
    const before = pids();
    const seen = await breakAndSee(service, how, 'recovery-succeeded');
    const raised = seen.find((one) => one.event === 'service-failing' && one.service === service);
    assert.is(raised?.cause, cause);
    await allWell();
    const after = pids();
    for (const name of ['store', 'mta', 'web'] as const)
      assert.is(
        after[name] === before[name],
        name !== service,
        `${name} was ${name === service ? 'not ' : ''}restarted`,
      );
  });
}

test('no-space: nothing is restarted, a person is called; well again when there is room', async () => {
  const before = pids();
  const seen = await breakAndSee('mta', 'no-space', 'service-given-up');
  assert.is(seen.find((one) => one.event === 'service-given-up')?.cause, 'no-space');
  assert.is((await shown('mta')).why.rule, 'cause-not-curable');
  await healService(box.dir, 'mta');
  await allWell();
  assert.equal(pids(), before);
});

test('misconfigure: it is not started, and the file is named', async () => {
  await breakAndSee('web', 'misconfigure', 'service-given-up');
  const web = await shown('web');
  assert.is(web.cause, 'misconfigured');
  assert.match(web.why.text, /settings\.json/);
  assert.is(pids().web, null);
  await healService(box.dir, 'web');
  await ask(at('daemon/run/control.sock'), 'POST', '/api/v1/reset', { service: 'web' });
  await allWell();
});

test('loop: the ladder is climbed to its end, and then it gives up loudly', async () => {
  const seen = await breakAndSee('store', 'loop', 'service-given-up');
  const tries = seen.filter((one) => one.event === 'recovery-started' && one.service === 'store');
  assert.ok(tries.length >= 2, `${tries.length} repairs`);
  assert.is((await shown('store')).phase, 'failed');
  await healService(box.dir, 'store');
  await ask(at('daemon/run/control.sock'), 'POST', '/api/v1/reset', { service: 'store' });
  await allWell();
});

test('told to end, it ends, and its sandbox with it', async () => {
  daemon.kill('SIGTERM');
  assert.is(await ended, 0, told.slice(-2000));
  assert.equal(pids(), { store: null, mta: null, web: null });
});

test.run();
