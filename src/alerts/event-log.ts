// The event log as an alert channel: journald with native fields, syslog on this machine or to a log host, the event
// log of Windows, a file of JSON lines, or standard output. winston gives levels and formats; each target is a
// transport that hands its answer back to `send`. Never blocks; what a target does not take now the outbox keeps.
import winston from 'winston';
import Transport from 'winston-transport';
import { catalogue, type EventName } from '../core/catalogue.ts';
import { clean } from '../core/clean.ts';
import { type Facility, facilities, ituCause, syslogNames, syslogSeverity, trend } from '../core/severity.ts';
import { type Alert, type AlertContext, defineAlert, opt, type SendResult, z } from '../define.ts';
import { lineTo, type LogHost, logHost } from '../dialogues/log-host.ts';
import { authorities, pemFile, secret } from '../dialogues/session.ts';
import type { TlsOptions } from '../ports/net.ts';
import type { SyslogRecord } from '../ports/syslog.ts';

const facilityNames = Object.keys(facilities) as [Facility, ...Facility[]];

const FILE = { path: '/var/log/watchkeeper/events.log', maxsize: 10 * 1024 * 1024, maxfiles: 5 };
const SOCKET = '/dev/log';
/** What receivers take: over UDP so much fits into few packets (RFC 5426), over a stream 8192 bytes (RFC 5425). */
const MESSAGE_BYTES = { udp: 2048, tcp: 8192, tls: 8192 };

const choices = z.strictObject({
  target: z
    .enum(['auto', 'journald', 'syslog', 'windows', 'file', 'stdout'])
    .default('auto')
    .describe('where to write; auto takes journald, else syslog, else stdout, and on Windows its event log'),
  facility: z.enum(facilityNames).default('daemon').describe('syslog facility (RFC 5424)'),
  socket: opt.path(`unix datagram socket of the syslog daemon; default ${SOCKET}`).optional(),
  format: z
    .enum(['rfc5424', 'local'])
    .describe('local is what syslog(3) writes: rsyslog reads rfc5424 on its own socket only with UseSpecialParser off')
    .optional(),
  to: z
    .string()
    .max(300)
    .refine((text) => logHost(text) !== null, 'expected udp://HOST, tcp://HOST or tls://HOST, with or without :PORT')
    .describe('a log host instead of the socket: udp:// (port 514), tcp:// (514) or tls:// (6514)')
    .optional(),
  framing: z
    .enum(['octet-counting', 'newline'])
    .describe('for tcp://: how messages are told apart (RFC 6587); default octet-counting')
    .optional(),
  'message-size': z
    .number()
    .int()
    .min(480)
    .max(65_000)
    .describe('bytes of a message at the most; default 2048 for udp://, else 8192. A longer text is cut')
    .optional(),
  ca: opt.path('for tls://: PEM file of authorities to trust instead of the well-known ones').optional(),
  servername: opt.host('for tls://: the name that the certificate must be for, if it is not the host').optional(),
  certificate: opt.path('for tls://: PEM file of a certificate of our own').optional(),
  key: opt.secret('for tls://: its key').optional(),
  timeout: opt.duration('for a connection to the log host, and for each message').prefault('10s'),
  source: z
    .string()
    .regex(/^[\w .-]{1,64}$/, 'expected a name of letters, digits, dots, dashes and blanks')
    .describe('for windows: the source of the events; default Watchkeeper')
    .optional(),
  path: opt.path(`file to append to, with target file; default ${FILE.path}`).optional(),
  maxsize: opt.size('size at which the file is set aside and a new one begun; default 10M').optional(),
  maxfiles: opt.count('how many old files are kept; default 5').optional(),
});

/** Option → what it needs, for everything that does not go with everything. */
const NEEDS: Readonly<Record<string, (given: z.output<typeof choices>) => string | null>> = {
  to: ({ target }) => (target === 'syslog' ? null : 'target: syslog'),
  socket: ({ target, to }) => ((target === 'syslog' && to === undefined) || target === 'auto' ? null : LOCAL),
  format: ({ target, to }) => ((target === 'syslog' && to === undefined) || target === 'auto' ? null : LOCAL),
  framing: ({ to }) => (wayOf(to) === 'tcp' ? null : 'to: tcp://…; TLS always counts octets (RFC 5425)'),
  'message-size': ({ to }) => (to === undefined ? 'a log host: to' : null),
  ca: ({ to }) => overTls(to),
  servername: ({ to }) => overTls(to),
  certificate: ({ to, key }) => overTls(to) ?? (key === undefined ? 'key' : null),
  key: ({ to, certificate }) => overTls(to) ?? (certificate === undefined ? 'certificate' : null),
  source: ({ target }) => (target === 'windows' || target === 'auto' ? null : 'target: windows'),
  path: ({ target }) => (target === 'file' ? null : 'target: file'),
  maxsize: ({ target }) => (target === 'file' ? null : 'target: file'),
  maxfiles: ({ target }) => (target === 'file' ? null : 'target: file'),
};
const LOCAL = 'target: syslog without to';
const wayOf = (to: string | undefined): string | null => logHost(to ?? '')?.way ?? null;
const overTls = (to: string | undefined): string | null => (wayOf(to) === 'tls' ? null : 'to: tls://…');

