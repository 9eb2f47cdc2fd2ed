// Runs under Wine, in a Windows Node: the plugin and a check on the real doors, asked over loopback in lines of JSON.
// Its life is the prefix's: when the last program of Wine ends, all services do. argv: PORT.
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import koffi from 'koffi';
import tcp from '../../../src/checks/tcp.ts';
import type { Alert, LifeChange, Ports } from '../../../src/define.ts';
import { clock } from '../../../src/ports/clock.ts';
import { dns } from '../../../src/ports/dns.ts';
import { net } from '../../../src/ports/net.ts';
import { scm } from '../../../src/ports/scm.ts';
import recovery from '../../../src/recovery/windows-service.ts';

export interface Question {
  readonly id: number;
  readonly verb:
    | 'inspect'
    | 'start'
    | 'stop'
    | 'kill'
    | 'validate'
    | 'watch'
    | 'changes'
    | 'tcp'
    | 'install'
    | 'alert'
    | 'records'
    | 'platform';
  readonly service: string;
  /** Options of the plugin, or of the check. */
  readonly options?: object;
  /** For `install`: the command line and the start type. */
  readonly command?: string;
  readonly startType?: number;
  /** For `alert`: what the outbox would hand over. */
  readonly alert?: Alert;
  /** The daemon's patience, for `start` and `stop`. */
  readonly limitMs?: number;
}

const advapi = koffi.load('advapi32.dll');
const openManager = advapi.func('void *__stdcall OpenSCManagerW(str16 machine, str16 database, uint32 access)');
const create = advapi.func(
  'void *__stdcall CreateServiceW(void *m, str16 name, str16 shown, uint32 access, uint32 type, uint32 start, uint32 error, str16 path, str16 group, void *tag, str16 needs, str16 account, str16 password)',
);
const closeService = advapi.func('int __stdcall CloseServiceHandle(void *handle)');
const ALL = 0xf003f;
const OWN_PROCESS = 0x10;

function install({ service, command = '', startType = 3 }: Question): object {
  const manager = openManager(null, null, ALL) as unknown;
  const made = create(
    ...[manager, service, service, 0xf01ff, OWN_PROCESS, startType, 1, command, null, null, null, null, null],
  ) as unknown;
  if (made) closeService(made);
  closeService(manager);
  return { ok: Boolean(made) };
}

/** Through the channel, as the outbox does. Loaded here: it brings a library that the services do not need. */
async function sendAlert({ alert, options = {} }: Question): Promise<unknown> {
  const { default: eventLog } = await import('../../../src/alerts/event-log.ts');
  const { openSystemLog } = await import('../../../src/ports/syslog.ts');
  const { bareContext } = await import('../../../src/contract/trial.ts');
  const systemLog = openSystemLog({ pid: process.pid, underSystemd: false, out: process.stdout });
  const context = { ...bareContext(), ports: { ...ports, systemLog }, signal: AbortSignal.timeout(30_000) };
  return alert ? eventLog.send(alert, { ...context, options: eventLog.options.parse(options) as never }) : null;
}

const openLog = advapi.func('void *__stdcall OpenEventLogW(str16 machine, str16 source)');
const countOf = advapi.func('int __stdcall GetNumberOfEventLogRecords(void *log, _Out_ uint32 *count)');
const closeLog = advapi.func('int __stdcall CloseEventLog(void *log)');

/** How many events the log keeps; null: it cannot be opened. */
function records(source: string): number | null {
  const opened = openLog(null, source) as unknown;
  if (!opened) return null;
  const count = [0];
  countOf(opened, count);
  closeLog(opened);
  return count[0] ?? 0;
}

const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const ports = { clock, dns, log, net, scm } as unknown as Ports;
const memories = new Map<string, Map<string, unknown>>();
const changes = new Map<string, LifeChange[]>();

async function answer(question: Question): Promise<unknown> {
  const { service, verb, limitMs = 60_000 } = question;
  if (verb === 'platform') return { platform: process.platform, version: process.version };
  if (verb === 'install') return install(question);
  if (verb === 'alert') return sendAlert(question);
  if (verb === 'records') return { count: records(service) };
  if (verb === 'changes') return changes.get(service) ?? [];
  const signal = AbortSignal.timeout(limitMs);
  const memory = memories.get(service) ?? new Map<string, unknown>();
  memories.set(service, memory);
  const common = { ports, signal, service, memory };
  if (verb === 'tcp') {
    const options = tcp.options.parse(question.options) as never;
    return tcp.run({ ...common, options, timeoutMs: 2000, depth: 'quick' });
  }
  const options = recovery.options.parse({ service, ...question.options });
  const context = { ...common, options, stateDir: 'C:\\' };
  if (verb === 'watch') {
    const seen: LifeChange[] = [];
    changes.set(service, seen);
    await recovery.watch?.(context, (change) => seen.push(change));
    return {};
  }
  if (verb === 'stop' || verb === 'kill') return recovery.stop(context, { force: verb === 'kill' });
  return recovery[verb]?.(context);
}

async function reply(socket: Socket, line: string): Promise<void> {
  const question = JSON.parse(line) as Question;
  const begun = clock.monotonic();
  const result = await answer(question).catch((error: unknown) => ({ broken: String((error as Error).stack) }));
  socket.write(`${JSON.stringify({ id: question.id, ms: clock.monotonic() - begun, result })}\n`);
}

createServer((socket) => {
  socket.on('error', () => undefined);
  createInterface({ input: socket }).on('line', (line) => void reply(socket, line));
}).listen(Number(process.argv[2]), '127.0.0.1');
