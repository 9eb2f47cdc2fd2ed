// Gathers what this node says of its own installation: versions, digests of the configuration of mail, numbers of
// users. Looks only; what is not installed is left out.
import { createHash } from 'node:crypto';
import type { Config } from '../../config/types.ts';
import { boundInventory, type Inventory } from '../../core/inventory.ts';
import type { Exec } from '../../ports/exec.ts';
import type { Files } from '../../ports/files.ts';

export interface InventoryDoors {
  readonly exec: Exec;
  readonly files: Pick<Files, 'readText'>;
}

export const INVENTORY_MS = 60_000;
const CALL_MS = 10_000;
const FILE_MAX = 256 * 1024;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** Settings of Postfix that rightly differ between nodes. */
const OWN_SETTINGS =
  /^(myhostname|mydomain|inet_interfaces|smtp_bind_address6?|proxy_interfaces|myorigin|mynetworks)\s*=/;
const USERS = ['postfix', 'dovecot', 'dovenull', 'vmail', 'mail', 'postdrop', 'opendkim', '_rspamd', 'clamav', 'cyrus'];

/** The output of a program, or null: it is not there, or failed. */
type Said = (argv: readonly string[]) => Promise<string | null>;

export async function gatherInventory(config: Config, doors: InventoryDoors, signal?: AbortSignal): Promise<Inventory> {
  const { exec, files } = doors;
  const say: Said = async (argv) => {
    const options = { timeoutMs: CALL_MS, maxBytes: FILE_MAX, env: { LC_ALL: 'C' }, ...(signal ? { signal } : {}) };
    const { code, stdout, stderr } = await exec.run(argv, options);
    return code === 0 ? (stdout.trim() === '' ? stderr : stdout) : null;
  };
  const read = (path: string): string | null => {
    try {
      return files.readText(path, FILE_MAX);
    } catch {
      return null;
    }
  };
  const found = { ...(await system(say, read)), ...(await mail(say, read)), ...(await users(say)) };
  const all: Record<string, string | null> = { ...found, configuration: digest(shared(config)) };
  return boundInventory(Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== '')));
}

/** What must be the same in the configuration of all nodes. */
const shared = ({ cluster, groups = {} }: Config): string =>
  JSON.stringify({ cluster: cluster && { ...cluster, member: null, options: null }, groups });

const firstLine = (text: string | null): string | null => text?.trim().split('\n')[0] ?? null;
const digestOf = (text: string | null): string | null => (text === null ? null : digest(text));

async function system(say: Said, read: (path: string) => string | null): Promise<Record<string, string | null>> {
  const os = /^PRETTY_NAME="?([^"\n]*)/m.exec(read('/etc/os-release') ?? '')?.[1] ?? null;
  const memory = /^MemTotal:\s+(\d+)/m.exec(read('/proc/meminfo') ?? '')?.[1];
  return {
    os,
    kernel: firstLine(read('/proc/sys/kernel/osrelease')),
    arch: firstLine(await say(['uname', '-m'])),
    boot: firstLine(read('/proc/sys/kernel/random/boot_id')),
    // Its number is not for others' eyes: a digest is enough to tell two apart.
    machine: digestOf(read('/etc/machine-id')),
    zone: firstLine(await say(['date', '+%Z%z'])),
    memory: memory === undefined ? null : `${Math.round(Number(memory) / 1024)} MiB`,
    etcd: firstLine(await say(['etcd', '--version'])),
    openssl: firstLine(await say(['openssl', 'version'])),
    node: process.version,
    nsswitch: digestOf(read('/etc/nsswitch.conf')),
    resolv: digestOf(read('/etc/resolv.conf')),
  };
}

async function mail(say: Said, read: (path: string) => string | null): Promise<Record<string, string | null>> {
  const postconf = await say(['postconf', '-n']);
  const master = await say(['postconf', '-M']);
  const doveconf = await say(['doveconf', '-n']);
  const own = (line: string): boolean => !OWN_SETTINGS.test(line);
  // Comments of doveconf name the host and its kernel.
  const plain = (text: string): string => text.replace(/^#.*\n/gm, '');
  return {
    postconf: postconf === null ? null : digest(postconf.split('\n').filter(own).join('\n')),
    master: digestOf(master),
    doveconf: doveconf === null ? null : digest(plain(doveconf)),
    myhostname: firstLine(await say(['postconf', '-h', 'myhostname'])),
    postfix: firstLine(await say(['postconf', '-h', 'mail_version'])),
    dovecot: firstLine(await say(['dovecot', '--version'])),
    aliases: digestOf(read('/etc/aliases')),
  };
}

async function users(say: Said): Promise<Record<string, string | null>> {
  const passwd = (await say(['getent', 'passwd'])) ?? '';
  const group = (await say(['getent', 'group'])) ?? '';
  const numbers = (text: string): string =>
    text
      .split('\n')
      .map((line) => line.split(':'))
      .filter(([name]) => USERS.includes(name ?? ''))
      .map(([name, , id]) => `${name}=${id}`)
      .toSorted()
      .join(' ');
  return { users: numbers(passwd), groups: numbers(group) };
}
