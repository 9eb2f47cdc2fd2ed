// What Cyrus IMAP's own programs write, and cyrus.conf: settings, connections, room, mailboxes, quotas, limits.
import { lineReader } from './queue.ts';

export type Settings = ReadonlyMap<string, string>;

const MAX_LINES = 5000;
const MAX_NAME = 100;

const linesOf = (text: string): readonly string[] => text.split('\n', MAX_LINES);

/** `cyr_info conf-all`, `conf-lint`: a key, a colon, a value. Passwords are among them: never show all of it. */
export function settingsOf(text: string): Settings {
  const found = new Map<string, string>();
  for (const line of linesOf(text)) {
    const [, key, value = ''] = /^([\w-]{1,100}):(.{0,4096})/.exec(line) ?? [];
    if (key !== undefined) found.set(key, value.trim());
  }
  return found;
}

export interface Place {
  /** The key that names it. */
  readonly key: string;
  readonly path: string;
  /** Cyrus makes it when it is not there. */
  readonly made: boolean;
}

const MAX_PLACES = 64;

/** The folders that Cyrus writes to. */
export function placesOf(settings: Settings): readonly Place[] {
  const always = ['configdirectory', 'proc_path', 'mboxname_lockpath'].flatMap((key) => {
    const path = settings.get(key) ?? '';
    return path === '' ? [] : [{ key, path, made: key !== 'configdirectory' }];
  });
  const partitions = [...settings].filter(([key]) => /^(meta|archive)?partition-./.test(key));
  return [...always, ...partitions.map(([key, path]) => ({ key, path, made: false }))].slice(0, MAX_PLACES);
}

/** How many connections each service has, from `cyr_info proc`: number of the process, service, peer, user, mailbox. */
export function connectionsOf(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    const service = /^\d{1,10} ([\w-]{1,60}) /.exec(line)?.[1];
    if (service !== undefined) found.set(service, (found.get(service) ?? 0) + 1);
  }
  return found;
}

/** The limits of cyrus.conf: a service and its maxchild. One without it has none. */
export function limitsOf(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const line of linesOf(text)) {
    const [, service, limit] = /^\s*([\w-]{1,60})\s[^#]*\bmaxchild="?(\d{1,6})\b/.exec(line) ?? [];
    if (service !== undefined && Number(limit) > 0) found.set(service, Number(limit));
  }
  return found;
}

export interface Room {
  readonly partition: string;
  readonly usedPercent: number;
}

/** `cyr_df`: partition, blocks, used, available, share used, folder. What it cannot look at it leaves out. */
export function roomOf(text: string): readonly Room[] {
  return linesOf(text).flatMap((line) => {
    const [, partition = '', used] = /^(\S{1,100})\s+\d+\s+\d+\s+\d+\s+(\d{1,3})% \//.exec(line) ?? [];
    return used === undefined ? [] : [{ partition, usedPercent: Number(used) }];
  });
}

export interface MailboxList {
  readonly count: number;
  /** A mailbox whose partition is in no setting, with the partition; and how many there are. */
  readonly lost: { readonly mailbox: string; readonly partition: string; readonly count: number } | null;
  /** Its last line was there. */
  readonly whole: boolean;
}

const MAILBOX = /^"((?:[^"\\]|\\.){1,1000})": \{/;
const FIELD = (name: string): RegExp => new RegExp(`, "${name}": "([^"]{0,${MAX_NAME}})"`);
const [TYPE, PARTITION] = [FIELD('mbtype'), FIELD('partition')];
/** Deleted, intermediate, moving, remote, reserved: these have no partition here. */
const ELSEWHERE = /[dimrxz]/;

/** Sums up `ctl_mboxlist -d` as it comes: one mailbox a line, between two braces. */
export function mailboxList(settings: Settings): { readonly add: (piece: Buffer) => void; end(): MailboxList } {
  let seen: MailboxList = { count: 0, lost: null, whole: false };
  const reader = lineReader((line) => {
    if (line === '}') seen = { ...seen, whole: true };
    const mailbox = MAILBOX.exec(line)?.[1];
    if (mailbox === undefined) return;
    seen = { ...seen, count: seen.count + 1 };
    const partition = PARTITION.exec(line)?.[1] ?? '';
    const known = partition === '' || partition.includes('!') || settings.has(`partition-${partition}`);
    if (known || ELSEWHERE.test(TYPE.exec(line)?.[1] ?? '')) return;
    seen = { ...seen, lost: { mailbox, partition, ...seen.lost, count: (seen.lost?.count ?? 0) + 1 } };
  });
  return {
    add: reader.add,
    end() {
      reader.end();
      return seen;
    },
  };
}

/** Counts the quotas of room in `quota` that are used up. */
export function fullQuotas(): { readonly add: (piece: Buffer) => void; end(): number } {
  let full = 0;
  const reader = lineReader((line) => {
    const used = /^\s*\d+\s+(\d{1,9})\s+\d+\s+STORAGE\s/.exec(line)?.[1];
    if (used !== undefined && Number(used) >= 100) full += 1;
  });
  return {
    add: reader.add,
    end() {
      reader.end();
      return full;
    },
  };
}

/** Where rolling replication keeps what it has still to do: a file for each channel. Empty when it is not used. */
export function replicationLogs(settings: Settings): readonly string[] {
  if (!/^(yes|on|true|1|t)$/i.test(settings.get('sync_log') ?? '')) return [];
  const base = `${settings.get('configdirectory') ?? ''}/sync`;
  const channels = (settings.get('sync_log_channels') ?? '').split(/\s+/).filter((name) => /^[\w-]{1,60}$/.test(name));
  // squatter reads the log of its own name, for the search index: that is no replication.
  const remote = channels.filter((name) => name !== 'squatter');
  return channels.length === 0 ? [`${base}/log`] : remote.slice(0, 8).map((name) => `${base}/${name}/log`);
}
