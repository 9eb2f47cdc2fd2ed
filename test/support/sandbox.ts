// A sandbox of its own for a test: free ports, a folder that is removed, processes that are ended by pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { look } from '../../src/sandbox/break.ts';
import type { ServiceName } from '../../src/sandbox/places.ts';
import { defaults, prepare, readPassword } from '../../src/sandbox/settings.ts';

export interface TestSandbox {
  readonly dir: string;
  readonly password: string;
  readonly ports: { readonly smtp: number; readonly lmtp: number; readonly imap: number; readonly http: number };
  /** Starts a service, and waits until it runs. */
  start(service: ServiceName): Promise<ChildProcess>;
  /** Starts a service whatever comes of it; its output so far is in `told`. */
  launch(
    service: ServiceName,
    args?: readonly string[],
  ): { child: ChildProcess; told: () => string; ended: Promise<number | null> };
  end(): Promise<void>;
}

/** Ports that are free now. All are held before any is let go, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

/** Waits for something to become true, at most `ms`. */
export async function until(
  what: string | (() => string),
  reached: () => boolean | Promise<boolean>,
  ms = 5000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await reached())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${typeof what === 'string' ? what : what()}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

export async function makeSandbox(limitBytes = 1_048_576): Promise<TestSandbox> {
  const dir = mkdtempSync(join(tmpdir(), 'wk-sandbox-'));
  const [smtp = 0, lmtp = 0, imap = 0, http = 0] = await freePorts(4);
  const at = (port: number): string => `127.0.0.1:${port}`;
  prepare(dir, {
    store: { ...defaults.store, lmtp: at(lmtp), imap: at(imap), limitBytes },
    mta: { ...defaults.mta, smtp: at(smtp), deliverTo: at(lmtp), limitBytes },
    web: { ...defaults.web, http: at(http), smtp: at(smtp), imap: at(imap) },
  });
  const children = new Set<ChildProcess>();
  const launch: TestSandbox['launch'] = (service, args = []) => {
    const program = fileURLToPath(new URL(`../../src/sandbox/${service}.js`, import.meta.url));
    const child = spawn(process.execPath, [program, '--dir', dir, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    children.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
    const ended = new Promise<number | null>((resolve) => {
      child.once('close', (code) => {
        children.delete(child);
        resolve(code);
      });
    });
    return { child, told: () => output, ended };
  };
  return {
    dir,
    password: readPassword(dir),
    ports: { smtp, lmtp, imap, http },
    launch,
    async start(service) {
      const { child, told } = launch(service);
      await until(`${service} runs: ${told()}`, () => look(dir, service).pid === child.pid);
      return child;
    },
    async end() {
      const ends = [...children].map((child) => new Promise((gone) => child.once('close', gone)));
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(ends);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
