// From what is decided to the trap on the wire: the whole way through journal, outbox and channel, beside the program
// `snmptrap` of Net-SNMP, by which LifeKeeper and Pacemaker send theirs. And how many a second go out of a full outbox.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { loadWithOwn } from '../../src/config/load.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { files } from '../../src/ports/files.ts';
import { realPorts } from '../../src/ports/real.ts';
import { openStore } from '../../src/ports/store.ts';
import { plugins } from '../../src/registry.ts';

const RUNS = 200;
const PROGRAM_RUNS = 50;
const FLOOD = 5000;
const LIMIT_MS = 5000;

interface Receiver {
  readonly port: number;
  /** Resolves with the moment of the next datagram, in ms. */
  next(): Promise<number>;
  count(): number;
  close(): void;
}

async function receiver(): Promise<Receiver> {
  const socket = createSocket('udp4');
  let heard = 0;
  let wake: (at: number) => void = () => undefined;
  socket.on('message', () => {
    heard++;
    wake(performance.now());
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    port: (socket.address() as AddressInfo).port,
    count: () => heard,
    next: () =>
      new Promise((resolve, reject) => {
        const limit = setTimeout(() => reject(new Error('no trap came')), LIMIT_MS);
        wake = (at) => {
          clearTimeout(limit);
          resolve(at);
        };
      }),
    close: () => socket.close(),
  };
}

/** A whole daemon with one channel; its one service is the clock. */
async function daemonTo(dir: string, port: number, limit: object): Promise<Daemon> {
  const path = join(dir, 'watchkeeper.yaml');
  writeFileSync(join(dir, 'community'), 'public\n', { mode: 0o600 });
  const config = {
    node: 'bench',
    services: {
      clock: { checks: [{ type: 'system' }], quick: { every: '10m', timeout: '1s' }, deep: { every: '1h' } },
    },
    alerts: {
      noc: {
        type: 'snmp',
        to: [`127.0.0.1:${port}`],
        version: '2c',
        community: 'file:./community',
        inform: false,
        limit,
      },
    },
    'state-dir': join(dir, 'state'),
    'run-dir': join(dir, 'run'),
  };
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  mkdirSync(join(dir, 'state'), { mode: 0o700 });
  const uid = process.getuid?.() ?? null;
  const loaded = await loadWithOwn(path, { files, plugins: await plugins(), hostname: 'bench', uid });
  if ('problems' in loaded) throw new Error(loaded.problems.map(({ text }) => text).join('; '));
  const mute = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const out = new PassThrough();
  const daemon = new Daemon(loaded.config, {
    ports: realPorts({ env: process.env, pid: process.pid, underSystemd: false, out, log: mute }),
    plugins: loaded.plugins,
    store: openStore(join(dir, 'state')),
    ...{ recorder: null, version: 'bench', configuration: path, pid: process.pid },
  });
  await daemon.start();
  return daemon;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until nothing more comes. */
async function quiet(noc: Receiver): Promise<void> {
  for (let before = -1; before !== noc.count(); await pause(500)) before = noc.count();
}

async function oursMs(daemon: Daemon, noc: Receiver): Promise<readonly number[]> {
  const found: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const came = noc.next();
    const began = performance.now();
    daemon.push({ kind: 'condition', name: 'history', bad: run % 2 === 0, detail: `run ${run}` });
    found.push((await came) - began);
    await pause(20);
  }
  return found;
}

async function programMs(noc: Receiver): Promise<readonly number[]> {
  const found: number[] = [];
  const oid = '1.3.6.1.4.1.8072.9999.9999';
  for (let run = 0; run < PROGRAM_RUNS; run++) {
    const came = noc.next();
    const began = performance.now();
    const words = [
      '-v',
      '2c',
      '-c',
      'public',
      `127.0.0.1:${noc.port}`,
      '',
      `${oid}.0.1`,
      `${oid}.1`,
      's',
      'it is dead',
    ];
    const child = spawn('/usr/bin/snmptrap', words, { env: { MIBS: '' }, stdio: 'ignore' });
    found.push((await came) - began);
    await new Promise((resolve) => child.once('exit', resolve));
  }
  return found;
}

export interface AlertFigures {
  /** From the event to the datagram at its receiver, ms. */
  readonly ours: readonly number[];
  readonly program: readonly number[];
  readonly perSecond: number;
}

export async function alertFigures(): Promise<AlertFigures> {
  const dir = mkdtempSync(join(tmpdir(), 'wk-bench-'));
  const noc = await receiver();
  try {
    const daemon = await daemonTo(dir, noc.port, { burst: 10_000, every: '1ms' });
    await quiet(noc);
    const ours = await oursMs(daemon, noc);
    const program = await programMs(noc);
    await quiet(noc);
    const before = noc.count();
    const began = performance.now();
    for (let run = 0; run < FLOOD; run++)
      daemon.push({ kind: 'condition', name: 'history', bad: run % 2 === 0, detail: `flood ${run}` });
    while (noc.count() - before < FLOOD && performance.now() - began < 120_000) await pause(10);
    const perSecond = (noc.count() - before) / ((performance.now() - began) / 1000);
    await daemon.close();
    return { ours, program, perSecond };
  } finally {
    noc.close();
    rmSync(dir, { recursive: true });
  }
}
