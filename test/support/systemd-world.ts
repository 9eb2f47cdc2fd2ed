// A small systemd for tests of the manager: one unit, its processes, and what systemctl was asked for.
import { clock } from '../../src/ports/clock.ts';
import type { ExecResult } from '../../src/ports/exec.ts';
import { type PortHolder, type ProcessFacts, proc } from '../../src/ports/proc.ts';
import recovery from '../../src/recovery/systemd.ts';
import { hostPorts, unitFacts } from './host.ts';

const GROUP = '/system.slice/mail.service';

export class World {
  facts: Record<string, string> = { MainPID: '10' };
  living = new Set([10, 11]);
  /** Others' processes, by pid. */
  exes = new Map<number, string>();
  groups = new Map<number, string>();
  immortal = new Set<number>();
  held: PortHolder[] = [];
  asked: string[] = [];
  killed: number[] = [];
  exits: { pid: number; ended: () => void }[] = [];
  groupThere = true;
  /** What a verb of systemctl does and answers. */
  verbs: Record<string, (argv: readonly string[]) => Partial<ExecResult>> = {
    start: () => this.up(20),
    restart: () => this.up(20),
    stop: () => this.down('inactive', 'success'),
    'reset-failed': () => this.down('inactive', 'success'),
    reload: () => ({}),
  };
  systemd = true;

  up(pid: number): Partial<ExecResult> {
    this.facts = { MainPID: String(pid), InvocationID: `${pid}`.repeat(16) };
    this.living = new Set([pid]);
    this.groupThere = true;
    return {};
  }
  down(state: string, result: string): Partial<ExecResult> {
    this.facts = { ActiveState: state, Result: result, ControlGroup: '', InactiveEnterTimestampMonotonic: '1' };
    this.living.clear();
    this.groupThere = false;
    return {};
  }
  process(pid: number): ProcessFacts | null {
    const exe = this.exes.get(pid) ?? '/usr/sbin/maild';
    const there = this.living.has(pid) || this.exes.has(pid);
    const ppid = pid === 10 || pid === 20 ? 1 : 10;
    return there ? { pid, startTicks: pid, exe, ppid, group: 10, session: 10, state: 'S', comm: 'maild' } : null;
  }
  kill(pid: number): boolean {
    if (!this.process(pid) || this.immortal.has(pid)) return false;
    this.killed.push(pid);
    this.living.delete(pid);
    this.exes.delete(pid);
    this.held = this.held.filter((one) => one.pid !== pid);
    if (this.living.size === 0 && this.groupThere) this.down('failed', 'signal');
    for (const exit of this.exits.splice(0)) if (exit.pid === pid) exit.ended();
    return true;
  }
  run(argv: readonly string[]): ExecResult {
    const verb = argv.find((word) => word in this.verbs) ?? argv[0] ?? '';
    this.asked.push(verb);
    const ended = {
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
      timedOut: false,
      failed: null,
      truncated: false,
      ms: 5,
    };
    return { ...ended, ...this.verbs[verb]?.(argv) };
  }
  context(options: object = {}) {
    const ports = hostPorts({
      exec: { run: (argv) => Promise.resolve(this.run(argv)) },
      units: { show: () => Promise.resolve(this.systemd ? unitFacts(this.facts) : null) },
      proc: {
        ...proc,
        facts: (pid) => this.process(pid),
        alive: (one) => this.process(one.pid) !== null,
        cgroup: (path) => (path === GROUP ? [...this.living] : []),
        holds: (path) => path === GROUP && this.groupThere,
        cgroupOf: (pid) => this.groups.get(pid) ?? (this.living.has(pid) ? GROUP : '/user.slice/session-3.scope'),
        holders: (ports) => this.held.filter((one) => ports.includes(one.port)),
        signal: (pid) => this.kill(pid),
        onExit: ({ pid }, ended) => {
          this.exits.push({ pid, ended });
          return () => undefined;
        },
      },
      clock: { ...clock, sleep: (ms) => clock.sleep(ms / 10) },
    });
    const signal = new AbortController().signal;
    const memory = new Map<string, unknown>();
    const parsed = recovery.options.parse({ unit: 'mail', ports: [143], exe: ['/usr/lib/mail/'], ...options });
    return { options: parsed, ports, signal, service: 'mail', memory, stateDir: '/nowhere' };
  }
}
export const holder = (pid: number, exe: string, more: Partial<PortHolder> = {}): PortHolder => ({
  pid,
  port: 143,
  address: '0.0.0.0',
  exe,
  ours: true,
  ...more,
});
