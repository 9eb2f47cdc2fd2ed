// One member of etcd: a call with its limit and its token, and a stream. Which member is asked, and how often, is
// decided elsewhere.
import { NetError } from '../ports/net-fault.ts';
import type { HttpSession } from '../ports/http-session.ts';
import { plain } from './quote.ts';
import { answerOf, EtcdFault, headerOf } from './etcd.ts';
import { limited, within } from '../ports/limit.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Answers are small records; a hostile one ends here. */
const ANSWER_BYTES = 8_388_608;
const LINE_BYTES = 4_194_304;
const LOGIN_MS = 3000;

/** All answers must come from one cluster: two of them would both let somebody be active. */
export interface Pinned {
  cluster: string | null;
}

export interface Member {
  readonly endpoint: string;
  call(path: string, body: string, signal: AbortSignal, limitMs: number): Promise<Fields>;
  lines(path: string, body: string, signal: AbortSignal, each: (line: string) => void): Promise<void>;
  checkCluster(cluster: string): void;
  close(): Promise<void>;
}

export interface Login {
  readonly user: string;
  /** Read at use; throws when it cannot be read. */
  password(): string;
}

function asFault(error: unknown): EtcdFault {
  if (error instanceof EtcdFault) return error;
  // A name that does not verify today may do so when the certificate is renewed: others are asked meanwhile.
  if (error instanceof NetError) return new EtcdFault('retry', error.message);
  return new EtcdFault('denied', (error as Error).message);
}

type Post = (path: string, body: string, signal: AbortSignal, held: string | null) => Promise<Fields>;

const posting =
  (session: HttpSession): Post =>
  async (path, body, signal, held) => {
    const headers = held === null ? {} : { authorization: held };
    const got = await session.post({ path, body, headers, signal, maxBytes: ANSWER_BYTES });
    return answerOf(got.status, got.body);
  };

async function logIn(post: Post, { user, password }: Login): Promise<string | null> {
  const body = JSON.stringify({ name: user, password: password() });
  try {
    const answer = await post('/v3/auth/authenticate', body, within(LOGIN_MS), null);
    if (typeof answer['token'] === 'string' && answer['token'] !== '') return answer['token'];
    throw new EtcdFault('retry', 'no token came');
  } catch (error) {
    // It is not switched on (yet): then nobody is asked who he is.
    if (error instanceof EtcdFault && /authentication is not enabled/.test(error.message)) return null;
    throw error;
  }
}

type WithToken = <T>(use: (held: string | null) => Promise<T>) => Promise<T>;

/** One log-in for all calls that wait for it; a failed one is forgotten. Once more when a token has ended. */
function tokens(post: Post, login: Login | null): WithToken {
  if (!login) return (use) => use(null);
  let token: Promise<string | null> | null = null;
  const forget = (which: Promise<string | null>): void => {
    if (token === which) token = null;
  };
  const tokenNow = (): Promise<string | null> => {
    if (token) return token;
    const asked = logIn(post, login);
    token = asked;
    asked.catch(() => forget(asked));
    return asked;
  };
  return async (use) => {
    const asked = tokenNow();
    try {
      return await use(await asked);
    } catch (error) {
      if (!(error instanceof EtcdFault) || error.kind !== 'token') throw error;
      forget(asked);
      return await use(await tokenNow());
    }
  };
}

export function makeMember(endpoint: string, session: HttpSession, login: Login | null, pinned: Pinned): Member {
  const post = posting(session);
  const withToken = tokens(post, login);
  const checkCluster = (cluster: string): void => {
    pinned.cluster ??= cluster;
    if (pinned.cluster !== cluster)
      throw new EtcdFault('failed', `${endpoint} belongs to another cluster of etcd (${plain(cluster)})`);
  };
  return {
    endpoint,
    checkCluster,
    async call(path, body, signal, limitMs) {
      const limit = limited(limitMs, signal);
      try {
        const answer = await withToken((held) => post(path, body, limit.signal, held));
        checkCluster(headerOf(answer).cluster);
        return answer;
      } catch (error) {
        const fault = asFault(error);
        throw fault.kind === 'token' ? new EtcdFault('denied', fault.message) : fault;
      } finally {
        limit.done();
      }
    },
    async lines(path, body, signal, each) {
      try {
        await withToken((held) => {
          const headers = held === null ? {} : { authorization: held };
          return session.lines({ path, body, headers, signal, maxBytes: LINE_BYTES }, each);
        });
      } catch (error) {
        throw asFault(error);
      }
    },
    close: () => session.close(),
  };
}
