// One node of a lab: a machine with its own root, processes, network and systemd. Its disk outlives a kill, as a real
// one does: the upper layer of an overlay over the host's root, so whatever Debian package the host has, the node has.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExecResult } from '../../src/ports/exec.ts';
import { attempt, type CommandOptions, eventually, must } from './command.ts';
import { type NodeProcess, processesOf } from './processes.ts';
import { repository } from './repository.ts';

interface Place {
  readonly name: string;
  readonly address: string;
  readonly dir: string;
  readonly prefix: string;
  /** The cgroup2 mount of the host. */
  readonly control: string;
}

export interface FileOptions {
  readonly mode?: number;
  readonly owner?: number;
}

/** Units that would reach out of a node (the kernel is shared), or that a server in a rack has no use for. */
const MASKED = `
  systemd-sysctl.service systemd-modules-load.service systemd-binfmt.service systemd-pstore.service
  proc-sys-fs-binfmt_misc.automount systemd-random-seed.service systemd-remount-fs.service
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount
  dev-hugepages.mount systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket
  systemd-udev-trigger.service systemd-logind.service systemd-timesyncd.service console-getty.service
  getty-static.service getty@tty1.service modprobe@.service kmod-static-nodes.service systemd-networkd.service
  systemd-resolved.service systemd-firstboot.service ldconfig.service`
  .trim()
  .split(/\s+/);

export class LabNode {
  readonly name: string;
  readonly address: string;
  readonly dir: string;
  readonly #prefix: string;
  /** Its control group as the host sees it. */
  readonly group: string;
  readonly #binds: [source: string, target: string][] = [];
  #first: number | null = null;
  #supervisor: ChildProcess | null = null;

  constructor(place: Place) {
    this.name = place.name;
    this.address = place.address;
    this.dir = place.dir;
    this.#prefix = place.prefix;
    this.group = join(place.control, `${place.prefix}-${place.name}`);
  }

  /** The node's root as the host sees it. Mounts made inside the node are not below it; see `path`. */
  get root(): string {
    return join(this.dir, 'root');
  }

  /** Host pid of the node's PID 1, or null while it is off. */
  get first(): number | null {
    return this.#first;
  }

  /** Makes the disk: what a fresh installation has, with no service enabled. */
  async prepare(): Promise<void> {
    for (const part of ['upper', 'work', 'root']) mkdirSync(join(this.dir, part), { recursive: true });
    const layers = `lowerdir=/,upperdir=${join(this.dir, 'upper')},workdir=${join(this.dir, 'work')}`;
    await must(['mount', '-t', 'overlay', 'overlay', '-o', layers, this.root]);
    const wants = await must(['find', join(this.root, 'etc/systemd/system'), '-name', '*.wants', '-prune']);
    const boot = await must(['find', join(this.root, 'etc'), '-path', '*/rc?.d/S*']);
    const stale = ['run', 'var/log/journal', 'etc/machine-id'].map((name) => join(this.root, name));
    for (const path of [...wants.split('\n'), ...boot.split('\n'), ...stale]) {
      if (path) rmSync(path, { recursive: true, force: true });
    }
    mkdirSync(join(this.root, 'run'));
    for (const unit of MASKED) await this.#mask(unit);
    this.put('/etc/machine-id', '');
    this.put('/etc/fstab', '');
    this.put('/etc/hostname', `${this.name}\n`);
    this.put('/etc/hosts', `127.0.0.1 localhost\n${this.address} ${this.name}.lab.test ${this.name}\n`);
    this.put('/etc/resolv.conf', 'nameserver 127.0.0.1\n');
    this.#install();
    await must([
      'ln',
      '-sf',
      '/lib/systemd/system/multi-user.target',
      join(this.root, 'etc/systemd/system/default.target'),
    ]);
  }

