// A login that is not answered although the server greets: does the server hang, or does it make this address wait?
// Dovecot lets an address wait for up to 15 s before it looks at the next login, after refused ones of anybody there
// (auth-penalty.h; `doveadm penalty`): of a webmail on this machine, or of another probe. A restart cures nothing then.
// So whoever was left without an answer by a server on this very machine comes from another of its addresses the next
// time, which is the look that confirms a failure: a server that hangs is silent there too.
import { type CheckResult, degraded, unknown } from '../define.ts';
import type { Dialogue, OpenOptions } from '../ports/net.ts';

/** As the dialogues name the step that brings the password. */
const LOGIN = new Set(['LOGIN', 'AUTH', 'PASS', 'AUTHENTICATE']);
/** Two silences within this time are no chance. */
const REMEMBER_MS = 300_000;
/** Dovecot forgets after 29 s; only then is it worth while to ask from the usual address again. */
const AVOID_MS = 60_000;
const KEY = 'silent-login';

type Where = Pick<OpenOptions, 'host' | 'port' | 'path'>;

interface Silence {
  readonly to: string;
  readonly at: number;
  readonly times: number;
  /** The last login was silent: the next comes from elsewhere. */
  readonly last: boolean;
}

const text = ({ host = '', port = 0, path }: Where): string => path ?? `${host}:${port}`;

/** Any of 127.0.0.0/8 is this machine's own (RFC 1122 section 3.2.1.3), and nobody was refused from this one. */
export const otherAddress = (): string =>
  `127.${crypto
    .getRandomValues(new Uint8Array(3))
    .map((byte) => byte || 1)
    .join('.')}`;

type Source = Pick<OpenOptions, 'from'>;

/** One conversation's part in it. */
export interface SilentLogin {
  /** Where a connection comes from; nothing: from where the system likes. */
  source(where: Where): Source;
  opened(where: Where, dialogue: Dialogue, source: Source): void;
  /** A step was answered, or was not in time. */
  stepped(name: string, answered: boolean): void;
  /** What the conversation's verdict is worth. */
  judge(result: CheckResult): CheckResult;
}

/** `memory`: what the check keeps from run to run. */
export function silentLogin(memory: Map<string, unknown> | undefined, now: number): SilentLogin {
  const kept = memory?.get(KEY) as Silence | undefined;
  const before = kept && now - kept.at < REMEMBER_MS ? kept : null;
  const keep = (silence: Silence): void => void memory?.set(KEY, silence);
  let open: { readonly to: string; readonly own: boolean; readonly source: Source } | null = null;
  let from: string | null = null;
  /** What became of the login from elsewhere; null: there was none. */
  let answeredThere: boolean | null = null;
  return {
    source(where) {
      if (before?.to !== text(where)) return {};
      if (!before.last && (before.times < 2 || now - before.at > AVOID_MS)) return {};
      from = otherAddress();
      return { from };
    },
    opened(where, dialogue, source) {
      open = { to: text(where), own: dialogue.toItself, source };
    },
    stepped(name, answered) {
      if (!open || !LOGIN.has(name)) return;
      const same = before?.to === open.to ? before : null;
      if (open.source.from !== undefined) {
        answeredThere = answered;
        if (same) keep({ ...same, last: !answered });
      } else if (!answered && open.own) keep({ to: open.to, at: now, times: (same?.times ?? 0) + 1, last: true });
      else if (answered && same) memory?.delete(KEY);
    },
    judge(result) {
      if (from === null || !before) return result;
      const { steps = [], metrics = [] } = result;
      const seen = { steps, metrics };
      const said = `a login from the usual address was not answered; from ${from}`;
      if (answeredThere === null) {
        // The server may trust no other address with a plain password; what else is wrong is wrong from everywhere.
        if (result.outcome !== 'fail' || result.cause !== 'misconfigured') return result;
        return unknown(`${said} none could be tried (${result.detail})`, seen);
      }
      if (!answeredThere || result.outcome !== 'pass' || before.times < 2) return result;
      const why = 'it makes those wait from whose address logins were refused (Dovecot: doveadm penalty)';
      return degraded('credentials', `${result.detail}; ${said} it is: ${why}`, seen);
    },
  };
}
