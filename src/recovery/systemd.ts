// Runs a service as a systemd unit. `systemctl` starts, stops and reloads; /proc and the control group say what really
// lives, and what has to die does so by SIGKILL, directly: a stop command that blocks on a hung service costs nothing.
import {
  type ActionResult,
  defineRecovery,
  type Evidence,
  type EvidenceWanted,
  type Inspection,
  opt,
  type RecoveryContext,
  type Step,
  z,
} from '../define.ts';
import { plain } from '../dialogues/quote.ts';
import { evidenceOf, UNSEEN } from '../host/evidence.ts';
import { killUntilGone, leftOver } from '../host/kill.ts';
import { watchLife } from '../host/life-watch.ts';
import { freePorts } from '../host/ports-held.ts';
import { clean, count, troubleLine } from '../host/text.ts';
import { isBlind, type Known, livingIn, partsOf, readUnit, type UnitReading } from '../host/unit-state.ts';
import { validateBy } from '../host/validate.ts';
import type { ExecResult } from '../ports/exec.ts';
import { UNIT, type UnitFacts, unitName } from '../ports/units.ts';

const options = z.strictObject({
  unit: z
    .string()
    .max(255)
    .regex(UNIT, 'expected the name of one service unit, such as dovecot.service or postfix@-.service')
    .describe('The unit that has the processes: postfix@-.service, not the wrapper postfix.service'),
  ports: z.array(opt.port('A TCP port')).max(32).default([]).describe('TCP ports that must be free before a start'),
  exe: z
    .array(opt.path('An executable, or a folder of them with a slash at its end'))
    .max(32)
    .default([])
    .describe('Executables of this service: an orphan of these may be killed when it keeps a port'),
  parts: z
    .record(
      z.string().regex(/^[A-Za-z0-9_.-]{1,40}$/, 'expected a short name'),
      opt.path('The executable of this part'),
    )
    .default({})
    .describe('Parts that can be repaired alone: they are killed, and the main process starts them anew'),
  validate: opt.argv('Reads the configuration as a start would; not 0 = do not start').optional(),
  orderly: opt
    .flag(
      'An orderly stop is tried first whatever the repair, as for a database; it is killed when that takes too long',
    )
    .default(false),
  'start-timeout': opt.duration('How long systemctl may take to start it').prefault('30s'),
  'stop-timeout': opt.duration('How long an orderly stop may take; then SIGKILL').prefault('10s'),
});
type Context = RecoveryContext<z.output<typeof options>>;

const KILL_MS = 3000;
const VERB_MS = 10_000;

interface Look {
  readonly facts: UnitFacts;
  readonly reading: UnitReading;
}

/** A repair asks several times within a moment. What systemd said stays good for this long, the processes are always
 *  looked at anew; it saves two calls of systemctl on the way from a death to the next start. */
const FRESH_MS = 250;

async function look(context: Context, when: 'now' | 'fresh' = 'now'): Promise<Look | null> {
  const { options: wanted, ports, signal, memory } = context;
  const before = memory.get('facts') as { facts: UnitFacts; at: number } | undefined;
  const asked = ports.clock.monotonic();
  const known = before && when === 'fresh' && asked - before.at <= FRESH_MS ? before.facts : null;
  const facts = known ?? (await ports.units.show(wanted.unit, signal, 'soon'));
  if (!facts) return null;
  if (!known) memory.set('facts', { facts, at: asked });
  const reading = readUnit(wanted.unit, facts, ports.proc, (memory.get('known') as Known | undefined) ?? null);
  if (reading.main)
    memory.set('known', { invocation: facts['InvocationID'] ?? '', main: reading.main } satisfies Known);
  return { facts, reading };
}

const NOTHING_LEFT = 'nothing of it was left';
const NO_ANSWER = 'systemd could not be asked: systemctl show gave no answer';
const bad = (detail: string, cause?: ActionResult['cause']): ActionResult => ({
  ok: false,
  detail,
  ...(cause ? { cause } : {}),
});
const good = (detail: string): ActionResult => ({ ok: true, detail });

function systemctl(context: Context, timeoutMs: number, ...words: readonly string[]) {
  const argv = ['systemctl', '--no-ask-password', '--no-pager', ...words, '--', unitName(context.options.unit)];
  return context.ports.exec.run(argv, { timeoutMs, signal: context.signal });
}

/** SIGKILL for all in the unit's group, also for the stop commands that systemd starts there meanwhile, until systemd
 *  has put the group away: then the unit is at rest and can be started at once. */
