// Addresses of this node's interfaces: read, set and taken away through ip(8), their carrier from sysfs.
import { readFileSync } from 'node:fs';
import { Batch } from './batch.ts';

export interface NodeAddress {
  readonly device: string;
  /** As ip(8) writes it. */
  readonly ip: string;
  readonly prefix: number;
  /** Seconds until the kernel takes it away; null: never. */
  readonly validS: number | null;
  /** Duplicate address detection is under way, or has failed. */
  readonly tentative: boolean;
  readonly failed: boolean;
}

export interface Addresses {
  list(): Promise<readonly NodeAddress[]>;
  /** Sets or extends it; `seconds` null: for ever. Null: done; else why not. `still` is asked in the moment before: if
   *  false nothing is done, and the answer is TOO_LATE. */
  put(
    device: string,
    ip: string,
    prefix: number,
    seconds: number | null,
    still?: () => boolean,
  ): Promise<string | null>;
  remove(device: string, ip: string, prefix: number): Promise<string | null>;
  /** Can frames go out of it? */
  carrier(device: string): 'up' | 'down' | 'missing';
}

export const TOO_LATE = 'the command came too late';

export interface IpChild extends Addresses {
  close(): void;
}

/** `argv`: how ip is started, for a test that has it look into another network namespace. */
export function openAddresses(argv: readonly string[] = ['ip']): IpChild {
  const batch = new Batch({
    argv: [...argv, '-force', '-oneline', '-batch', '-'],
    ...{ after: 'link show dev lo', answered: /(^|\n)1: lo[:@]/, answerMs: 1000 },
  });
  const command = async (line: string, still = (): boolean => true): Promise<string | null> => {
    const answer = await batch.ask(line, still);
    if (answer === 'late') return TOO_LATE;
    if (!answer) return 'ip does not answer';
    return /^(?!Command failed)\S.*/m.exec(answer.err)?.[0].slice(0, 200) ?? null;
  };
  const good = (device: string, ip: string): boolean =>
    /^[A-Za-z0-9_.@:-]{1,15}$/.test(device) && /^[0-9a-fA-F:.]{2,45}$/.test(ip);
  return {
    async list() {
      const answer = await batch.ask('addr show');
      if (!answer) throw new Error('ip does not answer');
      return answer.out.split('\n').flatMap((line) => parseAddress(line) ?? []);
    },
    async put(device, ip, prefix, seconds, still) {
      if (!good(device, ip)) return 'not an address';
      const life =
        seconds === null ? 'valid_lft forever preferred_lft forever' : `valid_lft ${seconds} preferred_lft ${seconds}`;
      // Whoever asks has probed by itself: the kernel's own detection would keep an IPv6 address unusable for a second.
      const nodad = ip.includes(':') ? ' nodad' : '';
      return command(`addr replace ${ip}/${prefix} dev ${device} ${life}${nodad}`, still);
    },
    remove: async (device, ip, prefix) =>
      good(device, ip) ? command(`addr del ${ip}/${prefix} dev ${device}`) : 'not an address',
    carrier: carrierOf,
    close: () => batch.close(),
  };
}

function carrierOf(device: string): 'up' | 'down' | 'missing' {
  if (!/^[A-Za-z0-9_.@:-]{1,15}$/.test(device)) return 'missing';
  try {
    // Reading `carrier` of an interface that is down is refused with EINVAL.
    return readFileSync(`/sys/class/net/${device}/carrier`, 'latin1').trim() === '1' ? 'up' : 'down';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'down';
  }
}

/** One line of `ip -oneline addr show`. */
export function parseAddress(line: string): NodeAddress | null {
  const found = /^\d+: ([^\s@:]+)(?:@\S+)?\s+inet6? ([0-9a-f.:]+)(?:\/(\d+))?(.*)$/.exec(line);
  if (!found) return null;
  const [, device = '', ip = '', prefix = '', rest = ''] = found;
  const valid = /valid_lft (\d+)sec/.exec(rest)?.[1];
  return {
    ...{ device, ip, prefix: prefix === '' ? (ip.includes(':') ? 128 : 32) : Number(prefix) },
    validS: valid === undefined ? null : Number(valid),
    tentative: / tentative\b/.test(rest),
    failed: / dadfailed\b/.test(rest),
  };
}
