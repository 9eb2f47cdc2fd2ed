// One conversation of a check with a server: its time, its steps, its connections, and what becomes of its troubles.
// The one place that turns faults of the net into outcomes and causes.
import { type CheckResult, degraded, fail, type Metric, type Ports, type Step, unknown } from '../define.ts';
import { type Dialogue, NetError, type OpenOptions } from '../ports/net.ts';
import { plain } from './quote.ts';
import { silentLogin } from './silent-login.ts';

/** What a conversation needs of a check's context. */
export interface Caller {
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** What the check keeps from run to run. */
  readonly memory?: Map<string, unknown>;
}

export interface Session {
  readonly ports: Ports;
  /** Ends a little before the check's own time does: a silent server is a verdict, a late check is none. */
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Milliseconds left. */
  left(): number;
  /** Times a piece of work and keeps it as a step; `tell` makes the step's detail from the answer. */
  step<T>(name: string, work: () => Promise<T>, tell?: (answer: T) => string): Promise<T>;
  /** A step that somebody else measured. */
  note(step: Step): void;
  open(options: Omit<OpenOptions, 'signal' | 'timeoutMs'>): Promise<Dialogue>;
  measure(name: string, value: number, unit?: string): void;
  /** What was seen so far, for a result. */
  readonly seen: { readonly steps: readonly Step[]; readonly metrics: readonly Metric[] };
}

/** A fault of the check's own side, such as a secret that cannot be read. */
export class OwnTrouble extends Error {}

/** Made once: an error collects its stack, and every conversation ends with this one. */
const OVER = new NetError('timeout', 'the conversation is over');

const MIN_MARGIN_MS = 10;
const MAX_MARGIN_MS = 250;

