// A probe's mailbox over IMAP: log in, select, find and remove probe messages. Touches nothing that does not carry the
// probe's own header.
import { type CheckResult, fail, unknown } from '../define.ts';
import { type Dialogue, NetError } from '../ports/net.ts';
import { address, implicitTls, isLoopback, type Place, type TlsUse, tlsOptions } from './endpoint.ts';
import * as imap from './imap.ts';
import { isToken, PROBE_HEADER } from './probe-mail.ts';
import { plain } from './quote.ts';
import { type Session, secret } from './session.ts';

export interface MailboxOptions {
  readonly place: Place;
  readonly use: TlsUse;
  readonly user: string;
  /** A reference to a secret. */
  readonly password: string;
  readonly mailbox: string;
}

export interface Mailbox {
  readonly imap: imap.Imap;
  readonly uidplus: boolean;
  /** The UID that the next message gets, as SELECT said. */
  readonly uidNext: number;
}

export const isVerdict = (found: object | string | null): found is CheckResult =>
  found !== null && typeof found === 'object' && 'outcome' in found;

async function secure(
  session: Session,
  dialogue: Dialogue,
  options: MailboxOptions,
  client: imap.Imap,
  known: string,
): Promise<ReadonlySet<string> | CheckResult> {
  const offered = await imap.capabilitiesOf(client, known);
  const { tls } = options.use;
  if (tls === 'off' || tls === 'implicit') return offered;
  if (!offered.has('STARTTLS')) {
    if (tls === 'offered') return offered;
    return fail('misconfigured', 'STARTTLS is required and the server does not offer it', session.seen);
  }
  const go = await session.step(
    'STARTTLS',
    () => client.command('STARTTLS'),
    (answer) => answer.text,
  );
  if (go.status !== 'OK') return imap.judge(go, 'STARTTLS', session);
  const settings = tlsOptions(session.ports, options.use, options.place);
  await session.step(
    'TLS',
    () => dialogue.startTls(settings),
    (seen) => `${seen.protocol} ${seen.subject}`,
  );
  // What was offered in plain text does not count inside (RFC 3501 section 6.2.1).
  return imap.capabilitiesOf(client, '');
}

async function login(
  session: Session,
  dialogue: Dialogue,
  options: MailboxOptions,
  client: imap.Imap,
  offered: ReadonlySet<string>,
): Promise<CheckResult | null> {
  if (offered.has('LOGINDISABLED')) {
    return fail('misconfigured', 'the server allows no LOGIN on this connection (LOGINDISABLED)', session.seen);
  }
  if (dialogue.certificate === null && !isLoopback(options.place)) {
    return unknown('the probe sends no password over a connection without TLS', session.seen);
  }
  const password = secret(session.ports, options.password);
  const answer = await session.step(
    'LOGIN',
    () => client.command('LOGIN', { string: options.user }, { string: password }),
    (seen) => seen.text,
  );
  return answer.status === 'OK' ? null : imap.judge(answer, 'LOGIN', session);
}

/** Connects, logs in and selects. Gives the mailbox, or a verdict. */
export async function openMailbox(session: Session, options: MailboxOptions): Promise<Mailbox | CheckResult> {
  const tls = implicitTls(session.ports, options.use, options.place);
  const dialogue = await session.step('connect', () => session.open({ ...address(options.place), ...tls }));
  const known = await imap.greeting(session, dialogue);
  if (isVerdict(known)) return known;
  const client = imap.imapOn(dialogue);
  const offered = await secure(session, dialogue, options, client, known);
  if (isVerdict(offered)) return offered;
  const refused = await login(session, dialogue, options, client, offered);
  if (refused) return refused;
  const selected = await inStore(session, 'SELECT', () => client.command('SELECT', { string: options.mailbox }));
  if (isVerdict(selected)) return selected;
  if (selected.code.startsWith('READ-ONLY')) {
    return fail('no-space', `SELECT: the mailbox is read-only: ${plain(selected.text)}`, session.seen);
  }
  const all = [selected.code, ...selected.untagged.map((response) => response.text)].join(' ');
  const uidNext = Number(/UIDNEXT (\d{1,10})/i.exec(all)?.[1] ?? 1);
  // Servers tell the full list of capabilities only after LOGIN (RFC 3501 section 7.2.1).
  const inside = await imap.capabilitiesOf(client, '');
  return { imap: client, uidplus: inside.has('UIDPLUS'), uidNext };
}

