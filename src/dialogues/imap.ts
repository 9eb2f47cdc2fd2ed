// IMAP as a client that looks after one probe message (RFC 3501, 4315, 5530): responses with literals, commands, and
// what a NO means for the health of the store. docs/decisions/001 says why this is our own and not a library's.
import { type CheckResult, degraded, fail } from '../define.ts';
import { type Dialogue, NetError } from '../ports/net.ts';
import { plain, quote } from './quote.ts';
import type { Session } from './session.ts';

export interface Response {
  /** All of it, literals left out. */
  readonly text: string;
  readonly literals: readonly Buffer[];
}

export interface Answer {
  readonly status: 'OK' | 'NO' | 'BAD';
  /** What stands in brackets, in upper case: `AUTHENTICATIONFAILED`, `APPENDUID 7 42`; '' without. */
  readonly code: string;
  readonly text: string;
  readonly untagged: readonly Response[];
}

const MAX_LITERAL = 65_536;
const MAX_LITERALS = 20;
const MAX_UNTAGGED = 2000;

async function readResponse(dialogue: Dialogue): Promise<Response> {
  let text = await dialogue.readLine();
  const literals: Buffer[] = [];
  for (let found = /\{(\d{1,10})\+?\}$/.exec(text); found; found = /\{(\d{1,10})\+?\}$/.exec(text)) {
    const size = Number(found[1]);
    if (size > MAX_LITERAL || literals.length >= MAX_LITERALS) {
      throw new NetError('too-long', `a literal of ${size} bytes`);
    }
    literals.push(await dialogue.readBytes(size));
    text = text.slice(0, found.index) + (await dialogue.readLine());
  }
  return { text, literals };
}

/** Dovecot greets with OK after ten seconds of a dead authentication service, only to say so. */
const WAITING = /Waiting for authentication process/i;

/** The greeting. Gives the capabilities it names (maybe none), or a verdict. */
export async function greeting(session: Session, dialogue: Dialogue): Promise<string | CheckResult> {
  const { text } = await session.step(
    'greeting',
    () => readResponse(dialogue),
    (seen) => seen.text,
  );
  const { seen } = session;
  if (WAITING.test(text)) return fail('hung', `its authentication does not answer: ${quote(text)}`, seen);
  if (/^\* (OK|PREAUTH)\b/i.test(text)) return capabilities(text);
  if (/^\* BYE\b/i.test(text)) {
    const busy = /too many|limit|busy|overload/i.test(text);
    return busy
      ? degraded('overloaded', `greeting: ${quote(text)}`, seen)
      : fail('refusing', `greeting: ${quote(text)}`, seen);
  }
  throw new NetError('garbled', `not an IMAP greeting: ${quote(text, 80)}`);
}

const capabilities = (text: string): string => (/\bCAPABILITY ([^\]\r\n]*)/i.exec(text)?.[1] ?? '').toUpperCase();

/** A string argument: quoted where that can be, else a literal. */
function argument(text: string): { readonly quoted: string } | { readonly literal: Buffer } {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these cannot stand in a quoted string.
  if (/^[\x20-\x7e]*$/.test(text)) return { quoted: `"${text.replace(/[\\"]/g, '\\$&')}"` };
  return { literal: Buffer.from(text, 'utf8') };
}

export interface Imap {
  /** `words` go out as they are; `{ string }` is quoted or sent as a literal; `{ bytes }` is a literal. */
  command(...words: readonly (string | { readonly string: string } | { readonly bytes: string })[]): Promise<Answer>;
}

function parseAnswer(rest: string, untagged: readonly Response[]): Answer {
  const found = /^(OK|NO|BAD)\b\s*(?:\[([^\]]*)\])?\s*(.*)$/is.exec(rest);
  if (!found) throw new NetError('garbled', `not an IMAP answer: ${quote(rest, 80)}`);
  const status = found[1]?.toUpperCase() as Answer['status'];
  return { status, code: (found[2] ?? '').toUpperCase(), text: plain(rest), untagged };
}

/** A client on top of an open dialogue. One command at a time. */
export function imapOn(dialogue: Dialogue): Imap {
  let count = 0;
  let leaving = false;
  /** Until the answer to `tag`, or, with `go`, until the server asks for a literal. */
  async function until(tag: string, go: boolean): Promise<Answer | 'go'> {
    const untagged: Response[] = [];
    for (;;) {
      const response = await readResponse(dialogue);
      const { text } = response;
      if (text.startsWith('+')) {
        if (go) return 'go';
        throw new NetError('garbled', `a continuation that nobody asked for: ${quote(text, 80)}`);
      }
      if (text.startsWith(`${tag} `)) return parseAnswer(text.slice(tag.length + 1), untagged);
      if (!text.startsWith('* ')) throw new NetError('garbled', `not an IMAP response: ${quote(text, 80)}`);
      if (/^\* BYE\b/i.test(text) && !leaving) throw new NetError('closed', `the server says goodbye: ${quote(text)}`);
      if (untagged.length >= MAX_UNTAGGED)
        throw new NetError('too-long', `more than ${MAX_UNTAGGED} responses to one command`);
      untagged.push(response);
    }
  }
  return {
    async command(...words) {
      count += 1;
      const tag = `w${count}`;
      leaving = words[0] === 'LOGOUT';
      let line = tag;
      for (const word of words) {
        const piece =
          typeof word === 'string'
            ? { quoted: word }
            : 'string' in word
              ? argument(word.string)
              : { literal: Buffer.from(word.bytes) };
        if ('quoted' in piece) {
          line += ` ${piece.quoted}`;
          continue;
        }
        await dialogue.write(`${line} {${piece.literal.length}}\r\n`);
        const answer = await until(tag, true);
        if (answer !== 'go') return answer;
        line = piece.literal.toString('utf8');
      }
      await dialogue.write(`${line}\r\n`);
      const answer = await until(tag, false);
      if (answer === 'go') throw new NetError('garbled', 'a continuation in place of an answer');
      return answer;
    },
  };
}

/** What a NO or BAD says about the store (RFC 5530 codes first, then the words of Dovecot and Cyrus). */
export function judge(answer: Answer, step: string, session: Session): CheckResult {
  const said = `${step}: ${quote(answer.text)}`;
  const { seen } = session;
  const { code, text, status } = answer;
  if (status === 'BAD') return fail('misconfigured', said, seen);
  if (code.startsWith('OVERQUOTA') || /quota|no space|disk full|read-?only/i.test(text))
    return fail('no-space', said, seen);
  if (/^(LIMIT|INUSE)/.test(code) || /too many|maximum number of connections/i.test(text))
    return degraded('overloaded', said, seen);
  // A part behind the server is down: the directory behind the login, the storage behind the mailbox. It is not cured
  // by restarting what stands in front of it.
  if (/^(UNAVAILABLE|SERVERBUG|CORRUPTION)/.test(code) || /internal error|temporary/i.test(text)) {
    return fail('dependency', said, seen);
  }
  if (step === 'LOGIN') return degraded('credentials', said, seen);
  return fail('misconfigured', said, seen);
}

/** Adds what a greeting or an answer says about capabilities, or asks for them. */
export async function capabilitiesOf(imap: Imap, known: string): Promise<ReadonlySet<string>> {
  if (known !== '') return new Set(known.split(' '));
  const answer = await imap.command('CAPABILITY');
  return new Set(capabilities(answer.untagged.map((response) => response.text).join(' ')).split(' '));
}
