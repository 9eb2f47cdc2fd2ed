// From what the checks said and what is known of the service beside them: the cause, how sure that is, and the sentence
// that says why. Pure, and the one place where evidence is weighed. It only ever names a cause better: what could not
// be told stays `unknown`, and what is well stays well.
import { clean } from './clean.ts';
import { combine, type NamedResult } from './combine.ts';
import { matches } from './log-line.ts';
import type { Cause, Facts, LogSign, Verdict } from './types.ts';

/** Causes that only say how it looks from outside: evidence may know better. */
const VAGUE: ReadonlySet<Cause> = new Set(['refusing', 'hung', 'overloaded']);

interface Case {
  readonly results: readonly NamedResult[];
  readonly verdict: Verdict;
  readonly facts: Facts;
  readonly signs: readonly LogSign[];
  readonly cause: Cause;
}

/** What a rule concluded, from which evidence (null: from the answers alone); the sentence is put behind what was
 *  seen. */
interface Finding {
  readonly by: keyof Facts | null;
  readonly patch: Partial<Verdict>;
  readonly because: string;
}

type Rule = (found: Case) => Finding | null;

const certain = (by: keyof Facts, cause: Cause, because: string, more: Partial<Verdict> = {}): Finding => ({
  by,
  patch: { cause, confidence: 'certain', ...more },
  because,
});

const isGone = ({ facts }: Case): boolean => facts.run?.state === 'stopped' || facts.run?.state === 'failed';

/** Its own processes are gone, and a port of its is held by somebody else: a start would fail, and whoever answers
 *  there is not the service. */
const foreignListener: Rule = (found) => {
  if (!isGone(found) || (found.cause !== 'dead' && !VAGUE.has(found.cause))) return null;
  const other = found.facts.listeners?.find((one) => !one.own);
  if (!other) return null;
  const text = `its own process is gone, and port ${other.port} is held by ${other.who}: a foreign listener`;
  return certain('listeners', 'misconfigured', text, { check: 'manager', conclusive: true, direct: true });
};

/** A port that refuses, or does not answer, says more when the manager says that there is no process behind it. */
const gone: Rule = (found) => {
  if (!isGone(found) || !VAGUE.has(found.cause)) return null;
  const detail = found.facts.run?.detail ?? '';
  return certain('run', 'dead', '', { detail, check: 'manager', conclusive: true, direct: true });
};

/** A process that is stopped (SIGSTOP) does nothing until somebody continues or kills it. Of several, the part that
 *  can be repaired alone; a main process that is stopped takes all the others with it. */
const stopped: Rule = ({ facts, cause }) => {
  if (!VAGUE.has(cause)) return null;
  const still = (facts.processes ?? []).filter((one) => one.state === 'T');
  const main = still.find((one) => one.main);
  const first = main ?? still.find((one) => one.part !== null) ?? still[0];
  if (!first) return null;
  const part = main || still.some((one) => one.part !== first.part) ? null : first.part;
  const others = still.length > 1 ? ` and ${still.length - 1} more` : '';
  const text = `its process ${first.name} (pid ${first.pid})${others} is stopped (state T)`;
  return certain('processes', 'hung', text, { direct: true, ...(part === null ? {} : { part }) });
};

/** Whoever has just been started may still open its ports. */
const OPENED_MS = 10_000;

/** It runs and holds others of its ports, and one that refuses is held by nobody: it was not told to listen there. */
const notListening: Rule = ({ facts, cause }) => {
  const port = facts.unheld?.[0];
  const held = facts.listeners?.find((one) => one.own);
  if (cause !== 'refusing' || port === undefined || !held || facts.run?.state !== 'running') return null;
  if (facts.ageMs === null || facts.ageMs < OPENED_MS) return null;
  const text = `it runs and holds port ${held.port}, and nobody listens on port ${port}: its configuration names no`;
  return { by: 'unheld', patch: { cause: 'misconfigured', confidence: 'likely' }, because: `${text} service there` };
};

/** Mail servers look up who connects before they greet: without a resolver the greeting is late or never comes. That is
 *  SMTP, with submission, and nobody else of those that are asked here: Dovecot (IMAP, POP3, ManageSieve, LMTP), slapd
 *  and sshd greet first or look up nobody, and MariaDB knows who comes over loopback. */
const resolverSilent: Rule = ({ facts, verdict, results, cause }) => {
  if (cause !== 'hung' || facts.resolver !== 'silent') return null;
  const type = results.find((one) => one.name === verdict.check)?.type;
  if (type !== 'smtp') return null;
  const text = "this machine's resolver does not answer, and a mail server asks it before it greets";
  return { by: 'resolver', patch: { cause: 'dependency', confidence: 'likely', conclusive: false }, because: text };
};

/** Servers say that something behind them fails, and as well when a file of their own is missing. */
const isPutOff = ({ cause, outcome }: Pick<Verdict, 'cause' | 'outcome'>): boolean =>
  cause === 'dependency' && (outcome === 'degraded' || outcome === 'fail');
/** Causes that a restart may cure: no log makes one of these of what no restart cures. */
const CURED: ReadonlySet<Cause> = new Set(['dead', 'hung', 'refusing']);

/** So much of a line stands in a sentence. */
const QUOTED = 200;

/** A line from before the failure that is not said again while it lasts, if what it says can still be seen. Where the
 *  processes could not be looked at, it is believed: it only ever holds a repair back. */
function stillTrue({ line, stays }: LogSign, { older = [], processes }: Facts): string | undefined {
  if (!stays) return undefined;
  const said = older.find((one) => matches(line, one));
  const limit = Number(said?.match(/\d+/g)?.at(-1) ?? Number.POSITIVE_INFINITY);
  const full = processes === null || processes.filter((one) => one.name === stays.processes).length >= limit;
  return full ? said : undefined;
}

