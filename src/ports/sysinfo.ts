// Facts about the machine: /proc for what is read often, systeminformation for inventory and slow facts.
import { availableParallelism } from 'node:os';
import { readKernel } from './proc-read.ts';

export interface LoadFacts {
  readonly load1: number;
  readonly load5: number;
  readonly load15: number;
  readonly cores: number;
  /** Bytes, as all of memory and swap here. */
  readonly memoryTotal: number;
  readonly memoryAvailable: number;
  readonly swapTotal: number;
  readonly swapFree: number;
  readonly uptimeMs: number;
  /** Pressure stall information, `some avg10` in percent, or null without PSI. */
  readonly pressure: { readonly cpu: number | null; readonly memory: number | null; readonly io: number | null };
}

export interface Inventory {
  readonly os: string;
  readonly kernel: string;
  readonly host: string;
  readonly cpu: string;
  /** What it runs on, such as `KVM` or `Docker Container`; null on bare metal. */
  readonly virtual: string | null;
  /** Local disks: name, bytes, kind. */
  readonly disks: readonly { readonly name: string; readonly bytes: number; readonly kind: string }[];
}

export interface SysInfo {
  /** From /proc, well under a millisecond. */
  load(): LoadFacts;
  /** From systeminformation; slow, cached for the life of the process. */
  inventory(): Promise<Inventory>;
}

/** `MemAvailable:  123 kB` of /proc/meminfo (proc(5)) in bytes; 0 when it is not told. */
const memory = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024;

function pressure(kind: 'cpu' | 'memory' | 'io'): number | null {
  const found = /^some avg10=([\d.]+)/.exec(readKernel(`/proc/pressure/${kind}`, 4096) ?? '');
  return found ? Number(found[1]) : null;
}

function load(): LoadFacts {
  const [load1 = 0, load5 = 0, load15 = 0] = (readKernel('/proc/loadavg', 4096) ?? '').split(' ').map(Number);
  const text = readKernel('/proc/meminfo', 65_536) ?? '';
  return {
    load1,
    load5,
    load15,
    cores: availableParallelism(),
    memoryTotal: memory(text, 'MemTotal'),
    memoryAvailable: memory(text, 'MemAvailable'),
    swapTotal: memory(text, 'SwapTotal'),
    swapFree: memory(text, 'SwapFree'),
    uptimeMs: Number.parseFloat(readKernel('/proc/uptime', 4096) ?? '0') * 1000,
    pressure: { cpu: pressure('cpu'), memory: pressure('memory'), io: pressure('io') },
  };
}

const LIMIT_MS = 10_000;

/** The library's answers come from programs without a time limit of their own. */
function inTime<T>(asked: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the inventory took more than ${LIMIT_MS} ms`)), LIMIT_MS);
    asked.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Only calls that neither block the loop for long nor touch remote file systems: no networkInterfaces, no fsSize. */
async function ask(): Promise<Inventory> {
  const { osInfo, cpu, system, blockDevices } = (await import('systeminformation')).default;
  const [os, chip, machine, devices] = await inTime(Promise.all([osInfo(), cpu(), system(), blockDevices()]));
  return {
    os: [os.distro, os.release, os.codename && `(${os.codename})`].filter(Boolean).join(' '),
    kernel: `${os.platform === 'linux' ? 'Linux' : os.platform} ${os.kernel}`,
    host: os.hostname,
    cpu: `${chip.cores} × ${[chip.manufacturer, chip.brand].filter(Boolean).join(' ')}`,
    virtual: machine.virtual ? machine.virtualHost || machine.model || 'unknown' : null,
    disks: devices
      .filter((one) => one.type === 'disk' && one.size > 0)
      .map((one) => ({ name: one.name, bytes: one.size, kind: one.physical })),
  };
}

let asked: Promise<Inventory> | null = null;

export const sysinfo: SysInfo = {
  load,
  inventory() {
    asked ??= ask().catch((error: unknown) => {
      asked = null; // Asked again the next time.
      throw error;
    });
    return asked;
  },
};
