// An alert in words for people, the same in every channel that writes sentences: the headline, since when, what was
// done, how to answer. Everything that came from outside is made printable here.
import { clean } from '../core/clean.ts';
import type { Alert, Background } from '../define.ts';

export interface Words {
  /** `MAJOR mta: no banner within 2 s`, `cleared mta: …`, `recovery-started mta: …`. */
  readonly headline: string;
  /** Without the first word: `mta: no banner within 2 s`. */
  readonly sentence: string;
  /** RFC 3339: when the alarm was raised, or when it happened. */
  readonly since: string;
  readonly facts: readonly (readonly [name: string, text: string])[];
  /** The incident's story, a line each, oldest first. */
  readonly story: readonly string[];
  /** Commands for whoever reads it. */
  readonly commands: readonly (readonly [what: string, command: string])[];
}

const MAX_SENTENCE = 400;
const MAX_WORD = 128;
const word = (text: string): string => clean(text, MAX_WORD);

/** `90 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The wall clock of the raise. `at` and `raisedAt` are on the daemon's own timeline: only their difference says
 *  something. */
export function raisedTime({ time, notice }: Alert): string {
  const wall = Date.parse(time) - Math.max(0, notice.at - notice.raisedAt);
  return Number.isFinite(wall) ? new Date(wall).toISOString() : time;
}

/** `2026-11-22 13:00:00 UTC` */
const utc = (time: string): string => `${time.slice(0, 19).replace('T', ' ')} UTC`;

export function sentenceOf({ notice }: Alert): string {
  const { service, summary } = notice;
  const named = service === null || summary.startsWith(`${service}:`);
  return clean(named ? summary : `${service}: ${summary}`, MAX_SENTENCE);
}

/** The one word that it begins with: the severity of a raise, `cleared`, or what happened. */
export function firstWord({ notice }: Alert): string {
  if (notice.kind === 'clear') return 'cleared';
  return notice.kind === 'raise' ? notice.severity.toUpperCase() : word(notice.event);
}

/** A word of a command line that a shell takes as it is. */
const shellWord = (text: string): string => {
  const shown = word(text);
  return /^[\w./:@+-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`;
};

function factsOf(alert: Alert, node: string, background: Background): Words['facts'] {
  const { notice } = alert;
  const { children, active } = background;
  const raised = raisedTime(alert);
  const lasted = age(notice.at - notice.raisedAt);
  const also = children.slice(0, 20).map(word).join(', ');
  const facts: [string, string | null][] = [
    ['Node', word(node)],
    ['Service', notice.service === null ? null : word(notice.service)],
    ['Severity', notice.kind === 'clear' ? null : notice.severity],
    [notice.kind === 'once' ? 'When' : 'Since', notice.kind === 'once' ? utc(alert.time) : utc(raised)],
    ['Until', notice.kind === 'clear' ? `${utc(alert.time)} (it lasted ${lasted})` : null],
    ['Cause', notice.cause],
    ['Action', notice.action === '' ? null : clean(notice.action, MAX_SENTENCE)],
    ['Waiting for it', also === '' ? null : `${also}${children.length > 20 ? ', …' : ''}`],
    ['Times', notice.count > 1 ? String(notice.count) : null],
    ['Incident', notice.incident === null ? null : word(notice.incident)],
    ['Told again', alert.again ?? null],
    ['Active alarms', active.count === 0 ? 'none' : `${active.count}, the highest ${active.highest}`],
    ['Runbook', notice.runbook === null ? null : clean(notice.runbook, MAX_SENTENCE)],
  ];
  return facts.flatMap(([name, text]) => (text === null ? [] : [[name, text] as const]));
}

const MAX_STORY = 40;

/** `12:59:58  mta: two checks failed`, with the day if it is another one than the alert's. */
function storyLine({ time, service, text }: Background['story'][number], told: string): string {
  const when = word(time);
  const day = when.slice(0, 10) === told.slice(0, 10) ? '' : `${when.slice(0, 10)} `;
  return `${day}${when.slice(11, 19)}  ${service === null ? '' : `${word(service)}: `}${clean(text, MAX_SENTENCE)}`;
}

export function wordsOf(alert: Alert, node: string, background: Background): Words {
  const { notice } = alert;
  const sentence = sentenceOf(alert);
  const again = alert.again === undefined ? '' : ` (${alert.again})`;
  const takeOn: [string, string] = ['Take it on', `watchkeeper ack ${shellWord(notice.key)}`];
  const why: [string, string] = ['See why', `watchkeeper explain ${shellWord(notice.service ?? '')}`];
  return {
    headline: `${firstWord(alert)}${again} ${sentence}`,
    sentence,
    since: raisedTime(alert),
    facts: factsOf(alert, node, background),
    story: background.story.slice(-MAX_STORY).map((step) => storyLine(step, alert.time)),
    commands: [
      ...(notice.kind === 'raise' ? [takeOn] : []),
      ...(notice.service === null ? [['See all', 'watchkeeper status'] as [string, string]] : [why]),
    ],
  };
}

/** For HTML and XML. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