/** A command that reaches the storage. Silence at this point, after a login that was answered, is the storage's:
 *  it hangs, and restarting what stands in front of it does not help. */
export async function inStore(
  session: Session,
  step: string,
  work: () => Promise<imap.Answer>,
): Promise<imap.Answer | CheckResult> {
  try {
    const answer = await session.step(step, work, (seen) => seen.text);
    return answer.status === 'OK' ? answer : imap.judge(answer, step, session);
  } catch (error) {
    if (!(error instanceof NetError) || error.code !== 'timeout') throw error;
    return fail('dependency', `login is answered, ${step} is not: the mail store behind it hangs`, session.seen);
  }
}

const uidsOf = (answer: imap.Answer): number[] =>
  answer.untagged
    .filter((response) => /^\* SEARCH\b/i.test(response.text))
    .flatMap((response) => response.text.split(' ').slice(2))
    .map(Number)
    .filter((uid) => Number.isSafeInteger(uid) && uid > 0);

/** UIDs of messages that carry this token, looked for from `fromUid` on. */
export async function findToken(box: Mailbox, token: string, fromUid: number): Promise<readonly number[]> {
  const range = fromUid > 1 ? [`UID ${fromUid}:*`] : [];
  const answer = await box.imap.command('UID SEARCH', ...range, 'HEADER', PROBE_HEADER, token);
  return answer.status === 'OK' ? uidsOf(answer) : [];
}

export interface Found {
  readonly uid: number;
  readonly token: string;
  /** INTERNALDATE, wall clock; NaN when it cannot be read. */
  readonly arrivedMs: number;
}

const MAX_FOUND = 200;

/** The probe header of these messages. What has none, or no token of ours in it, is left out. */
export async function fetchProbes(box: Mailbox, uids: readonly number[]): Promise<readonly Found[]> {
  if (uids.length === 0) return [];
  const asked = uids.slice(0, MAX_FOUND).join(',');
  const items = `(UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (${PROBE_HEADER})])`;
  const answer = await box.imap.command('UID FETCH', asked, items);
  const found: Found[] = [];
  for (const { text, literals } of answer.untagged) {
    const uid = Number(/\bUID (\d{1,10})\b/i.exec(text)?.[1]);
    const header = literals[0]?.toString('latin1') ?? text;
    const token = new RegExp(`${PROBE_HEADER}:\\s*(\\S+)`, 'i').exec(header)?.[1]?.replace(/["\\].*$/, '') ?? '';
    const date = /INTERNALDATE "([^"]{1,40})"/i.exec(text)?.[1] ?? '';
    if (uid > 0 && isToken(token)) found.push({ uid, token, arrivedMs: Date.parse(date.trim()) });
  }
  return found;
}

/** Removes these messages. Without UIDPLUS everything that is marked deleted in this mailbox goes. */
export async function removeMessages(
  session: Session,
  box: Mailbox,
  uids: readonly number[],
  step: string,
): Promise<CheckResult | null> {
  if (uids.length === 0) return null;
  const set = uids.join(',');
  const done = await inStore(session, step, async () => {
    const marked = await box.imap.command('UID STORE', set, '+FLAGS.SILENT', '(\\Deleted)');
    if (marked.status !== 'OK') return marked;
    return box.uidplus ? box.imap.command('UID EXPUNGE', set) : box.imap.command('EXPUNGE');
  });
  return isVerdict(done) ? done : null;
}

/** Removes probe messages that came more than `ageMs` ago: those of a run that was broken off. */
export async function removeLeftovers(session: Session, box: Mailbox, ageMs: number): Promise<CheckResult | null> {
  const answer = await box.imap.command('UID SEARCH', 'HEADER', PROBE_HEADER, '"wk-"');
  const old = session.ports.clock.wall() - ageMs;
  const found = await fetchProbes(box, uidsOf(answer));
  const uids = found.filter((message) => message.arrivedMs < old).map((message) => message.uid);
  return removeMessages(session, box, uids, `remove ${uids.length} old probes`);
}
