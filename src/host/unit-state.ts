// What systemd and /proc together say about a unit. systemd alone says `active` of a service whose processes are gone.
// It reads; it changes nothing.
import type { ProcessIdentity, RunState } from '../define.ts';
import type { Proc, ProcessFacts } from '../ports/proc.ts';
import { type UnitFacts, unitName } from '../ports/units.ts';
import { count } from './text.ts';

export type UnitCondition =
  | 'running'
  | 'remains' // processes without the main one, or none, while systemd still says active
  | 'wrapper' // active, but all it does is to pull in other units
  | 'exited' // a oneshot that did its work
  | 'starting' // somebody's start job
  | 'stopping' // somebody's stop job
  | 'dying' // systemd cleans up after a crash
  | 'restarting' // systemd itself is about to start it again
  | 'stopped' // orderly
  | 'never-started'
  | 'failed'
  | 'start-limit'
  | 'masked'
  | 'missing';

export interface UnitReading {
  readonly condition: UnitCondition;
  readonly state: RunState;
  readonly byHand: boolean;
  readonly detail: string;
  readonly main: ProcessFacts | null;
  /** Living processes of the unit. */
  readonly pids: readonly number[];
  readonly evidence: Readonly<Record<string, string>>;
}

/** The main process as it was seen last, in this run of the unit. */
export interface Known {
  readonly invocation: string;
  readonly main: ProcessIdentity;
}

const STATES: Readonly<Record<UnitCondition, RunState>> = {
  running: 'running',
  remains: 'failed',
  wrapper: 'unknown',
  exited: 'running',
  starting: 'changing',
  stopping: 'changing',
  dying: 'failed',
  restarting: 'changing',
  stopped: 'stopped',
  'never-started': 'stopped',
  failed: 'failed',
  'start-limit': 'failed',
  masked: 'stopped',
  missing: 'unknown',
};
const BY_HAND: ReadonlySet<UnitCondition> = new Set(['starting', 'stopping', 'stopped', 'masked']);

const isZombie = (state: string): boolean => state === 'Z' || state === 'X';

/** Living processes of a unit's control group, with facts. */
export function livingIn(path: string, proc: Proc): readonly ProcessFacts[] {
  return proc.cgroup(path).flatMap((pid) => {
    const found = proc.facts(pid);
    return found && !isZombie(found.state) ? [found] : [];
  });
}

/** The process that the unit lives and dies with. systemd does not know it for some (Type=forking without a pid file):
 *  then it is the root of the group, whose parent is outside: the one that leads its own session, or the only one.
 *  `dead`: there was one and it is gone. Null: there is none that can be told from the others.
 *  When the one that was known is dead, a single root may be an orphan of it, and only a leader counts. */
export function mainOf(
  facts: UnitFacts,
  living: readonly ProcessFacts[],
  known: Known | null,
): ProcessFacts | 'dead' | null {
  const told = Number(facts['MainPID'] ?? 0);
  if (told > 0) return living.find((one) => one.pid === told) ?? 'dead';
  const before = known !== null && known.invocation === facts['InvocationID'] ? known.main : null;
  const same = living.find((one) => one.pid === before?.pid && one.startTicks === before.startTicks);
  if (same) return same;
  const pids = new Set(living.map((one) => one.pid));
  const control = Number(facts['ControlPID'] ?? 0);
  const roots = living.filter((one) => !pids.has(one.ppid) && one.pid !== control);
  const leaders = roots.filter((one) => one.session === one.pid);
  const fit = leaders.length > 0 || before ? leaders : roots;
  if (fit.length === 1) return fit[0] ?? null;
  return before ? 'dead' : null;
}

/** systemd forgets all about a disabled unit that was stopped in good order: what we saw of it counts too. */
function inactive(facts: UnitFacts, seen: boolean): UnitCondition {
  if (facts['Result'] === 'start-limit-hit') return 'start-limit';
  if (facts['ActiveState'] === 'failed' || facts['Result'] !== 'success') return 'failed';
  return seen || Number(facts['InactiveEnterTimestampMonotonic']) > 0 ? 'stopped' : 'never-started';
}

