// What is to be told and who has heard it, as a fold of the journal; which alert goes next; what is told as one when
// there are too many. Pure.
import { catalogue } from '../core/catalogue.ts';
import { highest, SEVERITIES } from '../core/severity.ts';
import type { Severity } from '../core/types.ts';
import type { Alert } from '../define.ts';
import type { Entry, OutboxState, Sent } from './journal-format.ts';

export const emptyOutbox: OutboxState = { pending: [], sent: {}, dropped: 0 };

/** Alerts kept for channels that cannot be reached, and how old what is only said once may become. */
export const PENDING_MAX = 5000;
export const AGE_MS = 86_400_000;

/** Is this channel to tell it? */
export const isFor = (alert: Alert, channel: string): boolean => alert.to === undefined || alert.to.includes(channel);

/** Journals of older versions hold a number: all up to it. */
const cursorOf = (sent: OutboxState['sent'], channel: string): Sent => {
  const cursor = sent[channel] ?? 0;
  return typeof cursor === 'number' ? { upTo: cursor, also: [] } : cursor;
};

/** Has a channel still to tell this one? */
function openTest(sent: OutboxState['sent'], channel: string): (alert: Alert) => boolean {
  const { upTo, also } = cursorOf(sent, channel);
  const done = new Set(also);
  return (alert) => alert.id > upTo && isFor(alert, channel) && !done.has(alert.id);
}

/** What a channel has not told yet, oldest first. */
export const openFor = ({ pending, sent }: OutboxState, channel: string): readonly Alert[] =>
  pending.filter(openTest(sent, channel));

/** The fold: one entry into the outbox. */
export function foldOutbox(
  state: OutboxState,
  entry: Pick<Entry, 'alerts' | 'sent' | 'time'>,
  channels: readonly string[],
): OutboxState {
  if (!entry.alerts?.length && !entry.sent) return state;
  const sent = entry.sent ? marked(state, entry.sent) : state.sent;
  const fresh = (entry.alerts ?? []).filter((alert) => channels.some((name) => isFor(alert, name)));
  const all = [...(entry.sent ? stillOpen(state.pending, sent, channels) : state.pending), ...fresh];
  const pending = entry.alerts?.length ? bounded(all, entry.time) : all;
  return { pending, sent, dropped: (state.dropped ?? 0) + all.length - pending.length };
}

function stillOpen(
  pending: readonly Alert[],
  sent: OutboxState['sent'],
  channels: readonly string[],
): readonly Alert[] {
  const tests = channels.map((name) => openTest(sent, name));
  return pending.filter((alert) => tests.some((open) => open(alert)));
}

/** Moves the cursors: a number is all up to it, a list is these. */
function marked(state: OutboxState, news: NonNullable<Entry['sent']>): OutboxState['sent'] {
  const sent: Record<string, number | Sent> = { ...state.sent };
  for (const [channel, done] of Object.entries(news)) {
    const { upTo, also } = cursorOf(sent, channel);
    if (typeof done === 'number') {
      sent[channel] = done;
      continue;
    }
    const all = new Set([...also, ...done]);
    const left = state.pending.find((alert) => alert.id > upTo && isFor(alert, channel) && !all.has(alert.id));
    const end = left ? left.id - 1 : Math.max(upTo, ...all);
    sent[channel] = { upTo: Math.max(upTo, end), also: [...all].filter((id) => id > end) };
  }
  return sent;
}

// ------------------------------------------------------------------------------------------------------------ bounds

const rank = (severity: Severity): number => SEVERITIES.indexOf(severity);
/** Said again, or only once and not critical: what nobody misses among many. */
const isMinor = ({ notice, again }: Alert): boolean =>
  again === 'reminder' || again === 'restart' || (notice.kind === 'once' && notice.severity !== 'critical');

type To = Alert['to'];
const sameTo = (one: To, other: To): boolean =>
  one === other || (one?.length === other?.length && (one?.every((name) => other?.includes(name)) ?? false));