const options = choices.superRefine((given, context) => {
  for (const [name, lacks] of Object.entries(NEEDS)) {
    const missing = name in given ? lacks(given) : null;
    if (missing !== null) context.addIssue({ code: 'custom', message: `needs ${missing}`, path: [name] });
  }
});
type Options = z.output<typeof options>;
type Context = AlertContext<Options>;
type Target = Exclude<Options['target'], 'auto'>;

const MESSAGE = Symbol.for('message');
const ANSWER = Symbol('answer');
const MAX_TEXT_BYTES = 2048;
/** Of an event that is not in the catalogue: above all of its numbers, and still one that Windows has a text for. */
const UNKNOWN_ID = 1000;

/** What winston carries: the alert, its context, and where the answer of the target goes. */
interface Info extends winston.Logform.TransformableInfo {
  readonly message: string;
  readonly alert: Alert;
  readonly context: Context;
  readonly [ANSWER]: (result: SendResult | Promise<SendResult>) => void;
}

function sentence({ notice }: Alert): string {
  const what = notice.kind === 'clear' ? 'cleared' : notice.kind === 'once' ? notice.event : notice.severity;
  // Most sentences begin with the service already.
  const named = notice.service === null || notice.summary.startsWith(`${notice.service}:`);
  const who = named ? '' : `${notice.service}: `;
  const action = notice.action ? ` (${notice.action})` : '';
  return clean(`${what}: ${who}${notice.summary}${action}`, MAX_TEXT_BYTES);
}

/** The facts beside the sentence, as words; what is not known is left out. */
function facts({ id, notice }: Alert): Record<string, string> {
  const all: Record<string, string | number | null> = {
    event: notice.event,
    eventId: catalogue[notice.event as EventName]?.number ?? null,
    kind: notice.kind,
    key: notice.key,
    severity: notice.severity,
    service: notice.service,
    incident: notice.incident,
    cause: notice.cause,
    count: notice.count,
    runbook: notice.runbook,
    alert: id,
  };
  const known = Object.entries(all).filter(([, value]) => value !== null && value !== '');
  return Object.fromEntries(known.map(([name, value]) => [name, clean(String(value), 512)]));
}

function number(alert: Alert): number {
  return syslogSeverity[alert.notice.severity];
}

function toJournal({ alert, context, message }: Info): SendResult {
  const { notice } = alert;
  const known = catalogue[notice.event as EventName];
  const own = Object.entries(facts(alert)).map(([name, value]) => [
    `WATCHKEEPER_${name.replaceAll(/[A-Z]/g, '_$&').toUpperCase()}`,
    value,
  ]);
  return context.ports.systemLog.journal({
    MESSAGE: message,
    PRIORITY: String(number(alert)),
    SYSLOG_FACILITY: String(facilities[context.options.facility]),
    ...(known ? { MESSAGE_ID: known.messageId } : {}),
    ...(notice.runbook ? { DOCUMENTATION: clean(notice.runbook, 512) } : {}),
    ...(Object.fromEntries(own) as Record<string, string>),
    WATCHKEEPER_TIME: alert.time,
    WATCHKEEPER_NODE: context.node,
  });
}

/** RFC 5674 describes alarms; what happens once is none, and has only our own element. */
function recordOf({ alert, context, message }: Info): SyslogRecord {
  const { notice } = alert;
  const { probableCause, eventType } = ituCause(notice.cause);
  const alarm = {
    id: 'alarm',
    params: {
      resource: clean(notice.service ?? context.node, 128),
      probableCause,
      perceivedSeverity: notice.severity,
      eventType,
      trendIndication: trend(notice.kind),
    },
  };
  // 32473 is the enterprise number for documentation (RFC 5612), until the project has its own.
  const own = { id: 'watchkeeper@32473', params: facts(alert) };
  return {
    facility: facilities[context.options.facility],
    severity: number(alert),
    time: alert.time,
    host: context.node,
    msgId: notice.event,
    data: notice.kind === 'once' ? [own] : [alarm, own],
    text: message,
  };
}

/** Read anew for each connection: a renewed certificate counts at the next one. */
function tlsOf({ options: own, ports }: Context): TlsOptions {
  const { servername, ca, certificate, key } = own;
  return {
    ...(servername === undefined ? {} : { servername }),
    ...authorities(ports, ca),
    ...(certificate === undefined || key === undefined
      ? {}
      : { cert: pemFile(ports, certificate, 'certificate'), key: secret(ports, key) }),
  };
}

