// One alert as the body that a receiver of alerts documents: a value for JSON, or null when it has nothing to tell
// there. Text from outside is made harmless in the way that each receiver needs.
import { clean } from '../core/clean.ts';
import { catalogue, type EventName } from '../core/catalogue.ts';
import type { Severity } from '../core/types.ts';
import type { Alert, Background } from '../define.ts';
import type { Values } from './alert-template.ts';
import { escapeHtml, raisedTime, type Words, wordsOf } from './alert-words.ts';

/** What a format may use. */
export interface Telling {
  readonly alert: Alert;
  readonly node: string;
  readonly channel: string;
  readonly words: Words;
  readonly background: Background;
}

export const telling = (alert: Alert, node: string, channel: string, background: Background): Telling => ({
  ...{ alert, node, channel, background },
  words: wordsOf(alert, node, background),
});

const word = (text: string): string => clean(text, 200);
const severityOf = ({ notice }: Alert): Severity => (notice.kind === 'clear' ? 'cleared' : notice.severity);
const isWeb = (url: string | null): url is string => url !== null && /^https?:\/\/[^\s]+$/.test(url);
const factsOf = ({ words }: Telling): Readonly<Record<string, string>> => Object.fromEntries(words.facts);

// ------------------------------------------------------------------------------------------------------------- own

/** Our own format, version 1. Keys are only added. */
export function ownBody(told: Telling): object {
  const { alert, node, channel, words, background } = told;
  const { notice } = alert;
  return {
    version: 1,
    alert: alert.id,
    time: alert.time,
    ...{ node, channel },
    event: notice.event,
    number: catalogue[notice.event as EventName]?.number ?? null,
    kind: notice.kind,
    severity: severityOf(alert),
    key: word(notice.key),
    service: notice.service === null ? null : word(notice.service),
    incident: notice.incident === null ? null : word(notice.incident),
    since: words.since,
    headline: words.headline,
    summary: clean(notice.summary, 1024),
    action: clean(notice.action, 1024),
    cause: notice.cause,
    count: notice.count,
    runbook: notice.runbook === null ? null : clean(notice.runbook, 1024),
    again: alert.again ?? null,
    waiting: background.children.slice(0, 100).map(word),
    active: background.active,
    story: words.story,
  };
}

export function templateValues({ alert, node, channel, words }: Telling): Values {
  const { notice } = alert;
  return {
    alert: alert.id,
    action: clean(notice.action),
    again: alert.again ?? '',
    cause: notice.cause ?? '',
    channel,
    count: notice.count,
    event: word(notice.event),
    headline: words.headline,
    incident: word(notice.incident ?? ''),
    key: word(notice.key),
    kind: notice.kind,
    node: word(node),
    runbook: clean(notice.runbook ?? ''),
    service: word(notice.service ?? ''),
    severity: severityOf(alert),
    since: words.since,
    summary: clean(notice.summary),
    text: asText(words, 3000),
    time: alert.time,
  };
}

/** The facts as lines, without what the headline says already. */
function asText({ facts, story, commands }: Words, maxBytes: number): string {
  const lines = [
    ...facts.filter(([name]) => name !== 'Severity').map(([name, text]) => `${name}: ${text}`),
    ...story.slice(-10),
    ...commands.map(([what, command]) => `${what}: ${command}`),
  ];
  let text = '';
  for (const line of lines) {
    if (Buffer.byteLength(text) + Buffer.byteLength(line) + 1 > maxBytes) break;
    text += text === '' ? line : `\n${line}`;
  }
  return text;
}

// ---------------------------------------------------------------------------------------------------- Alertmanager

export interface PostableAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
}

/** How long an event that is no alarm is shown as firing. */
const ONCE_MS = 5 * 60_000;

function annotations({ alert, words }: Telling): Record<string, string> {
  const { notice } = alert;
  const all: Record<string, string> = {
    summary: words.sentence,
    description: asText(words, 3000),
    action: clean(notice.action),
    cause: notice.cause ?? '',
    incident: word(notice.incident ?? ''),
    alert: String(alert.id),
    runbook_url: isWeb(notice.runbook) ? clean(notice.runbook) : '',
  };
  return Object.fromEntries(Object.entries(all).filter(([, text]) => text !== ''));
}

/** An alert is the same one as long as its labels are, so nothing that changes may be among them. */
function labels({ alert, node }: Telling, severity: Severity): Record<string, string> {
  const { notice } = alert;
  return {
    alertname: word(notice.event),
    severity,
    instance: word(node),
    job: 'watchkeeper',
    key: word(notice.key),
    ...(notice.service === null ? {} : { service: word(notice.service) }),
  };
}

/** As `POST /api/v2/alerts` takes it. It fires until `endsAt`: `holdMs` after now for an alarm, unless it is told
 *  again. A clear knows no severity; without `severity` it ends the alarm under each that it may have been raised
 *  with. */
export function alertmanager(told: Telling, wallMs: number, holdMs: number, severity?: Severity): PostableAlert[] {
  const { alert } = told;
  const { kind } = alert.notice;
  const start = Date.parse(raisedTime(alert));
  const begun = kind === 'once' ? Date.parse(alert.time) : start;
  const ends = { raise: wallMs + holdMs, once: begun + ONCE_MS, clear: Date.parse(alert.time) }[kind];
  const severities: readonly Severity[] =
    kind !== 'clear'
      ? [alert.notice.severity]
      : severity === undefined
        ? ['critical', 'major', 'minor', 'warning', 'indeterminate']
        : [severity];
  return severities.map((one) => ({
    labels: labels(told, one),
    annotations: annotations(told),
    startsAt: new Date(begun).toISOString(),
    // It must not end before it began.
    endsAt: new Date(Math.max(begun, ends)).toISOString(),
  }));
}

