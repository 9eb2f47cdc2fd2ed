// The event logs of the machine: journald with native fields, syslog (RFC 5424), that of Windows, and the standard
// output. Datagrams that never wait: when a reader is behind or away the caller learns it, and may come again.
import { existsSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { clean } from '../core/clean.ts';
import { libc, whyNoLibc } from './libc.ts';
import { appendLine, type LogFileBounds } from './log-file.ts';
import { hasEventLog, reportEvent, type WindowsEvent } from './windows-log.ts';

export interface SyslogRecord {
  /** RFC 5424 numbers. */
  readonly facility: number;
  readonly severity: number;
  /** RFC 3339. */
  readonly time: string;
  readonly host: string;
  readonly msgId: string;
  readonly data: readonly { readonly id: string; readonly params: Readonly<Record<string, string>> }[];
  readonly text: string;
}

export interface SyslogTarget {
  readonly socket: string;
  /** `local`: as syslog(3) writes. */
  readonly format: 'rfc5424' | 'local';
}

export type Delivery = 'sent' | { readonly retry: string };

export interface SystemLog {
  /** Whether journald, or a syslog daemon at this socket, seems to be there. */
  hasJournal(): boolean;
  hasSyslog(socket: string): boolean;
  /** Whether this is Windows. */
  hasWindows(): boolean;
  /** One record with the fields of systemd.journal-fields(7); names in capitals. */
  journal(fields: Readonly<Record<string, string>>): Delivery;
  syslog(record: SyslogRecord, to: SyslogTarget): Delivery;
  /** One RFC 5424 message for somebody who takes so many bytes. */
  message(record: SyslogRecord, maxBytes: number): Buffer;
  /** A line on standard output, with its `<PRI>` where the service manager reads it. */
  /** The event log of Windows; elsewhere the answer is that there is none. */
  windows(event: WindowsEvent): Promise<Delivery>;
  print(severity: number, line: string): Delivery;
  append(path: string, line: string, bounds: LogFileBounds): Promise<Delivery>;
}

const JOURNAL_SOCKET = '/run/systemd/journal/socket';
const APP = 'watchkeeper';
/** What a reader of our standard output may be behind before we stop giving it more. */
const MAX_UNREAD_BYTES = 1024 * 1024;

const MAX_TEXT_BYTES = 4096;
const MAX_FIELD_BYTES = 8192;
/** So much of the text comes before any structured data. */
const LEAST_TEXT_BYTES = 160;
const SHORT_VALUE_BYTES = 64;

/** Words of an RFC 5424 header: printable ASCII without space. */
const word = (text: string, max: number): string => text.replaceAll(/[^\x21-\x7e]/g, '_').slice(0, max) || '-';
/** SD-NAME excludes `=`, `]` and `"` as well. */
const sdName = (text: string): string => word(text.replaceAll(/[="\]]/g, '_'), 32);
const sdValue = (text: string, max: number): string => clean(text, max).replaceAll(/["\\\]]/g, '\\$&');

function structured(data: SyslogRecord['data'], maxValue = 1024): string {
  const elements = data.map(({ id, params }) => {
    const pairs = Object.entries(params).map(([name, value]) => ` ${sdName(name)}="${sdValue(value, maxValue)}"`);
    return `[${sdName(id)}${pairs.join('')}]`;
  });
  return elements.join('');
}

const priority = (record: SyslogRecord): string => `<${record.facility * 8 + record.severity}>`;

function headOf(record: SyslogRecord, pid: number): string {
  const header = [word(record.time, 64), word(record.host, 255), APP, String(pid), word(record.msgId, 32)].join(' ');
  return `${priority(record)}1 ${header}`;
}

/** One RFC 5424 message. The text is one clean line (MSG-ANY: UTF-8 without a byte order mark, as logger(1) sends). */
export function formatSyslog(record: SyslogRecord, pid: number): string {
  return `${headOf(record, pid)} ${structured(record.data) || '-'} ${clean(record.text, MAX_TEXT_BYTES)}`;
}

/** The same in at most `maxBytes` (480 or more: what every receiver takes, RFC 5424 section 6.1). The structured data
 *  stays whole or goes: half of it would be no syslog. What stands in it is shortened before the text is. */
export function fitSyslog(record: SyslogRecord, pid: number, maxBytes: number): Buffer {
  const head = headOf(record, pid);
  const text = clean(record.text, MAX_TEXT_BYTES);
  const wanted = Math.min(Buffer.byteLength(text), LEAST_TEXT_BYTES);
  const kept = [
    structured(record.data),
    structured(record.data, SHORT_VALUE_BYTES),
    structured(record.data.slice(-1), 24),
  ];
  const room = (data: string): number => maxBytes - Buffer.byteLength(`${head} ${data} `);
  const data = kept.find((one) => one !== '' && room(one) >= wanted) ?? '-';
  return cut(Buffer.from(`${head} ${data} ${clean(text, Math.max(3, room(data)))}`), maxBytes);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** The same record as syslog(3) writes it, for readers of the local socket that know nothing else: local time, no
 *  host, the structured data behind the text. */
export function formatLocal(record: SyslogRecord, pid: number): string {
  const time = new Date(record.time);
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, '0'));
  const stamp = `${MONTHS[time.getMonth()]} ${String(time.getDate()).padStart(2)} ${clock.join(':')}`;
  return `${priority(record)}${stamp} ${APP}[${pid}]: ${clean(record.text, MAX_TEXT_BYTES)} ${structured(record.data)}`;
}

/** Not within a character (UTF-8 goes on with bytes 10xxxxxx). */
function cut(bytes: Buffer, max: number): Buffer {
  let end = Math.min(bytes.length, max);
  while (end > 0 && end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** The datagram of journald's native protocol: NAME=value, or for values with a newline NAME, length, value. */
export function formatJournal(fields: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(fields).flatMap(([name, value]) => {
    if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(name)) throw new Error(`${name} is no name of a journal field`);
    const bytes = cut(Buffer.from(value, 'utf8'), MAX_FIELD_BYTES);
    if (!bytes.includes(10)) return [Buffer.from(`${name}=`), bytes, Buffer.from('\n')];
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(bytes.length));
    return [Buffer.from(`${name}\n`), size, bytes, Buffer.from('\n')];
  });
  return Buffer.concat(parts);
}

const REASON: Readonly<Record<string, string>> = {
  EAGAIN: 'its reader is behind',
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody reads it',
  EACCES: 'not allowed',
  EPERM: 'not allowed',
};

function datagram(path: string, data: Uint8Array): Delivery {
  const calls = libc();
  if (!calls) return { retry: `${path}: no way to send to it: ${whyNoLibc()}` };
  const said = calls.sendTo(path, data);
  return said === 'sent' ? 'sent' : { retry: `${path}: ${REASON[said] ?? said}` };
}

export interface SystemLogOptions {
  readonly pid: number;
  /** See log.ts. */
  readonly underSystemd: boolean;
  readonly out: Writable;
}

export function openSystemLog({ pid, underSystemd, out }: SystemLogOptions): SystemLog {
  let gone: string | null = null;
  // A reader that went away is no reason to end.
  out.on('error', (error: NodeJS.ErrnoException) => {
    gone = error.code ?? error.message;
  });
  return {
    hasJournal: () => libc() !== null && existsSync(JOURNAL_SOCKET),
    hasSyslog: (socket) => libc() !== null && existsSync(socket),
    hasWindows: hasEventLog,
    journal: (fields) =>
      datagram(JOURNAL_SOCKET, formatJournal({ ...fields, SYSLOG_IDENTIFIER: APP, SYSLOG_PID: String(pid) })),
    syslog: (record, { socket, format }) =>
      datagram(socket, Buffer.from(format === 'local' ? formatLocal(record, pid) : formatSyslog(record, pid))),
    windows: reportEvent,
    message: (record, maxBytes) => fitSyslog(record, pid, maxBytes),
    print(severity, line) {
      if (gone) return { retry: `standard output: ${gone}` };
      if (out.writableLength > MAX_UNREAD_BYTES) return { retry: 'standard output: its reader is behind' };
      out.write(`${underSystemd ? `<${severity}>` : ''}${line}\n`);
      return 'sent';
    },
    async append(path, line, bounds) {
      const trouble = await appendLine(path, line, bounds);
      return trouble === null ? 'sent' : { retry: `${path}: ${trouble}` };
    },
  };
}