/** Runs a conversation and gives its verdict; faults of the net are verdicts too. `where` names the server in them. */
export async function converse(
  caller: Caller,
  where: string,
  talk: (session: Session) => Promise<CheckResult>,
): Promise<CheckResult> {
  const { ports } = caller;
  const margin = Math.min(MAX_MARGIN_MS, Math.max(MIN_MARGIN_MS, caller.timeoutMs / 10));
  const timeoutMs = Math.max(1, caller.timeoutMs - margin);
  const started = ports.clock.monotonic();
  const own = new AbortController();
  const stop = (): void => own.abort(new NetError('timeout', 'the time was over'));
  const cancel = ports.clock.after(timeoutMs, stop);
  if (caller.signal.aborted) stop();
  else caller.signal.addEventListener('abort', stop, { once: true });
  const dialogues: Dialogue[] = [];
  const steps: Step[] = [];
  const metrics: Metric[] = [];
  const logins = silentLogin(caller.memory, started);
  const session: Session = {
    ports,
    signal: own.signal,
    timeoutMs,
    left: () => Math.max(1, timeoutMs - (ports.clock.monotonic() - started)),
    async step(name, work, tell) {
      try {
        const answer = await timed(ports, steps, name, work, tell);
        logins.stepped(name, true);
        return answer;
      } catch (error) {
        if (error instanceof NetError && error.code === 'timeout') logins.stepped(name, false);
        throw error;
      }
    },
    note: (step) => void steps.push(step),
    async open(options) {
      const source = logins.source(options);
      const dialogue = await ports.net.open({ ...options, ...source, signal: own.signal, timeoutMs });
      dialogues.push(dialogue);
      logins.opened(options, dialogue, source);
      return dialogue;
    },
    measure: (name, value, unit) => void metrics.push({ name, value: rounded(value), ...(unit ? { unit } : {}) }),
    seen: { steps, metrics },
  };
  try {
    return logins.judge(await talk(session));
  } catch (error) {
    return logins.judge(trouble(error, where, session));
  } finally {
    cancel();
    caller.signal.removeEventListener('abort', stop);
    for (const dialogue of dialogues) dialogue.close();
    own.abort(OVER);
  }
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

async function timed<T>(
  ports: Ports,
  steps: Step[],
  name: string,
  work: () => Promise<T>,
  tell?: (answer: T) => string,
): Promise<T> {
  const started = ports.clock.monotonic();
  const keep = (ok: boolean, detail?: string): void => {
    const ms = rounded(ports.clock.monotonic() - started);
    steps.push({ name, ms, ok, ...(detail ? { detail: plain(detail) } : {}) });
  };
  try {
    const answer = await work();
    keep(true, tell?.(answer));
    return answer;
  } catch (error) {
    keep(false, (error as Error).message);
    throw error;
  }
}

/** A fault of the net as a verdict. The step that failed is named: "banner: no answer came in time". */
function trouble(error: unknown, where: string, session: Session): CheckResult {
  if (error instanceof OwnTrouble) return unknown(error.message, session.seen);
  if (!(error instanceof NetError)) throw error;
  const last = session.seen.steps.at(-1);
  const stage = last && !last.ok ? `${last.name}: ` : '';
  return netVerdict(error, `${where}: ${stage}${plain(error.message)}`, session);
}

/** Its answers came, late, until the whole time was over: that is slow, and no hang. Most of the time went by with
 *  steps that were answered, and the last one was waited for less than a quarter of it. */
function isSlow({ seen, timeoutMs }: Session): boolean {
  const done = seen.steps.filter((step) => step.ok);
  const waited = seen.steps.filter((step) => !step.ok).reduce((sum, step) => sum + step.ms, 0);
  const used = done.reduce((sum, step) => sum + step.ms, 0);
  return done.length >= 3 && used >= timeoutMs / 2 && waited < timeoutMs / 4;
}

/** The table: which fault of the net is which outcome. */
export function netVerdict(error: NetError, detail: string, session: Session): CheckResult {
  const { seen } = session;
  switch (error.code) {
    case 'refused':
      return fail('refusing', detail, seen);
    case 'closed':
      // One process of many was told to end, as at a reload. Who is gone altogether refuses the next time.
      return /\bshutting down\b/i.test(error.message)
        ? degraded('refusing', detail, seen)
        : fail('refusing', detail, seen);
    case 'timeout':
      return isSlow(session)
        ? degraded(
            'overloaded',
            `${detail} (${Math.round(session.timeoutMs)} ms), each answer before that came late`,
            seen,
          )
        : fail('hung', `${detail} (${Math.round(session.timeoutMs)} ms)`, seen);
    // The way to it, or the resolver, is at fault. Nothing that runs here is cured by a restart.
    case 'unreachable':
    case 'not-found':
      return fail('dependency', detail, seen);
    case 'too-long':
    case 'garbled':
      return fail('misconfigured', detail, seen);
    case 'tls':
      return fail(/CERT_HAS_EXPIRED/.test(error.message) ? 'expired' : 'misconfigured', detail, seen);
    case 'local':
      return unknown(`${detail}: this is the observer's own trouble`, seen);
  }
}

/** A secret's value; a secret that cannot be read is the probe's trouble, not the service's. */
export function secret(ports: Ports, reference: string): string {
  try {
    return ports.secrets.read(reference);
  } catch (error) {
    throw new OwnTrouble(plain((error as Error).message));
  }
}

const MAX_CA_BYTES = 1_048_576;

/** Authorities of a PEM file. */
export const authorities = (ports: Ports, path: string | undefined): { readonly ca?: string } =>
  path === undefined ? {} : { ca: pemFile(ports, path, 'file of authorities') };

/** The text of a PEM file with certificates. */
export function pemFile(ports: Ports, path: string, what: string): string {
  let text: string | null;
  try {
    text = ports.files.readText(path, MAX_CA_BYTES);
  } catch (error) {
    throw new OwnTrouble(`the ${what} cannot be read: ${plain((error as Error).message)}`);
  }
  if (text === null) throw new OwnTrouble(`the ${what} ${path} is not there`);
  if (!text.includes('-----BEGIN')) throw new OwnTrouble(`the ${what} ${path} holds no certificate`);
  return text;
}
