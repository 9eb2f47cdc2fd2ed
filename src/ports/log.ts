// The daemon's own log: winston with transports of ours, on standard error and, if wanted, in a file. Alerts do not
// depend on it. Nothing here blocks or throws: a reader that is behind costs lines, which are counted and told.
import { fstatSync } from 'node:fs';
import type { Writable } from 'node:stream';
import winston from 'winston';
import Transport from 'winston-transport';
import { clean } from '../core/clean.ts';
import { appendLine, type LogFileBounds } from './log-file.ts';

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export interface Log {
  debug(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
  error(text: string, fields?: LogFields): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface OpenLog extends Log {
  setLevel(level: LogLevel): void;
  /** Resolves when everything is written, or after two seconds. */
  close(): Promise<void>;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Lines as journald reads them from a stream: `<PRI>` first, no time. */
  readonly underSystemd: boolean;
  readonly out: Writable;
  readonly file?: LogFileBounds & { readonly path: string };
}

type Env = Readonly<Record<string, string | undefined>>;

/** Whether what is written to this descriptor goes to journald: JOURNAL_STREAM names it (systemd.exec(5)). Where only
 *  SYSTEMD_EXEC_PID is set, a socket is taken for it: a file or a terminal wants times instead. */
export function isJournal(env: Env, pid: number, fd: number): boolean {
  try {
    const facts = fstatSync(fd);
    const stream = env['JOURNAL_STREAM'];
    if (stream !== undefined) return stream === `${facts.dev}:${facts.ino}`;
    return env['SYSTEMD_EXEC_PID'] === String(pid) && facts.isSocket();
  } catch {
    return false;
  }
}

/** Name and RFC 5424 number. */
const LEVELS = { error: 3, warn: 4, info: 6, debug: 7 } as const;
const MESSAGE = Symbol.for('message');
const LEVEL = Symbol.for('level');
const MAX_UNREAD_BYTES = 1024 * 1024;
const MAX_TEXT_BYTES = 2048;

interface Info extends winston.Logform.TransformableInfo {
  readonly fields?: LogFields;
  /** RFC 3339; given when the record is made, not when it is written. */
  readonly timestamp?: string;
}

/** ` key=value` for each field, quoted where a reader could misjudge its end. */
function fieldText(fields: LogFields = {}): string {
  return Object.entries(fields)
    .map(([name, value]) => {
      const text = clean(String(value), MAX_TEXT_BYTES);
      return ` ${clean(name, 64)}=${/[\s"=]|^$/.test(text) ? JSON.stringify(text) : text}`;
    })
    .join('');
}

const sentence = (info: Info): string => clean(String(info.message), MAX_TEXT_BYTES) + fieldText(info.fields);

const withTime = winston.format.combine(
  winston.format.timestamp(),
  winston.format.printf((info) => `${(info as Info).timestamp} ${info.level.padEnd(5)} ${sentence(info as Info)}`),
);
const withPriority = winston.format.printf((info) => `<${LEVELS[info.level as LogLevel]}>${sentence(info as Info)}`);

const lineOf = (info: Info): string => String((info as { [MESSAGE]?: unknown })[MESSAGE]);

/** Standard error. Lines that its reader leaves unread above a bound are dropped, counted, and told once. */
class StreamTransport extends Transport {
  readonly #out: Writable;
  #dropped = 0;
  #gone = false;
  constructor(out: Writable, format: winston.Logform.Format) {
    super({ format });
    this.#out = out;
    // EPIPE: whoever read it has gone. The daemon has not.
    out.on('error', () => {
      this.#gone = true;
    });
  }
  override log(info: Info, next: () => void): void {
    // At once: a transport that keeps its callback stops all transports.
    next();
    if (this.#gone || this.#out.writableLength > MAX_UNREAD_BYTES) {
      this.#dropped++;
      return;
    }
    const lost = this.#dropped;
    this.#dropped = 0;
    if (lost > 0) this.#out.write(`${this.#told(info, lost)}\n`);
    this.#out.write(`${lineOf(info)}\n`);
  }
  #told(info: Info, lost: number): string {
    const notice = { ...info, level: 'warn', [LEVEL]: 'warn', message: `${lost} log lines were dropped`, fields: {} };
    return lineOf(this.format?.transform(notice as Info) as Info);
  }
  /** Resolves when the stream has taken everything. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#gone || this.#out.writableLength === 0) resolve();
      else this.#out.write('', () => resolve());
    });
  }
}

/** The log file. Its troubles go to the other transports, once for each kind of trouble. */
class FileTransport extends Transport {
  readonly #file: LogFileBounds & { readonly path: string };
  readonly #tell: (text: string) => void;
  #last: Promise<unknown> = Promise.resolve();
  #trouble: string | null = null;
  constructor(file: LogFileBounds & { readonly path: string }, tell: (text: string) => void) {
    super({ format: withTime });
    this.#file = file;
    this.#tell = tell;
  }
  override log(info: Info, next: () => void): void {
    next();
    this.#last = appendLine(this.#file.path, lineOf(info), this.#file).then((trouble) => {
      const changed = trouble !== this.#trouble;
      this.#trouble = trouble;
      if (changed && trouble) this.#tell(`the log file ${this.#file.path} cannot be written: ${trouble}`);
    });
  }
  flushed(): Promise<unknown> {
    return this.#last;
  }
}

const CLOSE_MS = 2000;

export function openLog(options: LogOptions): OpenLog {
  const stream = new StreamTransport(options.out, options.underSystemd ? withPriority : withTime);
  const tell = (text: string): void => void (open && logger.warn(text));
  const file = options.file ? new FileTransport(options.file, tell) : null;
  const logger = winston.createLogger({
    levels: LEVELS,
    level: options.level,
    transports: file ? [stream, file] : [stream],
  });
  let open = true;
  // Without a listener a transport's trouble would end the process.
  logger.on('error', () => undefined);
  const at = (level: LogLevel) => (text: string, fields?: LogFields) => {
    if (open) logger.log({ level, message: text, ...(fields ? { fields } : {}) });
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    setLevel: (level) => {
      logger.level = level;
    },
    async close() {
      if (!open) return;
      open = false;
      const finished = new Promise((resolve) => logger.once('finish', resolve));
      logger.end();
      const all = finished.then(() => Promise.all([stream.flushed(), file?.flushed()]));
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([all, new Promise((resolve) => (timer = setTimeout(resolve, CLOSE_MS)))]);
      clearTimeout(timer);
    },
  };
}