async function toHost(info: Info, where: LogHost): Promise<SendResult> {
  const { context } = info;
  const { ports, options: own, signal } = context;
  const message = ports.systemLog.message(recordOf(info), own['message-size'] ?? MESSAGE_BYTES[where.way]);
  const how = { framing: own.framing ?? 'octet-counting', tls: () => tlsOf(context), timeoutMs: own.timeout } as const;
  const line = await context.lasting(async () => lineTo(ports, where, how));
  return line.send(message, signal);
}

function toSyslog(info: Info): SendResult | Promise<SendResult> {
  const { options: own, ports } = info.context;
  const where = logHost(own.to ?? '');
  if (where) return toHost(info, where);
  return ports.systemLog.syslog(recordOf(info), { socket: own.socket ?? SOCKET, format: own.format ?? 'rfc5424' });
}

/** Error, warning or information; what happened once and is not severe is information, and so is a clear. */
const WINDOWS_TYPES = { critical: 1, major: 1, minor: 2, warning: 2, indeterminate: 4, cleared: 4 } as const;

/** The first text is what the event viewer shows: all that a person wants. The others are its data, for programs. */
function toWindows({ alert, context, message }: Info): Promise<SendResult> {
  const { notice } = alert;
  const pairs = Object.entries({ node: context.node, time: alert.time, ...facts(alert) });
  return context.ports.systemLog.windows({
    source: context.options.source ?? 'Watchkeeper',
    id: catalogue[notice.event as EventName]?.number ?? UNKNOWN_ID,
    type: WINDOWS_TYPES[notice.severity],
    texts: [
      [message, '', ...pairs.map(([name, value]) => `${name}: ${clean(value, 512)}`)].join('\r\n'),
      ...pairs.map(([name, value]) => `${name}=${clean(value, 512)}`),
    ],
  });
}

function toFile(info: Info): Promise<SendResult> {
  const { path = FILE.path, maxsize = FILE.maxsize, maxfiles = FILE.maxfiles } = info.context.options;
  const bounds = { maxBytes: maxsize, maxFiles: maxfiles };
  return info.context.ports.systemLog.append(path, String((info as { [MESSAGE]?: unknown })[MESSAGE]), bounds);
}

function toStdout(info: Info): SendResult {
  const line = String((info as { [MESSAGE]?: unknown })[MESSAGE]);
  return info.context.ports.systemLog.print(number(info.alert), line);
}

/** A file is read by programs: one JSON object a line. Standard output is read by people. */
const asJson = winston.format((given) => {
  const { alert, level, message, context } = given as Info;
  const line = { time: alert.time, node: context.node, level, text: message, ...facts(alert) };
  return { ...given, [MESSAGE]: JSON.stringify(line) };
})();
const asLine = winston.format.printf((info) => String(info.message));

const TARGETS: Readonly<
  Record<Target, { format?: winston.Logform.Format; deliver: (info: Info) => SendResult | Promise<SendResult> }>
> = {
  journald: { deliver: toJournal },
  syslog: { deliver: toSyslog },
  windows: { deliver: toWindows },
  file: { format: asJson, deliver: toFile },
  stdout: { format: asLine, deliver: toStdout },
};

class TargetTransport extends Transport {
  readonly #deliver: (info: Info) => SendResult | Promise<SendResult>;
  constructor(target: Target) {
    const { format, deliver } = TARGETS[target];
    super(format ? { format } : {});
    this.#deliver = deliver;
  }
  override log(info: Info, next: () => void): void {
    // First: a transport that keeps its callback stops the logger.
    next();
    try {
      info[ANSWER](this.#deliver(info));
    } catch (error) {
      info[ANSWER](Promise.reject(error as Error));
    }
  }
}

function makeLogger(target: Target): winston.Logger {
  const logger = winston.createLogger({
    levels: winston.config.syslog.levels,
    level: 'debug',
    format: winston.format((given) => ({ ...given, message: sentence((given as Info).alert) }))(),
    transports: [new TargetTransport(target)],
  });
  logger.on('error', () => undefined);
  return logger;
}

/** One logger a target, made at its first alert; it holds nothing open. */
const loggers = new Map<Target, winston.Logger>();
function loggerFor(target: Target): winston.Logger {
  const logger = loggers.get(target) ?? makeLogger(target);
  loggers.set(target, logger);
  return logger;
}

function choose({ options, ports }: Context): Target {
  if (options.target !== 'auto') return options.target;
  if (ports.systemLog.hasJournal()) return 'journald';
  if (ports.systemLog.hasWindows()) return 'windows';
  return ports.systemLog.hasSyslog(options.socket ?? SOCKET) ? 'syslog' : 'stdout';
}

export default defineAlert({
  about: 'Writes each alert to an event log: journald, syslog here or on a log host, Windows, a file, standard output.',
  options,
  example: { target: 'auto', facility: 'mail' },
  reader: 'record',
  send(alert, context) {
    return new Promise((resolve) => {
      const level = syslogNames[number(alert)] ?? 'notice';
      const entry = { level, message: '', alert, context, [ANSWER]: resolve };
      loggerFor(choose(context)).log(entry);
    });
  },
});
