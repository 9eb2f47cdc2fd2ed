// A laboratory of whole nodes on one machine: network namespaces on a switch, overlay roots, real systemd in each.
// Owns what exists only while a lab is up: its directory, its mounts, its namespaces. Two labs at once do not meet: all
// names start with a prefix made of the owner's pid. Nothing is started in, and no address is given to, the host
// itself.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecResult } from '../../src/ports/exec.ts';
import { attempt, type CommandOptions, must } from './command.ts';
import { LabNode } from './node.ts';
import { CLIENT, NETWORK } from './place.ts';
import { startTicksOf } from './processes.ts';
import { repository } from './repository.ts';

export interface LabOptions {
  /** Names of the nodes: a–z and digits, at most 8. The first has the address .11, the next .12 … */
  readonly nodes: readonly string[];
}

/** All that one lab is made of. Call `close` whatever happens; a killed owner's lab goes with the next `Lab.up`. */
export class Lab {
  readonly dir: string;
  readonly prefix = `wkl${process.pid}`;
  readonly nodes = new Map<string, LabNode>();
  readonly #clients = new Set<ChildProcess>();
  #open = true;

  private constructor() {
    this.dir = mkdtempSync(join(tmpdir(), `wkl-${process.pid}-`));
  }

  /** Makes the switch, the client and the nodes' disks; boots nothing. */
  static async up(options: LabOptions): Promise<Lab> {
    await ready();
    sweep();
    const lab = new Lab();
    process.once('exit', lab.#atExit);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, lab.#atSignal);
    try {
      writeFileSync(join(lab.dir, 'owner'), String(startTicksOf(process.pid)));
      await lab.#build(options.nodes);
      return lab;
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  async #build(names: readonly string[]): Promise<void> {
    await must(['mount', '-t', 'tmpfs', '-o', 'size=4g,mode=755', 'wk-lab', this.dir]);
    writeFileSync(join(this.dir, 'owner'), String(startTicksOf(process.pid)));
    const control = await controlGroup(this.dir);
    const hub = `${this.prefix}-sw`;
    await must(['ip', 'netns', 'add', hub]);
    await must(['ip', '-n', hub, 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0']);
    await must(['ip', '-n', hub, 'link', 'set', 'br0', 'up']);
    await this.#plug('client', CLIENT);
    for (const [index, name] of names.entries()) {
      const address = `${NETWORK}.${11 + index}`;
      await this.#plug(name, address);
      const node = new LabNode({ name, address, dir: join(this.dir, name), prefix: this.prefix, control });
      await node.prepare();
      this.nodes.set(name, node);
    }
  }

  /** A network namespace with eth0 at `address`, on the switch. */
  async #plug(name: string, address: string): Promise<void> {
    const [space, hub] = [`${this.prefix}-${name}`, `${this.prefix}-sw`];
    await must(['ip', 'netns', 'add', space]);
    await must(['ip', '-n', space, 'link', 'set', 'lo', 'up']);
    const pair = ['type', 'veth', 'peer', 'name', `p-${name}`, 'netns', hub];
    await must(['ip', '-n', space, 'link', 'add', 'eth0', ...pair]);
    await must(['ip', '-n', hub, 'link', 'set', `p-${name}`, 'master', 'br0', 'up']);
    await must(['ip', '-n', space, 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
    await must(['ip', '-n', space, 'link', 'set', 'eth0', 'up']);
  }

  node(name: string): LabNode {
    const found = this.nodes.get(name);
    if (!found) throw new Error(`no node ${name}`);
    return found;
  }

  /** Runs argv on the client, a bare network namespace next to the nodes. */
  client(argv: readonly string[], options: CommandOptions = {}): Promise<ExecResult> {
    return attempt(['ip', 'netns', 'exec', `${this.prefix}-client`, ...argv], options);
  }

  /** Starts a program on the client that runs until killed, or until the lab is closed. */
  spawnClient(argv: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', `${this.prefix}-client`, ...argv], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#clients.add(child);
    child.on('exit', () => this.#clients.delete(child));
    return child;
  }

  /** Takes all of it away. Blocks, for it must also work while the process exits. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const child of this.#clients) child.kill('SIGKILL');
    process.off('exit', this.#atExit);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, this.#atSignal);
    takeDown(this.dir, this.prefix);
  }

  readonly #atExit = (): void => this.close();
  readonly #atSignal = (name: NodeJS.Signals): void => {
    this.close();
    process.exit(name === 'SIGINT' ? 130 : 143);
  };
}

function takeDown(dir: string, prefix: string): void {
  execFileSync('bash', [join(repository, 'test/lab/down.sh'), dir, prefix], {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
}

/** Takes down labs whose owner was killed before it could. A pid that was given to somebody else is no owner. */
export function sweep(): void {
  for (const entry of readdirSync(tmpdir())) {
    const owner = /^wkl-(\d+)-/.exec(entry)?.[1];
    if (!owner) continue;
    const dir = join(tmpdir(), entry);
    const mark = existsSync(join(dir, 'owner')) ? readFileSync(join(dir, 'owner'), 'utf8') : '';
    if (startTicksOf(Number(owner)) !== null && (mark === '' || Number(mark) === startTicksOf(Number(owner)))) continue;
    takeDown(dir, `wkl${owner}`);
    if (existsSync(dir)) rmdirSync(dir);
  }
}

/** The unified cgroup hierarchy of this machine. A node sees its own part of it and nothing else. */
async function controlGroup(dir: string): Promise<string> {
  const line = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .find((text) => text.split(' ')[2] === 'cgroup2');
  const found = line?.split(' ')[1];
  if (found) return found;
  const own = join(dir, 'cgroup');
  await must(['mkdir', own]);
  await must(['mount', '-t', 'cgroup2', 'cgroup', own]);
  return own;
}

async function ready(): Promise<void> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new Error('the lab needs Linux and root');
  const tried = await attempt(['unshare', '--mount', '--pid', '--fork', '--net', 'true']);
  if (tried.code !== 0) throw new Error(`the lab needs namespaces, and this machine has none: ${tried.stderr.trim()}`);
}
