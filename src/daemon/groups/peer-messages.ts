// What daemons say to each other over a comm path: one JSON object a line. Read by hand, because whoever sends it may
// be another version, or somebody who stole a certificate. Unknown fields are passed over, unknown kinds get an answer.

export const VERSION = 1;
/** Of what is asked or answered by others than us, as JSON: below what one line may hold. */
export const BODY_BYTES = 60_000;
const NAME_MAX = 253;
const WHY_MAX = 300;

export type Asked =
  | { readonly kind: 'hello' }
  | { readonly kind: 'promise'; readonly group: string; readonly epoch: number }
  | { readonly kind: 'ask'; readonly body: unknown };

/** `re`: the id of what it answers. */
export interface Answered {
  readonly re: string;
  readonly agreed: boolean;
  readonly why: string;
  readonly body: unknown;
  /** Why there is no answer; null: there is one. */
  readonly error: string | null;
}

export type Message =
  | { readonly is: 'asked'; readonly id: string; readonly asked: Asked }
  | { readonly is: 'answered'; readonly answered: Answered }
  /** It asks something that is not known here. */
  | { readonly is: 'strange'; readonly id: string; readonly why: string }
  /** No message at all. */
  | { readonly is: 'garbage' };

const GARBAGE = { is: 'garbage' } as const;
const ID = /^[0-9A-Za-z-]{1,64}$/;
const isId = (value: unknown): value is string => typeof value === 'string' && ID.test(value);
const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= NAME_MAX;

function parse(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

export function readMessage(text: string): Message {
  const it = parse(text);
  if (!it) return GARBAGE;
  const { re, id, v, kind } = it;
  if (isId(re)) return { is: 'answered', answered: answerOf(re, it) };
  if (!isId(id)) return GARBAGE;
  if (v !== VERSION) return { is: 'strange', id, why: `version ${VERSION} is spoken here` };
  const asked = askedOf(kind, it);
  return typeof asked === 'string' ? { is: 'strange', id, why: asked } : { is: 'asked', id, asked };
}

function askedOf(kind: unknown, { group, epoch, body }: Readonly<Record<string, unknown>>): Asked | string {
  switch (kind) {
    case 'hello':
      return { kind };
    case 'promise':
      return isName(group) && typeof epoch === 'number' && Number.isSafeInteger(epoch) && epoch >= 0
        ? { kind, group, epoch }
        : 'a promise needs a group and an epoch';
    case 'ask':
      return typeof body === 'object' && body !== null ? { kind, body } : 'there is nothing asked';
    default:
      return 'this kind is not known here';
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, WHY_MAX) : '');

function answerOf(re: string, { agreed, why, body, error, v }: Readonly<Record<string, unknown>>): Answered {
  const fault = error === undefined ? (v === VERSION ? null : 'another version') : textOf(error) || 'an error';
  // Nothing but a clear yes is one.
  return { re, agreed: fault === null && agreed === true, why: textOf(why), body: body ?? null, error: fault };
}

export const writeAsked = (id: string, asked: Asked): string => JSON.stringify({ v: VERSION, id, ...asked });

export type Reply =
  | { readonly kind: 'hello' }
  | { readonly agreed: boolean; readonly why: string }
  | { readonly body: unknown }
  | { readonly error: string };

export function writeReply(re: string, reply: Reply): string {
  const text = JSON.stringify({ v: VERSION, re, ...reply });
  return Buffer.byteLength(text) <= BODY_BYTES + 1000
    ? text
    : JSON.stringify({ v: VERSION, re, error: 'the answer is too long' });
}