/** The first sign of its kit that stands in its log. Below all that was seen: a log says what was, and others may write
 *  into it. */
const toldByLog: Rule = ({ facts, signs, cause, verdict }) => {
  const vague = VAGUE.has(cause);
  if (!vague && !isPutOff(verdict)) return null;
  const newest = [...(facts.log ?? [])].reverse();
  for (const sign of signs.filter((one) => vague || !CURED.has(one.cause))) {
    const line = newest.find((one) => matches(sign.line, one));
    if (line !== undefined) return byLog(sign, `its log says "${clean(line, QUOTED)}"`);
  }
  for (const sign of vague ? signs : []) {
    const line = stillTrue(sign, facts);
    if (line !== undefined) return byLog(sign, `its log said before, and it is so still, "${clean(line, QUOTED)}"`);
  }
  return null;
};

const byLog = ({ cause, part, says }: LogSign, text: string): Finding => ({
  by: 'log',
  patch: { cause, confidence: 'likely', ...(part === undefined ? {} : { part }) },
  because: `${text}: ${says}`,
});

/** Everything else of the service works; only the probe may not log in. */
const probeRefused: Rule = ({ results, verdict, cause }) => {
  if (cause !== 'credentials') return null;
  const others = results.filter((one) => one.name !== verdict.check);
  if (others.length === 0 || !others.every((one) => one.result.outcome === 'pass')) return null;
  const text = 'all else of it works: the account of the probe is at fault, not the service';
  return { by: null, patch: { confidence: 'likely' }, because: text };
};

/** The first that fits decides: what was seen comes before what is concluded. */
const RULES: readonly Rule[] = [foreignListener, stopped, gone, notListening, resolverSilent, toldByLog, probeRefused];

/** Would facts change anything? They are gathered only then. */
export function wantsFacts(results: readonly NamedResult[], verdict: Verdict): boolean {
  if (isPutOff(verdict)) return true;
  if (verdict.outcome !== 'fail') return false;
  if (VAGUE.has(verdict.cause ?? 'refusing')) return true;
  // Dead, and yet something answers for it.
  return verdict.cause === 'dead' && results.some((one) => one.result.outcome === 'pass');
}

const NOTHING_KNOWN: Facts = {
  run: null,
  processes: null,
  listeners: null,
  unheld: null,
  ageMs: null,
  resolver: null,
  log: null,
};

/** With how long it has been running: whoever has just been started may not answer yet. */
const aged = (verdict: Verdict, { ageMs }: Facts): Verdict => (ageMs === null ? verdict : { ...verdict, ageMs });

/** Which evidence is missing that could have said more of a failure; nothing where none was asked for. */
function lacking({ verdict, cause }: Case, facts: Facts | null): Pick<Verdict, 'unseen'> {
  if (facts === null || verdict.outcome !== 'fail') return {};
  const local = ['run', 'processes', 'listeners', 'unheld', 'log'] as const;
  const wanted = cause === 'hung' ? ([...local, 'resolver'] as const) : local;
  const unseen = wanted.filter((one) => facts[one] === null);
  return unseen.length > 0 ? { unseen } : {};
}

/** Several results, and facts where they were gathered → one verdict. */
export function diagnose(
  results: readonly NamedResult[],
  facts: Facts | null,
  signs: readonly LogSign[] = [],
): Verdict {
  const verdict = combine(results);
  if (verdict.outcome !== 'fail' && !isPutOff(verdict)) return verdict;
  const cause = verdict.cause ?? 'refusing';
  const found: Case = { results, verdict, facts: facts ?? NOTHING_KNOWN, signs, cause };
  for (const rule of verdict.outcome === 'fail' ? RULES : [toldByLog]) {
    const finding = rule(found);
    if (!finding) continue;
    const { conclusive, ...merged } = { ...verdict, ...finding.patch };
    const detail = [merged.detail, finding.because].filter((text) => text !== '').join('; ');
    const seen = finding.by === null ? {} : { seen: { by: finding.by, check: verdict.check, cause } };
    const better = { ...merged, detail, ...seen, ...(conclusive ? { conclusive } : {}) };
    return aged(better.confidence === 'certain' ? better : { ...better, ...lacking(found, facts) }, found.facts);
  }
  return aged({ ...verdict, ...lacking(found, facts) }, found.facts);
}

const AS_BEFORE = ' (seen before, and not refuted since)';

/** A failure whose evidence could not be gathered, after the same one whose evidence was: what was seen holds until it
 *  is looked for and not found, or something as certain is seen. Whatever is new of the failure itself counts. */
export function held(before: Verdict | null, now: Verdict): Verdict {
  if (before?.outcome !== 'fail' || !before.seen || now.outcome !== 'fail') return now;
  const { by, check, cause } = before.seen;
  const { unseen, seen = { check: now.check, cause: now.cause ?? 'refusing' } } = now;
  if (!unseen?.includes(by) || seen.check !== check || seen.cause !== cause) return now;
  if (now.seen && before.confidence !== 'certain') return now;
  const detail = before.detail.endsWith(AS_BEFORE) ? before.detail : `${before.detail}${AS_BEFORE}`;
  const conclusive = before.conclusive || (now.conclusive && before.confidence === 'certain');
  return { ...before, detail, unseen, ...(conclusive ? { conclusive } : {}), ...ageOf(now) };
}

const ageOf = ({ ageMs }: Verdict): Pick<Verdict, 'ageMs'> => (ageMs === undefined ? {} : { ageMs });

/** What is known of it from before counts no more. */
export function forgotten(verdict: Verdict | null): Verdict | null {
  if (!verdict?.seen) return verdict;
  const { seen: _, ...rest } = verdict;
  return rest;
}