  /** Puts this repository at /opt/watchkeeper and its command into the PATH, with the Node that runs the tests. */
  #install(): void {
    for (const part of ['bin', 'dist', 'config', 'package.json', 'node_modules']) {
      const source = join(repository, part);
      if (existsSync(source)) this.bind(realpathSync(source), `/opt/watchkeeper/${part}`);
    }
    this.remove('/usr/local/bin/node');
    this.bind(realpathSync(process.execPath), '/usr/local/bin/node');
    this.remove('/usr/bin/watchkeeper');
    symlinkSync('/opt/watchkeeper/bin/watchkeeper.js', join(this.root, 'usr/bin/watchkeeper'));
  }

  async #mask(unit: string): Promise<void> {
    await must(['ln', '-sf', '/dev/null', join(this.root, 'etc/systemd/system', unit)]);
  }

  /** Binds a file or directory of the host at a place in the node, from the next boot on. */
  bind(source: string, target: string): void {
    const at = join(this.root, target);
    mkdirSync(statSync(source).isDirectory() ? at : dirname(at), { recursive: true });
    if (!existsSync(at)) writeFileSync(at, '');
    this.#binds.push([source, target]);
  }

  /** Boots, and waits until systemd has started everything. Gives the time it took in ms. */
  async boot(limitMs = 90_000): Promise<number> {
    if (this.#first !== null) throw new Error(`${this.name} is on`);
    const started = performance.now();
    if (!existsSync(this.group)) mkdirSync(this.group);
    await this.network(true);
    const console = openSync(join(this.dir, 'console'), 'a');
    const script = join(repository, 'test/lab/boot.sh');
    const argv = [script, 'enter', this.group, `${this.#prefix}-${this.name}`, this.root, this.name];
    this.#supervisor = spawn('bash', [...argv, ...this.#binds.flat()], { stdio: ['ignore', console, console] });
    const above = this.#supervisor.pid ?? 0;
    try {
      this.#first = await eventually('PID 1', () => childOf(above), limitMs, 10);
      await eventually('systemd', async () => (await this.#state()) ?? null, limitMs, 25);
    } catch (error) {
      const said = readFileSync(join(this.dir, 'console'), 'utf8').slice(-800);
      throw new Error(`${this.name} does not boot: ${(error as Error).message}\n${said}`);
    }
    return performance.now() - started;
  }

  async #state(): Promise<string | null> {
    const got = await this.attempt(['systemctl', 'is-system-running'], { timeoutMs: 5000 });
    return /^(running|degraded)$/.test(got.stdout.trim()) ? got.stdout.trim() : null;
  }

  /** Power cut. `unplug` also takes its network port down; without it the kernel still answers ARP and resets. */
  async kill(options: { unplug?: boolean } = {}): Promise<void> {
    if (options.unplug) await this.network(false);
    const gone = this.#first;
    if (gone === null) return;
    process.kill(gone, 'SIGKILL');
    this.#supervisor?.kill('SIGKILL');
    await eventually(`end of ${this.name}`, () => !existsSync(`/proc/${gone}`), 10_000, 10);
    this.#first = null;
  }

  /** Stops or resumes every process of the node: the kernel accepts for it, nobody answers. */
  freeze(on: boolean): void {
    writeFileSync(join(this.group, 'cgroup.freeze'), on ? '1' : '0');
  }

  /** Plugs its network cable in or out. */
  async network(up: boolean): Promise<void> {
    await must(['ip', '-n', `${this.#prefix}-sw`, 'link', 'set', `p-${this.name}`, up ? 'up' : 'down']);
  }

  /** argv that runs argv inside the node, as root. */
  inside(argv: readonly string[]): string[] {
    if (this.#first === null) throw new Error(`${this.name} is off`);
    return ['nsenter', '-t', String(this.#first), '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w', ...argv];
  }

  /** Runs argv inside the node; the result is a value, also when it failed. */
  attempt(argv: readonly string[], options: CommandOptions = {}): Promise<ExecResult> {
    return attempt(this.inside(argv), options);
  }

  /** Runs argv inside the node and gives its output; throws when it did not end with 0. */
  exec(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
    return must(this.inside(argv), options);
  }

  /** Where the host finds a file of the node: with the node's own mounts while it is on. */
  path(inner: string): string {
    return this.#first === null ? join(this.root, inner) : join(`/proc/${this.#first}/root`, inner);
  }

  put(inner: string, text: string | Buffer, options: FileOptions = {}): void {
    const at = this.path(inner);
    mkdirSync(dirname(at), { recursive: true });
    writeFileSync(at, text);
    if (options.mode !== undefined) chmodSync(at, options.mode);
    if (options.owner !== undefined) chownSync(at, options.owner, options.owner);
  }

  read(inner: string): string {
    return readFileSync(this.path(inner), 'utf8');
  }

  remove(inner: string): void {
    rmSync(this.path(inner), { recursive: true, force: true });
  }

  processes(): readonly NodeProcess[] {
    return this.#first === null ? [] : processesOf(this.#first);
  }
}

/** The only child of a host process, or null while it has none. */
function childOf(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text ? Number(text.split(' ')[0]) : null;
  } catch {
    return null;
  }
}
