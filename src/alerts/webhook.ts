// Alerts by HTTP: our own JSON, what well-known receivers document, or a body of one's own.
import type { Severity } from '../core/types.ts';
import { type Alert, type AlertContext, defineAlert, opt, type SendResult, z } from '../define.ts';
import * as formats from '../dialogues/alert-formats.ts';
import { filled, templateFault } from '../dialogues/alert-template.ts';
import { signature } from '../dialogues/hmac.ts';
import { authorities } from '../dialogues/session.ts';
import {
  ask,
  decoded,
  headerValue,
  isOpen,
  isReference,
  reader,
  type Reader,
  urlOf,
  webUrl,
} from '../dialogues/web-post.ts';

const FORMATS = ['json', 'alertmanager', 'pagerduty', 'slack', 'mattermost', 'matrix', 'ntfy', 'custom'] as const;
/** Ours to set. */
const OWN_HEADERS = /^(host|content-length|content-type|transfer-encoding|connection|expect|x-watchkeeper-.*)$/i;

const headers = z
  .record(
    z
      .string()
      .max(100)
      .regex(/^[A-Za-z0-9-]+$/),
    z
      .string()
      .max(2048)
      .regex(/^[\t\x20-\x7e]*$/, 'expected ASCII'),
  )
  .superRefine((all, context) => {
    for (const name of Object.keys(all))
      if (OWN_HEADERS.test(name)) context.addIssue({ code: 'custom', message: `${name} is set here`, path: [name] });
  });

const template = opt
  .text('For `custom`: JSON text with placeholders such as `"{{summary}}"`.')
  .superRefine((text, context) => {
    const fault = templateFault(text);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  });

const options = z
  .object({
    url: webUrl('Where to: an address, or a reference to a secret that holds it (chat webhooks are secrets).'),
    format: z
      .enum(FORMATS)
      .default('json')
      .describe('What the receiver is; `json` is our own format, `custom` takes `template`.'),
    method: z.enum(['POST', 'PUT']).optional().describe('Default: POST; PUT for `matrix`.'),
    headers: headers.default({}).describe('More headers; a value may be a reference to a secret.'),
    token: opt.secret('Sent as `Authorization: Bearer …`.').optional(),
    sign: opt.secret('Key of the signature in `X-Watchkeeper-Signature`; none: no signature.').optional(),
    'routing-key': opt.secret('For `pagerduty`: the integration key.').optional(),
    room: z
      .string()
      .max(255)
      .regex(/^![^\s/]+$/, 'expected the id of a room, such as !abc:example.org')
      .optional()
      .describe('For `matrix`: the id of the room; `url` is the server, `token` the account.'),
    template: template.optional(),
    hold: opt
      .duration('For `alertmanager`: how long an alarm fires there if nothing more is heard of it.')
      .prefault('24h'),
    ca: opt.path('PEM file of authorities to trust instead of the well-known ones.').optional(),
    timeout: opt.duration('For the whole request.').prefault('10s'),
  })
  .superRefine((all, context) => {
    const issue = (path: string, message: string): void => context.addIssue({ code: 'custom', message, path: [path] });
    if (all.format === 'custom' && all.template === undefined) issue('format', '`custom` needs `template`');
    if (all.format !== 'custom' && all.template !== undefined) issue('template', '`template` is for `custom` only');
    if (all.format === 'pagerduty' && all['routing-key'] === undefined)
      issue('format', '`pagerduty` needs `routing-key`');
    if (all.format === 'matrix' && (all.room === undefined || all.token === undefined))
      issue('format', '`matrix` needs `room` and `token`');
    const carries = all.token ?? all['routing-key'] ?? Object.values(all.headers).find(isReference);
    if (carries !== undefined && !isReference(all.url) && isOpen(all.url))
      issue('url', 'a secret is not sent over http:// to another machine: use https://');
  });
type Options = z.output<typeof options>;
type Context = AlertContext<Options>;

/** What is remembered from alert to alert. */
interface Memory {
  /** On the monotonic clock: until then the receiver wants no request. */
  quietUntil: number;
  /** Alarms that fire at an Alertmanager, by key: it forgets what it does not hear of again. */
  readonly firing: Map<string, { readonly posted: formats.PostableAlert; readonly severity: Severity }>;
  close(): void;
}
const newMemory = (): Promise<Memory> =>
  Promise.resolve({ quietUntil: 0, firing: new Map(), close: () => undefined } satisfies Memory);

const MAX_FIRING = 500;

function toAlertmanager(told: formats.Telling, context: Context, { firing }: Memory): object {
  const { ports, options: own } = context;
  const { key, kind } = told.alert.notice;
  const known = firing.get(key);
  // Nothing is active any more: whatever is remembered has been cleared by a way that did not lead here.
  if (told.background.active.count === 0) firing.clear();
  const now = ports.clock.wall();
  const others = [...firing].filter(([other]) => kind === 'once' || other !== key).map(([, one]) => one.posted);
  const endsAt = new Date(now + own.hold).toISOString();
  return [
    ...formats.alertmanager(told, now, own.hold, kind === 'clear' ? known?.severity : undefined),
    ...others.map((posted) => ({ ...posted, endsAt })),
  ];
}

