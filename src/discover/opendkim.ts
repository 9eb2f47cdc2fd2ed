// OpenDKIM: the socket that its file names.
import { readFile } from './ask.ts';
import { path } from './shape.ts';
import type { Found, Machine, Reading } from './types.ts';

const FILE = '/etc/opendkim.conf';

export async function opendkim(_found: Found, machine: Machine): Promise<Reading> {
  const text = readFile(machine, FILE) ?? '';
  const socket = [...text.matchAll(/^[ \t]*socket[ \t]+(\S+)/gim)].at(-1)?.[1];
  const file = path(socket?.replace(/^(local|unix):/, ''));
  if (socket === undefined || file !== null)
    return { set: { socket: file === null ? null : { value: file, from: FILE } } };
  const off = { check: 'milter', set: { off: true }, from: `${FILE}: it has no socket in the file system` };
  return { overlays: [off] };
}