async function clearGroup(context: Context, facts: UnitFacts): Promise<ActionResult> {
  const { proc } = context.ports;
  const path = facts['ControlGroup'] ?? '';
  if (path === '') return good(NOTHING_LEFT);
  if (proc.cgroup(path).includes(process.pid))
    return bad('it is the unit that this daemon itself runs in', 'misconfigured');
  // systemd would start it again by itself, between two of our looks.
  if ((facts['Restart'] ?? 'no') !== 'no') await systemctl(context, VERB_MS, 'stop', '--no-block');
  const stays = facts['RemainAfterExit'] === 'yes';
  const target = { pids: () => proc.cgroup(path), done: () => stays || !proc.holds(path) };
  const end = await killUntilGone(context.ports, target, KILL_MS, context.signal);
  if (end.left.length > 0) return bad(leftOver(end.left), 'hung');
  if (end.killed === 0) return good(NOTHING_LEFT);
  return good(`killed ${count(end.killed, 'process', 'processes')} in ${Math.round(end.ms)} ms`);
}

/** What the unit's own processes said in their last run, for the administrator; '' when the journal has nothing. */
async function lastWords(context: Context, invocation: string): Promise<string> {
  if (!/^[0-9a-f]{32}$/.test(invocation)) return '';
  const argv = ['journalctl', '--no-pager', '-q', '-o', 'cat', '-n', '20', `_SYSTEMD_INVOCATION_ID=${invocation}`];
  const got = await context.ports.exec.run(argv, { timeoutMs: 1500 });
  return got.code === 0 ? troubleLine(got.stdout) : '';
}

/** The log's ids of systemd's own words on a unit: "Started", and "Stopping" when somebody asked for it. */
const STARTED = '39f53479d3a045ac8e11786248231fbf';
const STOPPING = 'de5b426a63be47a7b6ac3eaac82e2f6f';

/** Its last word on the unit is that it was started: nobody asked it to stop, so it ended by itself. */
async function endedByItself(context: Context): Promise<boolean> {
  const ids = [STARTED, STOPPING].map((id) => `MESSAGE_ID=${id}`);
  const show = ['-o', 'json', '--output-fields=MESSAGE_ID', '-n', '1'];
  const argv = ['journalctl', '--no-pager', '-q', '-b', ...show, `UNIT=${unitName(context.options.unit)}`, ...ids];
  const got = await context.ports.exec.run(argv, { timeoutMs: 1500, signal: context.signal });
  return got.code === 0 && got.stdout.includes(STARTED);
}

/** What systemd cannot see of a unit whose main process it never knew: a crash is no end in good order, and a daemon
 *  that has died has not done its work. */
async function inspect(context: Context): Promise<Inspection> {
  const now = await look(context);
  if (!now) return { state: 'unknown', byHand: false, detail: NO_ANSWER, evidence: {} };
  const { facts, reading } = now;
  const { state, byHand, detail, main } = reading;
  const parts = partsOf(facts).join(' ');
  const evidence = parts ? { ...reading.evidence, parts } : reading.evidence;
  const name = unitName(context.options.unit);
  if (reading.condition === 'stopped' && isBlind(facts) && (await endedByItself(context)))
    return { state: 'failed', byHand: false, detail: `${name} ended by itself: nobody stopped it`, evidence };
  if (reading.condition === 'exited' && facts['Type'] === 'forking')
    return {
      state: 'failed',
      byHand: false,
      detail: `systemd says that ${name} is active, but it has no process`,
      evidence,
    };
  return { state, byHand, detail, ...(main ? { main } : {}), evidence };
}

async function failedStart(context: Context, stderr: string): Promise<ActionResult> {
  const after = await look(context);
  const words = await lastWords(context, after?.facts['InvocationID'] ?? '');
  // EX_CONFIG of sysexits.h, and EXIT_CONFIG of systemd.exec(5).
  const cause = after?.facts['ExecMainStatus'] === '78' ? 'misconfigured' : undefined;
  const said = words ? `; it said "${words}"` : '';
  return bad(`${after?.reading.detail ?? clean(stderr)}${said}`, cause);
}

/** Starts it; a start limit that was hit is reset once, and said. */
async function startUnit(context: Context, verb: 'start' | 'restart', limited: boolean): Promise<ActionResult> {
  const limitMs = context.options['start-timeout'];
  const steps: Step[] = [];
  const name = unitName(context.options.unit);
  if (limited) {
    const reset = await systemctl(context, VERB_MS, 'reset-failed');
    steps.push({ name: 'reset-failed', ms: reset.ms, ok: reset.code === 0, detail: 'the start limit had been hit' });
  }
  const started = await systemctl(context, limitMs, verb);
  steps.push({ name: verb, ms: started.ms, ok: started.code === 0 });
  const reset = limited ? ', after its start limit was reset' : '';
  if (started.code === 0)
    return { ok: true, detail: `${name} was started in ${Math.round(started.ms)} ms${reset}`, steps };
  if (started.failed) return bad(`systemctl could not be run: ${started.failed}`);
  if (started.timedOut)
    return { ...bad(`${name} was still starting after ${Math.round(started.ms)} ms`, 'hung'), steps };
  if (!limited && (await look(context))?.reading.condition === 'start-limit') {
    const second = await startUnit(context, verb, true);
    return { ...second, steps: [...steps, ...(second.steps ?? [])] };
  }
  return { ...(await failedStart(context, started.stderr)), steps };
}

