// One fault against the daemon on a real mail node: what it saw, what it called it, what it did, and what became of it.
// It judges nothing away: a test asserts on the outcome, and the table of `npm run faults` counts it.
import { poll } from '../lab/command.ts';
import { judge, WELL } from '../lab/judge.ts';
import type { Lab } from '../lab/lab.ts';
import { type MailNode, masterOf, type Unit } from '../lab/mail-node.ts';
import type { Repair, Watch } from '../lab/watch.ts';
import { type Fault, UNIT_OF } from './fault.ts';

export interface Place {
  readonly lab: Lab;
  readonly mail: MailNode;
  readonly watch: Watch;
}

export interface Outcome {
  /** Seconds until any service was said to be unwell, and until the right one had its true cause; null: never. */
  readonly foundS: number | null;
  readonly namedS: number | null;
  readonly repairs: readonly Repair[];
  /** Repairs of another service, or by a rung that cannot cure this. */
  readonly wrong: readonly Repair[];
  /** Units that have another main process, or were started, though nobody should have touched them. */
  readonly touched: readonly string[];
  /** What is still wrong at the end where all should be well again; null: all is well, or it need not be. */
  readonly broken: string | null;
}

/** How long a fault may last until it is understood, and until it is cured: after an outage of Dovecot port 587 of
 *  Postfix hangs for up to a minute. */
const SEEN_MS = 25_000;
const CURED_MS = 75_000;
/** How long nothing may happen when nothing is to be done. */
const QUIET_MS = 4000;

/** The masters of all services but one: who has another pid or start time afterwards was restarted. */
export function mastersBut(mail: MailNode, unit: Unit | null): ReadonlyMap<Unit, string> {
  const others = mail.units.filter((each) => each !== unit);
  return new Map(
    others.map((each) => {
      const master = masterOf(mail.node, each);
      return [each, master ? `${master.pid} since ${master.startTicks}` : 'gone'];
    }),
  );
}

/** How often systemd started a unit since a moment of the wall clock. */
async function starts(mail: MailNode, unit: string, since: number): Promise<number> {
  const argv = ['journalctl', '-q', '-o', 'cat', '-u', unit, `--since=@${(since / 1000).toFixed(3)}`];
  return (await mail.node.exec(argv)).split('\n').filter((line) => line.startsWith('Started ')).length;
}

/** Units that somebody else than the fault itself started. */
async function startedBy({ mail }: Place, { expects }: Fault, since: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [unit, wanted] of Object.entries(expects.starts ?? {})) {
    const times = await starts(mail, unit, since);
    if (times !== wanted) found.push(`${unit} was started ${times} times, not ${wanted}`);
  }
  return found;
}

interface Seen {
  readonly foundS: number | null;
  readonly namedS: number | null;
}

/** Looks until the right service has its true cause, or the time is over. */
async function understood({ watch }: Place, { expects }: Fault): Promise<Seen> {
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  let foundS: number | null = null;
  const named = await poll(
    async () => {
      const status = await watch.look();
      if (status.services.some(({ health }) => health !== 'ok')) foundS ??= seconds();
      const { service, causes, words } = expects;
      if (service === null) return false;
      const said = await watch.said(service);
      return said.some(({ cause, text }) => causes.some((each) => each === cause) && words.test(text));
    },
    SEEN_MS,
    300,
  );
  const namedS = named ? seconds() : null;
  return { foundS: foundS ?? namedS, namedS };
}

/** Waits for the end that this fault should have. Gives what is wrong with it. */
async function ended({ lab, mail, watch }: Place, { expects }: Fault): Promise<string | null> {
  try {
    if (expects.service === null) await watch.quiet(QUIET_MS);
    else if (expects.curable) await watch.well(CURED_MS);
    else await watch.settled(expects.service, CURED_MS);
  } catch (error) {
    return (error as Error).message;
  }
  if (!expects.curable) return null;
  const truth = await judge(lab, mail);
  return JSON.stringify(truth) === JSON.stringify(WELL) ? null : JSON.stringify(truth);
}

/** Injects, looks, waits. Undoing the fault is the caller's. */
export async function trial(place: Place, fault: Fault): Promise<Outcome> {
  const { expects } = fault;
  const { mail, watch } = place;
  const unit = expects.service === null ? null : UNIT_OF[expects.service];
  await watch.begin();
  const before = mastersBut(mail, unit);
  const since = Date.now();
  await fault.inject(mail);
  const seen = expects.service === null ? { foundS: null, namedS: null } : await understood(place, fault);
  const broken = await ended(place, fault);
  const repairs = await watch.repairs();
  // For the transcript of a failed test: the whole story.
  if (expects.service !== null) await watch.said(expects.service);
  const wrong = repairs.filter(
    ({ service, rung }) => service !== expects.service || !expects.rungs.some((each) => each === rung),
  );
  const after = mastersBut(mail, unit);
  const touched =
    expects.service === null
      ? await startedBy(place, fault, since)
      : [...before].flatMap(([each, was]) =>
          after.get(each) === was ? [] : [`${each}: ${was}, then ${after.get(each)}`],
        );
  return { ...seen, repairs, wrong, touched, broken };
}
