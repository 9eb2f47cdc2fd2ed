// The event log as an alert channel: journald with native fields, syslog, a file of JSON lines, or standard output.
// winston gives levels and formats; each target is a transport that hands its answer back to `send`. Never blocks.
import winston from 'winston';
import Transport from 'winston-transport';
import { catalogue, type EventName } from '../core/catalogue.ts';
import { clean } from '../core/clean.ts';
import { type Facility, facilities, ituCause, syslogNames, syslogSeverity, trend } from '../core/severity.ts';
import { type Alert, type AlertContext, defineAlert, opt, type SendResult, z } from '../define.ts';

const facilityNames = Object.keys(facilities) as [Facility, ...Facility[]];

const options = z.object({
  target: z
    .enum(['auto', 'journald', 'syslog', 'file', 'stdout'])
    .default('auto')
    .describe('where to write; auto takes journald, else syslog, else stdout'),
  facility: z.enum(facilityNames).default('daemon').describe('syslog facility (RFC 5424)'),
  socket: opt.path('unix datagram socket of the syslog daemon').default('/dev/log'),
  format: z
    .enum(['rfc5424', 'local'])
    .default('rfc5424')
    .describe('local is what syslog(3) writes: rsyslog reads rfc5424 on its own socket only with UseSpecialParser off'),
  path: opt.path('file to append to, with target file').default('/var/log/watchkeeper/events.log'),
  maxsize: opt.size('size at which the file is set aside and a new one begun').prefault('10M'),
  maxfiles: opt.count('how many old files are kept').default(5),
});
type Options = z.output<typeof options>;
type Context = AlertContext<Options>;
type Target = Exclude<Options['target'], 'auto'>;

const MESSAGE = Symbol.for('message');
const ANSWER = Symbol('answer');
const MAX_TEXT_BYTES = 2048;

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
  const own = Object.entries(facts(alert)).map(([name, value]) => [`WATCHKEEPER_${name.toUpperCase()}`, value]);
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
function toSyslog({ alert, context, message }: Info): SendResult {
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
  const record = {
    facility: facilities[context.options.facility],
    severity: number(alert),
    time: alert.time,
    host: context.node,
    msgId: notice.event,
    data: notice.kind === 'once' ? [own] : [alarm, own],
    text: message,
  };
  return context.ports.systemLog.syslog(record, context.options);
}

function toFile(info: Info): Promise<SendResult> {
  const { path, maxsize, maxfiles } = info.context.options;
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
  return ports.systemLog.hasSyslog(options.socket) ? 'syslog' : 'stdout';
}

export default defineAlert({
  about: 'Writes each alert to the event log of the machine: journald, syslog, a file or standard output.',
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