/** Raises whose end waits behind them, with that end: together they say nothing that still holds. */
function pairs(pending: readonly Alert[], tried: Tried = () => false): ReadonlySet<Alert> {
  const raises = new Map<string, Alert[]>();
  const found = new Set<Alert>();
  if (!pending.some(({ notice }) => notice.kind === 'clear')) return found;
  for (const alert of pending) {
    const { kind, key } = alert.notice;
    const before = raises.get(key) ?? [];
    if (kind === 'raise') raises.set(key, before);
    if (kind === 'raise') before.push(alert);
    if (kind !== 'clear') continue;
    raises.delete(key);
    // Told again, or told to others as well: then its end is news to somebody.
    const plain = (raise: Alert): boolean => !raise.again && !tried(raise) && sameTo(raise.to, alert.to);
    if (before.length > 0 && before.every(plain)) for (const one of [...before, alert]) found.add(one);
  }
  return found;
}

/** Drops what is too old or too much: what was only said once first, then what is over, then what is least severe. A
 *  raise that was told keeps its clear. */
function bounded(all: readonly Alert[], time: string): readonly Alert[] {
  const oldest = new Date(Date.parse(time) - AGE_MS).toISOString();
  // The oldest comes first: as a rule none is too old.
  const isOld = (alert: Alert): boolean => alert.time < oldest;
  const young = all[0] && isOld(all[0]) ? all.filter((alert) => !isOld(alert) || !isMinor(alert)) : all;
  const surplus = young.length - PENDING_MAX;
  if (surplus <= 0) return young;
  const over = pairs(young);
  const worth = (alert: Alert): number => {
    if (isMinor(alert)) return 100 + rank(alert.notice.severity);
    // Last of all: whoever heard the raise hears the clear.
    if (alert.notice.kind === 'clear') return -1;
    return over.has(alert) ? 50 : rank(alert.notice.severity);
  };
  const dropped = new Set(young.toSorted((a, b) => worth(b) - worth(a) || a.id - b.id).slice(0, surplus));
  return young.filter((alert) => !dropped.has(alert));
}

// -------------------------------------------------------------------------------------------------------------- next

export interface Next {
  readonly alert: Alert;
  /** These count as told with it. */
  readonly with: readonly Alert[];
}

/** May this one have been heard already, though nobody said so? */
export type Tried = (alert: Alert) => boolean;

/** What a channel tells next. Few: in order. Many: what says nothing any more becomes one sentence, and then the most
 *  severe goes first; of one key always the oldest. */
export function nextOf(open: readonly Alert[], burst: number | null, tried: Tried): Next | null {
  const [first] = open;
  if (!first) return null;
  if (burst === null || open.length <= burst) return { alert: first, with: [] };
  const over = pairs(open, tried);
  const idle = open.filter((alert) => isMinor(alert) || over.has(alert));
  if (idle.length > 1) return { alert: summaryOf(idle, open.length - idle.length), with: idle };
  const heads = new Map<string, Alert>();
  for (const alert of open) if (!heads.has(alert.notice.key)) heads.set(alert.notice.key, alert);
  // An end is good news: after what is critical, before the rest.
  const order = ({ notice }: Alert): number => (notice.kind === 'clear' ? 0.5 : rank(notice.severity));
  const [alert = first] = [...heads.values()].toSorted((a, b) => order(a) - order(b) || a.id - b.id);
  return { alert, with: [] };
}

/** `37 coalesced: 30 recovery-started, 7 recovery-failed; 12 more follow`. */
function summaryOf(idle: readonly Alert[], more: number): Alert {
  const counts = new Map<string, number>();
  for (const { notice } of idle) counts.set(notice.event, (counts.get(notice.event) ?? 0) + 1);
  const parts = [...counts].toSorted(([, a], [, b]) => b - a).map(([event, count]) => `${count} ${event}`);
  const rest = parts.length > 6 ? `, and ${parts.length - 6} kinds more` : '';
  const last = idle.at(-1) as Alert;
  const follow = more > 0 ? `; ${more} more follow, the most severe first` : '';
  return {
    id: last.id,
    time: last.time,
    notice: {
      ...last.notice,
      ...{ event: 'alerts-coalesced', kind: 'once', key: 'outbox', service: null, incident: null, cause: null },
      severity: worst(idle),
      summary: `${idle.length} coalesced: ${parts.slice(0, 6).join(', ')}${rest}${follow}`,
      ...{ action: 'see watchkeeper alert list', count: idle.length, runbook: null, raisedAt: last.notice.at },
    },
  };
}

const worst = (alerts: readonly Alert[]): Severity => {
  const found = highest(alerts.map(({ notice }) => notice.severity));
  return found === 'cleared' ? catalogue['alerts-coalesced'].severity : found;
};