async function start(context: Context): Promise<ActionResult> {
  const now = await look(context, 'fresh');
  if (!now) return bad(NO_ANSWER);
  const { condition, detail } = now.reading;
  if (condition === 'missing' || condition === 'masked' || condition === 'wrapper') return bad(detail, 'misconfigured');
  if (condition === 'running') return good(detail);
  // systemd takes a unit for active whose processes are gone: to it a plain start is done already.
  const active = now.facts['ActiveState'] === 'active' && context.ports.proc.holds(now.facts['ControlGroup'] ?? '');
  const verb = active || now.facts['RemainAfterExit'] === 'yes' ? 'restart' : 'start';
  return startUnit(context, verb, condition === 'start-limit');
}

async function stop(context: Context, how: { readonly force: boolean }): Promise<ActionResult> {
  const now = await look(context, 'fresh');
  if (!now) return bad(NO_ANSWER);
  const { facts, reading } = now;
  if (reading.condition === 'missing' || reading.condition === 'wrapper') return bad(reading.detail, 'misconfigured');
  const atRest = facts['ActiveState'] === 'inactive' || facts['ActiveState'] === 'failed';
  if (atRest && reading.pids.length === 0) return good(reading.detail);
  // Without its main process there is nobody left to stop in good order: the stop command would only wait.
  const kill = how.force && !context.options.orderly;
  if (kill || reading.condition !== 'running') return clearGroup(context, facts);
  const stopped = await systemctl(context, context.options['stop-timeout'], 'stop');
  const empty = livingIn(facts['ControlGroup'] ?? '', context.ports.proc).length === 0;
  if (stopped.code === 0 && empty) return good(`stopped in ${Math.round(stopped.ms)} ms`);
  const cleared = await clearGroup(context, facts);
  const why = stopped.timedOut
    ? `did not stop within ${Math.round(stopped.ms)} ms`
    : `refused to stop: ${troubleLine(stopped.stderr)}`;
  return { ...cleared, detail: `${unitName(context.options.unit)} ${why}; ${cleared.detail}` };
}

async function sweep(context: Context): Promise<ActionResult> {
  const now = await look(context, 'fresh');
  if (!now) return bad(NO_ANSWER);
  const { facts, reading } = now;
  if (reading.condition === 'running' || reading.condition === 'exited')
    return good(`nothing to sweep: ${reading.detail}`);
  // Somebody's own start or stop is under way: its processes are not remains.
  if (reading.state === 'changing') return good(`nothing swept: ${reading.detail}`);
  const cleared = await clearGroup(context, facts);
  if (!cleared.ok) return cleared;
  const claim = { ports: context.options.ports, exe: context.options.exe, group: facts['ControlGroup'] ?? '' };
  const freed = await freePorts(context.ports, claim, context.signal);
  return freed.ok ? good(`${cleared.detail}; ${freed.detail}`) : bad(freed.detail, 'misconfigured');
}

async function reload(context: Context): Promise<ActionResult> {
  const got = await systemctl(context, VERB_MS, 'reload');
  if (got.code === 0) return good(`${unitName(context.options.unit)} was reloaded in ${Math.round(got.ms)} ms`);
  const why = got.timedOut ? `no end within ${VERB_MS} ms` : troubleLine(got.stderr) || got.failed;
  return bad(`${unitName(context.options.unit)} could not be reloaded: ${why}`);
}

/** SIGKILL for the processes of one part; the main process is none of them and starts others. */
async function repairPart(context: Context, part: string): Promise<ActionResult> {
  const exe = context.options.parts[part];
  if (exe === undefined) return bad(`it knows no part ${clean(part)}`);
  const now = await look(context);
  if (!now) return bad(NO_ANSWER);
  const { facts, reading } = now;
  if (reading.condition !== 'running' || !reading.main) return bad(`${reading.detail}: no main process would start it`);
  const { proc } = context.ports;
  const main = reading.main.pid;
  // Those of this moment and no others: what the main process starts in their place is to live.
  const those = livingIn(facts['ControlGroup'] ?? '', proc).filter((one) => one.exe === exe && one.pid !== main);
  if (those.length === 0) return bad(`none of its processes runs ${exe}`);
  const pids = (): readonly number[] => those.filter((one) => proc.alive(one)).map((one) => one.pid);
  const end = await killUntilGone(context.ports, { pids }, KILL_MS, context.signal);
  if (end.left.length > 0) return bad(leftOver(end.left), 'hung');
  return good(`killed ${count(end.killed, 'process', 'processes')} of ${part}; its main process starts others`);
}