// ------------------------------------------------------------------------------------------------------- PagerDuty

const PAGER_SEVERITY: Readonly<Record<Severity, 'critical' | 'error' | 'warning' | 'info'>> = {
  critical: 'critical',
  major: 'error',
  minor: 'warning',
  warning: 'warning',
  indeterminate: 'info',
  cleared: 'info',
};

/** Events API v2. A single event would be an incident that nothing ever resolves: only grave ones are told. */
export function pagerduty(told: Telling, routingKey: string): object | null {
  const { alert, node, words } = told;
  const { notice } = alert;
  const about = (key: string): string => clean(`${node}/${key}`, 255);
  const head = { routing_key: routingKey, dedup_key: about(notice.key) };
  if (notice.kind === 'clear') return { ...head, event_action: 'resolve' };
  if (notice.event === 'alarm-acknowledged') return { ...head, event_action: 'acknowledge' };
  const grave = notice.severity === 'critical' || notice.severity === 'major' || notice.event === 'alert-test';
  if (notice.kind === 'once' && !grave) return null;
  return {
    ...head,
    ...(notice.kind === 'once' ? { dedup_key: about(`${notice.event}/${alert.id}`) } : {}),
    event_action: 'trigger',
    client: 'Watchkeeper',
    payload: {
      summary: clean(words.headline, 1024),
      source: word(node),
      severity: PAGER_SEVERITY[notice.severity],
      timestamp: notice.kind === 'once' ? alert.time : words.since,
      component: word(notice.service ?? 'watchkeeper'),
      class: word(notice.event),
      custom_details: { ...factsOf(told), story: words.story },
    },
    ...(isWeb(notice.runbook) ? { links: [{ href: clean(notice.runbook), text: 'Runbook' }] } : {}),
  };
}

// ------------------------------------------------------------------------------------------------------------ chat

const COLOUR: Readonly<Record<Severity, string>> = {
  critical: '#b00020',
  major: '#d35400',
  minor: '#b58900',
  warning: '#b58900',
  indeterminate: '#4a6785',
  cleared: '#2e7d32',
};

type Escape = (text: string) => string;
/** Slack: these three begin all markup that does something, `<!channel>` too. */
export const slackText: Escape = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
/** Mattermost: Markdown, and `@all` calls everybody: a space of no width keeps it from that. */
export const markdownText: Escape = (text) => text.replace(/[\\`*_[\]#~|<>]/g, '\\$&').replaceAll('@', '@\u200b');

/** What Slack and Mattermost share: a text, and one attachment with a colour. */
function chat(told: Telling, escape: Escape): Record<string, unknown> {
  const { alert, node, words } = told;
  const text = escape(`[${word(node)}] ${words.headline}`);
  const fields = words.facts
    .filter(([name]) => name !== 'Node' && name !== 'Severity')
    .map(([title, value]) => ({ title, value: escape(value), short: value.length < 40 }));
  const commands = words.commands.map(([what, command]) => escape(`${what}: ${command}`));
  const story = words.story.slice(-10).map(escape);
  return {
    text,
    attachments: [
      {
        color: COLOUR[severityOf(alert)],
        fallback: text,
        ...(story.length > 0 ? { text: clean(story.join(' · '), 2500) } : {}),
        fields: [...fields, { title: 'What to do', value: commands.join('\n'), short: false }],
      },
    ],
  };
}

export function slack(told: Telling): object {
  const body = chat(told, slackText);
  const [attachment] = body['attachments'] as object[];
  const at = Math.floor(Date.parse(told.alert.time) / 1000);
  return { ...body, attachments: [{ ...attachment, footer: 'Watchkeeper', ts: at }] };
}

export const mattermost = (told: Telling): object => chat(told, markdownText);

/** The content of an `m.room.message`. `m.mentions` without anybody: no word of the text calls the room. */
export function matrix(told: Telling): object {
  const { node, words } = told;
  const head = `[${word(node)}] ${words.headline}`;
  const text = asText(words, 4000);
  return {
    msgtype: 'm.text',
    body: `${head}\n${text}`,
    format: 'org.matrix.custom.html',
    formatted_body: `<b>${escapeHtml(head)}</b><br>${escapeHtml(text).replaceAll('\n', '<br>')}`,
    'm.mentions': {},
  };
}

// ------------------------------------------------------------------------------------------------------------ ntfy

const NTFY: Readonly<Record<Severity, readonly [priority: number, tag: string]>> = {
  critical: [5, 'rotating_light'],
  major: [4, 'warning'],
  minor: [3, 'warning'],
  warning: [3, 'warning'],
  indeterminate: [2, 'information_source'],
  cleared: [2, 'white_check_mark'],
};

/** JSON for the root of the server. A message of more than 4096 bytes would become an attachment. */
export function ntfy(told: Telling, topic: string): object {
  const { alert, node, words } = told;
  const [priority, tag] = NTFY[severityOf(alert)];
  return {
    topic,
    title: clean(`[${word(node)}] ${words.headline}`, 250),
    message: asText(words, 3500),
    priority,
    tags: [tag, word(alert.notice.service ?? node)],
    ...(isWeb(alert.notice.runbook) ? { click: clean(alert.notice.runbook) } : {}),
  };
}
