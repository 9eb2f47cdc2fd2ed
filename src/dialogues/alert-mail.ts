// One alert as a mail: subject, headers, text and HTML. The same alert gives the same Message-ID at every try, and all
// mails of one incident are one thread.
import { clean } from '../core/clean.ts';
import type { Severity } from '../core/types.ts';
import type { Alert, Background } from '../define.ts';
import { escapeHtml, type Words, wordsOf } from './alert-words.ts';

export interface AlertMail {
  readonly subject: string;
  readonly from: { readonly name: string; readonly address: string };
  readonly to: readonly string[];
  readonly date: Date;
  readonly messageId: string;
  readonly references: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly html: string;
}

export interface MailPlace {
  readonly node: string;
  readonly channel: string;
  readonly from: string;
  readonly to: readonly string[];
}

const MAX_SUBJECT = 200;

/** What programs sort by: `X-Priority` (1 to 5), `Importance` (RFC 2156). */
const IMPORTANCE: Readonly<Record<Severity, readonly [priority: string, importance: string]>> = {
  critical: ['1 (Highest)', 'high'],
  major: ['2 (High)', 'high'],
  minor: ['3 (Normal)', 'normal'],
  warning: ['3 (Normal)', 'normal'],
  indeterminate: ['5 (Lowest)', 'low'],
  cleared: ['5 (Lowest)', 'low'],
};

/** Letters that a Message-ID may have as they are (RFC 5322, dot-atom); every other is its number. */
const idPart = (text: string): string =>
  text.slice(0, 80).replace(/[^A-Za-z0-9-]/gu, (char) => `_${(char.codePointAt(0) ?? 0).toString(16)}`);

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1);

/** The number alone would come again after the state was lost, and programs drop what has a known Message-ID. */
function messageId({ id, time }: Alert, place: MailPlace): string {
  const when = time.replace(/\D/g, '');
  return `<${id}.${when}.${idPart(place.channel)}.${idPart(place.node)}@${domainOf(place.from)}>`;
}

/** The root of the thread is no mail that was ever sent: whichever mail comes first, the others join it. */
function threadRoot({ notice }: Alert, place: MailPlace): string | null {
  const topic =
    notice.incident !== null
      ? `incident.${idPart(notice.incident)}`
      : notice.kind === 'once'
        ? null
        : `alarm.${idPart(notice.key)}.${Math.round(notice.raisedAt)}`;
  return topic === null ? null : `<${topic}.${idPart(place.node)}@${domainOf(place.from)}>`;
}

function asText({ headline, facts, story, commands }: Words): string {
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = [headline, '', ...facts.map(([name, text]) => `${name.padEnd(width)}  ${text}`)];
  if (story.length > 0) lines.push('', 'What happened (UTC)', ...story.map((line) => `  ${line}`));
  lines.push('', ...commands.map(([what, command]) => `${what}: ${command}`), '');
  return lines.join('\n');
}

const COLOUR: Readonly<Record<Severity, string>> = {
  critical: '#b00020',
  major: '#d35400',
  minor: '#b58900',
  warning: '#b58900',
  indeterminate: '#4a6785',
  cleared: '#2e7d32',
};

/** Tables and inline style: what every mail program shows. No pictures, no scripts, nothing is fetched. */
function asHtml({ headline, facts, story, commands }: Words, severity: Severity): string {
  const text = escapeHtml;
  const link = (value: string): string =>
    /^https?:\/\/[^\s"<>]+$/.test(value) ? `<a href="${text(value)}">${text(value)}</a>` : text(value);
  const row = ([name, value]: readonly [string, string]): string =>
    `<tr><td style="padding:2px 12px 2px 0;color:#555">${text(name)}</td><td>${link(value)}</td></tr>`;
  const told = story.map((line) => `<li>${text(line)}</li>`).join('\n');
  return [
    '<!doctype html>',
    '<html lang="en"><body style="font-family:sans-serif;font-size:14px">',
    `<p style="border-left:6px solid ${COLOUR[severity]};padding-left:10px"><b>${text(headline)}</b></p>`,
    `<table style="border-collapse:collapse">\n${facts.map(row).join('\n')}\n</table>`,
    ...(told === '' ? [] : [`<p>What happened (UTC)</p>\n<ul>\n${told}\n</ul>`]),
    ...commands.map(([what, command]) => `<p>${text(what)}: <code>${text(command)}</code></p>`),
    '</body></html>',
    '',
  ].join('\n');
}

export function alertMail(alert: Alert, place: MailPlace, background: Background): AlertMail {
  const { notice } = alert;
  const words = wordsOf(alert, place.node, background);
  const severity: Severity = notice.kind === 'clear' ? 'cleared' : notice.severity;
  const [priority, importance] = IMPORTANCE[severity];
  const own = { Node: place.node, Alert: String(alert.id), Event: notice.event, Key: notice.key, Severity: severity };
  return {
    subject: clean(`[watchkeeper ${clean(place.node, 64)}] ${words.headline}`, MAX_SUBJECT),
    from: { name: `Watchkeeper ${clean(place.node, 64)}`, address: place.from },
    to: place.to,
    date: new Date(alert.time),
    messageId: messageId(alert, place),
    references: threadRoot(alert, place),
    headers: {
      'X-Priority': priority,
      Importance: importance,
      // Nobody answers it by machine (RFC 3834; the second is what Exchange looks at).
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      ...Object.fromEntries(Object.entries(own).map(([name, text]) => [`X-Watchkeeper-${name}`, clean(text, 200)])),
    },
    text: asText(words),
    html: asHtml(words, severity),
  };
}
