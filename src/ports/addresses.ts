// Addresses of this node's interfaces, through one long-lived child of ip(8) in its batch mode: a command is at work 0.6 ms
// after it is written, and no process has to be started between a decision and its effect. One command at a time; a
// child that does not answer is killed and replaced, and what it was told counts as not done.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { program } from './program.ts';

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
  /** Sets or extends it; `seconds` null: for ever. Null: done; else why not. */
  put(device: string, ip: string, prefix: number, seconds: number | null): Promise<string | null>;
  remove(device: string, ip: string, prefix: number): Promise<string | null>;
  /** Can frames go out of it? */
  carrier(device: string): 'up' | 'down' | 'missing';
}

const ANSWER_MS = 1000;
const OUTPUT_MAX = 1024 * 1024;
/** Asked after every command: its answer says that the one before has been carried out. */
const FENCE = 'link show dev lo';
const ANSWERED = /(^|\n)1: lo[:@]/;

interface Job {
  readonly line: string;
  resolve(answer: { readonly out: string; readonly err: string } | null): void;
}

export interface IpChild extends Addresses {
  close(): void;
}

/** `argv0`: how ip is started, for a test that has it run in another network namespace. */
export function openAddresses(argv: readonly string[] = ['ip']): IpChild {
  const queue: Job[] = [];
  let child: ChildProcessWithoutNullStreams | null = null;
  let busy: Job | null = null;
  let out = '';
  let err = '';
  let timer: NodeJS.Timeout | null = null;

  const finish = (answer: { out: string; err: string } | null): void => {
    const job = busy;
    busy = null;
    if (timer) clearTimeout(timer);
    timer = null;
    job?.resolve(answer);
    next();
  };
  const drop = (): void => {
    child?.kill('SIGKILL');
    child = null;
    if (busy) finish(null);
  };
  const heard = (): void => {
    if (!busy) {
      out = '';
      err = '';
    } else if (out.length > OUTPUT_MAX || err.length > OUTPUT_MAX) drop();
    else if (ANSWERED.test(out)) finish({ out, err });
  };
  function start(): ChildProcessWithoutNullStreams | null {
    const [, ...rest] = argv;
    try {
      const made = spawn(program(argv), [...rest, '-force', '-oneline', '-batch', '-'], {
        ...{ env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C' }, stdio: 'pipe' },
      });
      made.stdout.setEncoding('latin1').on('data', (text: string) => {
        if (made !== child) return;
        out += text;
        heard();
      });
      made.stderr.setEncoding('latin1').on('data', (text: string) => {
        if (made === child) err += text;
      });
      const ended = (): void => {
        if (made !== child) return;
        child = null;
        if (busy) finish(null);
      };
      made.on('error', ended).on('exit', ended);
      made.stdin.on('error', () => undefined);
      made.unref();
      for (const stream of [made.stdin, made.stdout, made.stderr]) (stream as unknown as { unref?(): void }).unref?.();
      return made;
    } catch {
      return null;
    }
  }
  function next(): void {
    const job = busy ? undefined : queue.shift();
    if (!job) return;
    busy = job;
    child ??= start();
    if (!child) return finish(null);
    out = '';
    err = '';
    timer = setTimeout(drop, ANSWER_MS);
    child.stdin.write(`${job.line}\n${FENCE}\n`);
  }
  const ask = (line: string): Promise<{ readonly out: string; readonly err: string } | null> =>
    new Promise((resolve) => {
      queue.push({ line, resolve });
      next();
    });
  const command = async (line: string): Promise<string | null> => {
    const answer = await ask(line);
    if (!answer) return 'ip does not answer';
    return /^(?!Command failed)\S.*/m.exec(answer.err)?.[0].slice(0, 200) ?? null;
  };
  const good = (device: string, ip: string): boolean =>
    /^[A-Za-z0-9_.@:-]{1,15}$/.test(device) && /^[0-9a-fA-F:.]{2,45}$/.test(ip);
  return {
    async list() {
      const answer = await ask('addr show');
      if (!answer) throw new Error('ip does not answer');
      return answer.out.split('\n').flatMap((line) => parseAddress(line) ?? []);
    },
    async put(device, ip, prefix, seconds) {
      if (!good(device, ip)) return 'not an address';
      const life =
        seconds === null ? 'valid_lft forever preferred_lft forever' : `valid_lft ${seconds} preferred_lft ${seconds}`;
      // Whoever asks has probed by itself: the kernel's own detection would keep an IPv6 address unusable for a second.
      const nodad = ip.includes(':') ? ' nodad' : '';
      return command(`addr replace ${ip}/${prefix} dev ${device} ${life}${nodad}`);
    },
    remove: async (device, ip, prefix) =>
      good(device, ip) ? command(`addr del ${ip}/${prefix} dev ${device}`) : 'not an address',
    carrier: carrierOf,
    close() {
      for (const job of queue.splice(0)) job.resolve(null);
      drop();
    },
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