function conditionOf(facts: UnitFacts, living: number, dead: boolean, seen: boolean): UnitCondition {
  if (facts['LoadState'] === 'masked') return 'masked';
  if (facts['LoadState'] !== 'loaded') return 'missing';
  const job = (facts['Job'] ?? '') !== '' && facts['Job'] !== '0';
  switch (facts['ActiveState']) {
    case 'active':
    case 'reloading':
    case 'refreshing':
      if (living > 0 && !dead) return 'running';
      if (living > 0 || facts['RemainAfterExit'] !== 'yes') return 'remains';
      // A SysV unit stays active when its daemon has died; a oneshot is meant to.
      if (dead && facts['Type'] === 'forking') return 'remains';
      return partsOf(facts).length > 0 ? 'wrapper' : 'exited';
    case 'activating':
      return facts['SubState'] === 'auto-restart' || !job ? 'restarting' : 'starting';
    case 'maintenance': // systemctl clean
      return 'stopping';
    case 'deactivating':
      return job ? 'stopping' : 'dying';
    default:
      return job ? 'starting' : inactive(facts, seen);
  }
}

/** Units that are part of this one: what a wrapper such as Debian's postfix.service really stands for. */
export const partsOf = (facts: UnitFacts): readonly string[] => (facts['ConsistsOf'] ?? '').split(' ').filter(Boolean);

/** CLD_EXITED, CLD_KILLED, CLD_DUMPED as systemd prints them in ExecMainCode. */
const ENDS: Readonly<Record<string, string>> = { '1': 'exit code', '2': 'signal', '3': 'signal (core dumped)' };

function ending(facts: UnitFacts): string {
  const how = ENDS[facts['ExecMainCode'] ?? ''];
  const main = how ? `, the main process ended with ${how} ${facts['ExecMainStatus'] ?? '?'}` : '';
  return `systemd says ${facts['Result'] ?? 'nothing'}${main}`;
}

function sentence(unit: string, condition: UnitCondition, facts: UnitFacts, main: ProcessFacts | null, living: number) {
  switch (condition) {
    case 'running':
      return `${unit} runs${main ? ` as pid ${main.pid}` : ''} with ${count(living, 'process', 'processes')}`;
    case 'remains':
      return living === 0
        ? `systemd says that ${unit} is active, but it has no process`
        : `the main process of ${unit} is gone, ${count(living, 'process', 'processes')} of it remain`;
    case 'wrapper':
      return `${unit} has no process of its own, it only starts ${partsOf(facts).join(', ')}: name that unit instead`;
    case 'exited':
      return `${unit} did its work and ended`;
    case 'starting':
      return `${unit} is being started by somebody else (${facts['SubState']})`;
    case 'stopping':
      return `${unit} is being stopped by somebody else (${facts['SubState']})`;
    case 'dying':
      return `${unit} has crashed and systemd is cleaning up after it`;
    case 'restarting':
      return `systemd itself is starting ${unit} (${facts['SubState']}, restart ${facts['NRestarts']})`;
    case 'stopped':
      return `${unit} was stopped in an orderly way`;
    case 'never-started':
      return `${unit} has not been started since boot`;
    case 'failed':
      return `${unit} has failed: ${ending(facts)}`;
    case 'start-limit':
      return `${unit} has failed and systemd refuses to start it again so soon (start limit hit)`;
    case 'masked':
      return `${unit} is masked: somebody forbade to start it`;
    case 'missing':
      return `systemd knows no unit ${unit} (${facts['LoadState'] ?? 'no answer'})`;
  }
}

const SHOWN = ['ActiveState', 'SubState', 'Result', 'MainPID', 'Job', 'NRestarts', 'ExecMainCode', 'ExecMainStatus'];

/** Did systemd never know a main process of it? Then it takes a crash for an end in good order: SysV units. */
export const isBlind = (facts: UnitFacts): boolean => Number(facts['ExecMainStartTimestampMonotonic'] ?? 0) === 0;

/** Everything that is known about a unit at this moment, as one reading. */
export function readUnit(unit: string, facts: UnitFacts, proc: Proc, known: Known | null): UnitReading {
  const name = unitName(unit);
  const grouped = livingIn(facts['ControlGroup'] ?? '', proc);
  // PIDFile= may name a process outside of the group.
  const told = proc.facts(Number(facts['MainPID'] ?? 0));
  const outside = told && !isZombie(told.state) && !grouped.some((one) => one.pid === told.pid);
  const living = outside ? [...grouped, told] : grouped;
  const found = mainOf(facts, living, known);
  const main = found === 'dead' ? null : found;
  const condition = conditionOf(facts, living.length, found === 'dead', known !== null);
  const evidence: Record<string, string> = { unit: name, processes: String(living.length) };
  for (const key of SHOWN) if (facts[key]) evidence[key] = facts[key];
  return {
    condition,
    state: STATES[condition],
    byHand: BY_HAND.has(condition),
    detail: sentence(name, condition, facts, main, living.length),
    main,
    pids: living.map((one) => one.pid),
    evidence,
  };
}
