// Turns all mail of a Postfix to another host, and back exactly as it was. What stood in main.cf before is kept in
// main.cf itself, written in the same moment: a crash between cannot lose it.
import type { ActionResult, Ports } from '../define.ts';
import type { ExecResult } from '../ports/exec.ts';
import { plain } from './quote.ts';

export interface Instance {
  readonly ports: Ports;
  readonly signal: AbortSignal;
  /** The folder of its main.cf. */
  readonly config: string;
}

const MARK = 'watchkeeper_saved';
const TURNED = ['transport_maps', 'soft_bounce'] as const;
type Saved = Readonly<Record<(typeof TURNED)[number], string | null>>;

const LIMIT_MS = 10_000;
const MAIN_MAX = 4_194_304;

export const run = (
  { ports, signal, config }: Instance,
  [program = '', ...words]: readonly string[],
  more: { input?: string; onStdout?: (piece: Buffer) => void; timeoutMs?: number } = {},
): Promise<ExecResult> => ports.exec.run([program, '-c', config, ...words], { timeoutMs: LIMIT_MS, signal, ...more });

export const faultOf = (what: string, got: ExecResult): string =>
  `${what}: ${got.failed ?? (got.timedOut ? 'did not end in time' : `exit code ${got.code ?? got.signal}`)} ${plain(got.stderr)}`.trim();

/** What is kept in main.cf: null when nothing is turned, undefined when that cannot be told. */
function saved({ ports, config }: Instance): Saved | null | undefined {
  try {
    const text = ports.files.readText(`${config}/main.cf`, MAIN_MAX);
    if (text === null) return undefined;
    const word = new RegExp(`^${MARK} *= *([A-Za-z0-9_-]+) *$`, 'm').exec(text)?.[1];
    return word === undefined ? null : (JSON.parse(Buffer.from(word, 'base64url').toString('utf8')) as Saved);
  } catch {
    return undefined;
  }
}

export const isTurned = (instance: Instance): boolean | null => {
  const found = saved(instance);
  return found === undefined ? null : found !== null;
};

/** Only what is really written in main.cf: what is not there must not be there afterwards. */
async function current(instance: Instance): Promise<Saved | string> {
  const got = await run(instance, ['postconf', '-n', ...TURNED]);
  if (got.code !== 0) return faultOf('postconf', got);
  const value = (name: string): string | null =>
    new RegExp(`^${name} =(?: (.*))?$`, 'm').exec(got.stdout)?.slice(1).join('') ?? null;
  return { transport_maps: value('transport_maps'), soft_bounce: value('soft_bounce') };
}

const isRunning = async (instance: Instance): Promise<boolean> =>
  (await run(instance, ['postfix', 'status'])).code === 0;

/** Clients wait while a group is between two nodes: it is asked whether it runs only when it did not obey. */
async function reload(instance: Instance): Promise<ActionResult> {
  const got = await run(instance, ['postfix', 'reload']);
  if (got.code === 0) return { ok: true, detail: 'reloaded' };
  // One that does not run reads its configuration when it starts.
  if (!got.timedOut && !(await isRunning(instance))) return { ok: true, detail: 'it does not run' };
  return { ok: false, detail: faultOf('postfix reload', got) };
}

/** All mail goes to this host from now on, and what it refuses stays in the queue instead of going back. */
export async function turn(instance: Instance, host: string, port: number): Promise<ActionResult> {
  const already = saved(instance);
  if (already === undefined) return { ok: false, detail: `${instance.config}/main.cf cannot be read` };
  const before = already ?? (await current(instance));
  if (typeof before === 'string') return { ok: false, detail: before };
  const mark = Buffer.from(JSON.stringify(before)).toString('base64url');
  const next = [`transport_maps=static:{smtp:[${host}]:${port}}`, 'soft_bounce=yes', `${MARK}=${mark}`];
  const got = await run(instance, ['postconf', '-e', ...next]);
  if (got.code !== 0) return { ok: false, detail: faultOf('postconf', got) };
  return reload(instance);
}

/** As it was. Ok when nothing is turned any more. */
export async function turnBack(instance: Instance): Promise<ActionResult> {
  const before = saved(instance);
  if (before === undefined) return { ok: false, detail: `${instance.config}/main.cf cannot be read` };
  if (before === null) return { ok: true, detail: 'nothing was turned' };
  const set = TURNED.flatMap((name) => (typeof before[name] === 'string' ? [`${name}=${before[name]}`] : []));
  const away = TURNED.filter((name) => typeof before[name] !== 'string');
  const written = set.length > 0 ? await run(instance, ['postconf', '-e', ...set]) : null;
  if (written && written.code !== 0) return { ok: false, detail: faultOf('postconf', written) };
  // The mark goes last: a crash before it begins again.
  const got = await run(instance, ['postconf', '-X', ...away, MARK]);
  if (got.code !== 0) return { ok: false, detail: faultOf('postconf', got) };
  const done = await reload(instance);
  return done.ok ? { ok: true, detail: 'its routes are as they were' } : done;
}