/** How many lines of its log are read: warnings and worse, and of everything, because not all who complain say how bad
 *  it is. Each client leaves a line or two, and warnings are not to be lost among them. */
const LOG_LINES = [
  ['-p', 'warning', '-n', '60'],
  ['-n', '200'],
] as const;
/** Signs look at the end of a line too. */
const LINES_MAX = 201;
const LINE_MAX = 1000;
/** How far back at most. */
const LOG_MS = 600_000;

/** Lines of the unit's own processes, as old as that at most; what systemd says of the unit is not among them. */
function readLog(context: Context, forMs: number, which: readonly string[]): Promise<ExecResult> {
  const from = (context.ports.clock.wall() - forMs) / 1000;
  const show = ['--no-pager', '-q', '-o', 'cat', `--since=@${from.toFixed(3)}`];
  const unit = `_SYSTEMD_UNIT=${unitName(context.options.unit)}`;
  const limits = { timeoutMs: 1500, signal: context.signal };
  return context.ports.exec.run(['journalctl', ...show, ...which, unit], limits);
}

const linesOf = ({ stdout }: ExecResult): readonly string[] =>
  stdout
    .split('\n')
    .slice(-LINES_MAX)
    .map((line) => plain(line, LINE_MAX))
    .filter(Boolean);

/** The newest lines. */
async function logSince(context: Context, sinceMs: number): Promise<readonly string[] | null> {
  const got = await Promise.all(LOG_LINES.map((which) => readLog(context, Math.min(sinceMs, LOG_MS), which)));
  return got.some((one) => one.code !== 0) ? null : got.flatMap(linesOf);
}

/** A pattern of a line as journalctl wants it, which looks through what a busy server wrote in minutes. */
const expression = (line: string): string =>
  `^${line
    .split('*')
    .map((piece) => piece.replace(/[^A-Za-z0-9 ]/g, '\\$&'))
    .join('.*')}$`;

/** The newest of each of these lines that its main process of now said; none where journalctl cannot look for any. Of
 *  what its other processes write, on a busy server hundreds of lines a second, none is read. */
async function stillSaid(context: Context, stay: EvidenceWanted['stay'], pid: number): Promise<readonly string[]> {
  const newest = (line: string): readonly string[] => ['-r', '-n', '1', '-g', expression(line), `_PID=${pid}`];
  const got = await Promise.all(stay.map(({ line, forMs }) => readLog(context, forMs, newest(line))));
  return got.flatMap(linesOf);
}

/** Its processes with their states, who listens on its ports, and what of its log is true still. */
async function seenNow(context: Context, stay: EvidenceWanted['stay']): Promise<Evidence> {
  const now = await look(context, 'fresh');
  if (!now) return UNSEEN;
  const { exe, parts, ports: held } = context.options;
  const group = now.facts['ControlGroup'] ?? '';
  const living = livingIn(group, context.ports.proc);
  const { main } = now.reading;
  const seen = evidenceOf(context.ports, { living, main, parts, claim: { ports: held, exe, group } });
  return main ? { ...seen, older: await stillSaid(context, stay, main.pid) } : seen;
}

async function evidence(context: Context, { sinceMs, stay }: EvidenceWanted): Promise<Evidence> {
  const [seen, log] = await Promise.all([seenNow(context, stay), logSince(context, sinceMs)]);
  return { ...seen, log };
}

export default defineRecovery({
  about: 'Runs a service as a systemd unit; judges by its processes, not by what systemd believes.',
  options,
  example: { unit: 'dovecot.service', ports: [143, 993], exe: ['/usr/sbin/dovecot', '/usr/lib/dovecot/'] },
  inspect,
  start,
  stop,
  reload,
  sweep,
  parts: (wanted) => Object.keys(wanted.parts),
  repairPart,
  evidence,
  validate: (context) => validateBy(context.ports, context.options.validate, context.signal),
  async watch(context, onChange) {
    const { ports } = context;
    let group = '';
    return watchLife({
      ports,
      async look() {
        const now = await look(context);
        group = now?.facts['ControlGroup'] || group;
        return now?.reading.main ?? null;
      },
      glance: () => ports.proc.cgroup(group).length > 0,
      onChange,
    });
  },
});
