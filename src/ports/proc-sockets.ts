// Who listens on a TCP port: sockets from /proc/net/tcp and tcp6, then the open files of every process.
import { readdirSync, readlinkSync } from 'node:fs';
import type { PortHolder } from './proc.ts';
import { exeOf, isOurs, pids, readKernel } from './proc-read.ts';

interface Listener {
  readonly port: number;
  readonly address: string;
  readonly inode: string;
}

/** The kernel prints each 32-bit word of an address in its own byte order (little endian here). */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  if (bytes.length === 4) return [...bytes].join('.');
  const words = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  return words.join(':').replace(/(^|:)0(:0)+(:|$)/, '::');
}

/** Listening sockets come first in these files: reading stops at the first that is none, however many there are. */
export function parseListeners(text: string): readonly Listener[] {
  const found: Listener[] = [];
  for (const line of text.split('\n').slice(1)) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state !== '0A' || !local || !inode) break;
    const [hex = '', port = ''] = local.split(':');
    found.push({ port: Number.parseInt(port, 16), address: addressOf(hex), inode });
  }
  return found;
}

function* openSockets(pid: number): Generator<string> {
  let fds: string[];
  try {
    fds = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return; // Gone, or not ours to look into.
  }
  for (const fd of fds) {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      if (target.startsWith('socket:[')) yield target.slice(8, -1);
    } catch {
      // Closed since.
    }
  }
}

export function holders(ports: readonly number[]): readonly PortHolder[] {
  if (ports.length === 0) return [];
  const wanted = new Map<string, Listener>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6'])
    for (const one of parseListeners(readKernel(file) ?? '')) if (ports.includes(one.port)) wanted.set(one.inode, one);
  if (wanted.size === 0) return [];
  const found: PortHolder[] = [];
  const seen = new Set<string>();
  for (const pid of pids())
    for (const inode of new Set(openSockets(pid))) {
      const listener = wanted.get(inode);
      if (!listener) continue;
      seen.add(inode);
      found.push({ pid, port: listener.port, address: listener.address, exe: exeOf(pid), ours: isOurs(pid) });
    }
  for (const [inode, { port, address }] of wanted)
    if (!seen.has(inode)) found.push({ pid: 0, port, address, exe: null, ours: false });
  return found;
}