/** After it was sent. */
function remember({ firing }: Memory, told: formats.Telling): void {
  const { key, kind, severity } = told.alert.notice;
  if (kind === 'once') return;
  firing.delete(key);
  const [posted] = kind === 'raise' ? formats.alertmanager(told, 0, 0) : [];
  if (posted) firing.set(key, { posted, severity });
  const [oldest] = firing.keys();
  if (firing.size > MAX_FIRING && oldest !== undefined) firing.delete(oldest);
}

interface Message {
  readonly url: string;
  readonly method: 'POST' | 'PUT';
  readonly body: string;
}

/** The topic is the last part of the address, as people know it from ntfy; JSON goes to what is before it. */
function ntfyMessage(url: string, told: formats.Telling): { url: string; value: object } {
  const at = new URL(url);
  const [, before = '', topic = ''] = /^(.*\/)([^/]*)$/.exec(at.pathname.replace(/\/$/, '')) ?? [];
  at.pathname = before;
  return { url: at.href, value: formats.ntfy(told, decoded(topic)) };
}

/** Null: this receiver has no use for it. */
function messageOf(told: formats.Telling, context: Context, read: Reader, memory: Memory): Message | null {
  const { options: own } = context;
  const url = urlOf(read, own.url);
  const json = (value: object | null, to = url, method: Message['method'] = 'POST'): Message | null =>
    value === null ? null : { url: to, method: own.method ?? method, body: JSON.stringify(value) };
  switch (own.format) {
    case 'json':
      return json(formats.ownBody(told));
    case 'alertmanager':
      return json(toAlertmanager(told, context, memory));
    case 'pagerduty':
      return json(formats.pagerduty(told, read(own['routing-key'] ?? '')));
    case 'slack':
      return json(formats.slack(told));
    case 'mattermost':
      return json(formats.mattermost(told));
    case 'matrix': {
      const { id, time } = told.alert;
      // The same transaction at every try: the server takes it once.
      const transaction = encodeURIComponent(`${told.node}.${id}.${time.replace(/\D/g, '')}`);
      const room = encodeURIComponent(own.room ?? '');
      const base = url.replace(/\/+$/, '');
      return json(
        formats.matrix(told),
        `${base}/_matrix/client/v3/rooms/${room}/send/m.room.message/${transaction}`,
        'PUT',
      );
    }
    case 'ntfy': {
      const { url: to, value } = ntfyMessage(url, told);
      return json(value, to);
    }
    case 'custom': {
      const body = filled(own.template ?? '', formats.templateValues(told));
      return { url, method: own.method ?? 'POST', body };
    }
  }
}

async function headersOf(context: Context, read: Reader, id: number, body: string): Promise<Record<string, string>> {
  const { options: own, ports, node } = context;
  const more = Object.entries(own.headers).map(([name, value]) => [name, headerValue(read, value)] as const);
  const timestamp = String(Math.floor(ports.clock.wall() / 1000));
  return {
    ...Object.fromEntries(more),
    ...(own.token === undefined ? {} : { authorization: `Bearer ${headerValue(read, own.token)}` }),
    'content-type': 'application/json; charset=utf-8',
    'x-watchkeeper-alert': String(id),
    'x-watchkeeper-node': encodeURIComponent(node),
    ...(own.sign === undefined
      ? {}
      : {
          'x-watchkeeper-timestamp': timestamp,
          'x-watchkeeper-signature': `sha256=${await signature(read(own.sign), timestamp, body)}`,
        }),
  };
}

async function deliver(alert: Alert, context: Context, memory: Memory): Promise<SendResult> {
  const { ports, options: own, signal, node, channel } = context;
  const read = reader(ports);
  const told = formats.telling(alert, node, channel, context.background());
  const { result, waitMs } = await ask(ports, read, async () => {
    const message = messageOf(told, context, read, memory);
    if (message === null) return null;
    const more = await headersOf(context, read, alert.id, message.body);
    return { ...message, headers: more, tls: authorities(ports, own.ca), signal, timeoutMs: own.timeout };
  });
  if (waitMs > 0) memory.quietUntil = ports.clock.monotonic() + waitMs;
  if (result === 'sent') {
    if (own.format === 'alertmanager') remember(memory, told);
    context.trouble(null);
  } else if ('drop' in result) context.trouble(`an alert was refused for good: ${result.drop}`);
  return result;
}

export default defineAlert({
  about:
    'Sends each alert by HTTP: our JSON, Alertmanager, PagerDuty, Slack, Mattermost, Matrix, ntfy, or your own body.',
  options,
  example: { url: 'https://hooks.example.org/watchkeeper', sign: 'credential:webhook-key' },
  async send(alert, context) {
    const memory = await context.lasting(newMemory);
    const quietMs = memory.quietUntil - context.ports.clock.monotonic();
    if (quietMs > 0) return { retry: `the receiver asked to be left alone for ${Math.ceil(quietMs / 1000)} s more` };
    return deliver(alert, context, memory);
  },
});
