// The embedded default as `npm start` runs it, for a test: the daemon and the three services, on free ports, in a
// folder of the test. All of it ends by pid, also when the test takes too long.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { ask, body } from '../../src/commands/client.ts';
import { breakService, type How, look } from '../../src/sandbox/break.ts';
import { type ServiceName, services } from '../../src/sandbox/places.ts';
import { makeSandbox, type TestSandbox, until } from './sandbox.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface Shown {
  readonly name: string;
  readonly health: string;
  readonly phase: string;
  readonly cause: string | null;
  readonly why: { readonly rule: string; readonly text: string };
}

export interface Alarmed {
  readonly event: string;
  readonly service?: string;
  readonly cause?: string;
}

export interface Whole {
  readonly box: TestSandbox;
  readonly daemon: ChildProcess;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  /** The end of what it printed. */
  told(): string;
  shown(service: ServiceName): Promise<Shown>;
  allWell(): Promise<void>;
  pids(): Readonly<Record<ServiceName, number | null>>;
  /** Breaks a service and gives the alarms that came of it, up to the one that is waited for. */
  breakAndSee(service: ServiceName, how: How, event: string): Promise<readonly Alarmed[]>;
  /** As `watchkeeper reset`. */
  reset(service: ServiceName): Promise<void>;
  end(): Promise<void>;
}

/** config/watchkeeper.yaml with the ports and folders of the test. */
function writeConfig(box: TestSandbox): string {
  const { smtp, lmtp, imap, http } = box.ports;
  const text = readFileSync(join(root, 'config/watchkeeper.yaml'), 'utf8')
    .replaceAll('20025', String(smtp))
    .replaceAll('20024', String(lmtp))
    .replaceAll('20143', String(imap))
    .replaceAll('20080', String(http))
    .replace(/\.\/\.\.\/dist\/(\S+?\.js)/g, `${root}dist/$1, --dir, ${box.dir}`)
    .replaceAll('./../.state/sandbox', box.dir)
    .replaceAll('./../.state', join(box.dir, 'daemon'));
  assert.not.match(text, '/../');
  mkdirSync(join(box.dir, 'config'), { mode: 0o700 });
  const path = join(box.dir, 'config/watchkeeper.yaml');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const readAlarms = (path: string): readonly Alarmed[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Alarmed);

/** The runner's limit for a file is 60 s, and what it kills then cannot clean up. */
const LIMIT_MS = 55_000;
const WELL_MS = 25_000;
const SEEN_MS = 25_000;

export async function runWhole(): Promise<Whole> {
  const box = await makeSandbox();
  const socket = join(box.dir, 'daemon/run/control.sock');
  const alarms = (): readonly Alarmed[] => readAlarms(join(box.dir, 'daemon/events.log'));
  const argv = [join(root, 'bin/watchkeeper.js'), 'run', '--config', writeConfig(box), '--live'];
  const daemon = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let told = '';
  for (const stream of [daemon.stdout, daemon.stderr])
    stream.on('data', (data: Buffer) => (told = (told + data.toString()).slice(-20_000)));
  const ended = new Promise<number | null>((resolve) => daemon.once('close', (code) => resolve(code)));
  const pids = (): Readonly<Record<ServiceName, number | null>> => ({
    store: look(box.dir, 'store').pid,
    mta: look(box.dir, 'mta').pid,
    web: look(box.dir, 'web').pid,
  });
  const kill = (): void => {
    daemon.kill('SIGKILL');
    for (const pid of Object.values(pids())) if (pid !== null) process.kill(pid, 'SIGKILL');
  };
  const late = setTimeout(() => {
    kill();
    console.log(`over ${LIMIT_MS} ms; ${told.slice(-3000)}`);
    process.exit(1);
  }, LIMIT_MS);
  const shown = async (service: ServiceName): Promise<Shown> => {
    const status = await body<{ services: readonly Shown[] }>(ask(socket, 'GET', '/api/v1/status'));
    const found = status.services.find((one) => one.name === service);
    assert.ok(found);
    return found;
  };
  const well = async (): Promise<boolean> =>
    (await Promise.all(services.map(shown))).every((one) => one.health === 'ok');
  return {
    box,
    daemon,
    ended,
    told: () => told,
    shown,
    pids,
    allWell: () =>
      until(
        () => `all is well: ${told.slice(-2000)}`,
        () => well().catch(() => false),
        WELL_MS,
      ),
    async breakAndSee(service, how, event) {
      const before = alarms().length;
      const broken = await breakService(box.dir, service, how, 10_000);
      assert.ok(broken.ok, broken.text);
      const since = (): readonly Alarmed[] => alarms().slice(before);
      const seen = (): boolean => since().some((one) => one.event === event && one.service === service);
      await until(() => `${service} ${how}: ${event}; ${told.slice(-3000)}`, seen, SEEN_MS);
      return since();
    },
    async reset(service) {
      assert.is((await ask(socket, 'POST', '/api/v1/reset', { service })).status, 200);
    },
    async end() {
      clearTimeout(late);
      kill();
      await ended;
      await box.end();
    },
  };
}
