// A user's mail made anew from the other side by `doveadm backup`. It goes into an empty place: into what is there it
// would fail where INBOX was changed on its own (INBOX cannot be deleted), and leave it emptied, which the next sync
// would carry on to the other side. What was there lies beside it until the new copy is whole, and comes back if not.
import { doveadm, type FarSide, type Here, run, why } from './dsync.ts';
import { plain } from './quote.ts';

const LOCK_S = '20';
const STALL_S = '30';
/** Doveadm's word for "something changed while it ran": once more. */
const CHANGED = 2;
const TURNS = 3;
const MOVE_MS = 60_000;
/** Where all of a user's mail is in one folder. INDEX= and its like lie elsewhere, and would stay. */
const PLACE = /^(?:maildir|mdbox|sdbox|dbox):(\/[^:\n]{3,1000})(?::LAYOUT=[\w+]+)?$/;

/** Files are moved and taken away also when the rest is given up: they are not left halfway. */
const files = ({ ports }: Here, argv: readonly string[]) => ports.exec.run(argv, { timeoutMs: MOVE_MS });

/** The folder of a user's mail, or why it is left alone. */
async function placeOf(here: Here, user: string): Promise<{ readonly path: string } | string> {
  const [mail, home] = await Promise.all([
    doveadm(here, ['user', '-f', 'mail', user]),
    doveadm(here, ['user', '-f', 'home', user]),
  ]);
  if (mail.code !== 0) return `doveadm user: ${why(mail)}`;
  // With ~ it is below the home.
  const base = home.code === 0 ? home.stdout.trim().replace(/\/+$/, '') : '';
  const found = PLACE.exec(mail.stdout.trim().replace(/:~\//, `:${base}/`))?.[1]?.replace(/\/+$/, '');
  if (found === undefined) return `where its mail is (${plain(mail.stdout, 100)}) is not one folder`;
  if (/\/\.{1,2}(\/|$)/.test(found)) return `its mail is at ${plain(found, 100)}`;
  // A home holds more than mail: scripts of Sieve, what people put there.
  if (base === found || base.startsWith(`${found}/`))
    return `its mail and its home are one folder, ${plain(found, 100)}`;
  return { path: found };
}

async function backup(here: Here, user: string, far: FarSide, ms: number): Promise<string | null> {
  const config = here.config === undefined ? [] : ['-c', here.config];
  const words = ['backup', '-R', '-f', '-u', user, '-l', LOCK_S, '-T', STALL_S, far];
  for (let turn = 1; ; turn += 1) {
    if (here.signal.aborted) return 'it was given up';
    const got = await run(here, ['doveadm', ...config, ...words], ms);
    if (got.code === 0) return null;
    if (got.code !== CHANGED || turn === TURNS) return why(got);
  }
}

/** All of one user as it is at the other side, and nothing else. Null: so it is; a text: why not, and what was there is
 *  there again. */
export async function makeAnew(here: Here, user: string, far: FarSide, ms: number): Promise<string | null> {
  const place = await placeOf(here, user);
  if (typeof place === 'string') return place;
  const { path } = place;
  const aside = `${path}.before-reseed`;
  const kind = here.ports.files.facts(path)?.kind ?? null;
  if (kind !== null && kind !== 'directory') return `${plain(path, 100)} is no folder`;
  if (kind !== null) {
    // Of a run that was killed: the copy beside it is newer.
    await files(here, ['rm', '-rf', '--', aside]);
    const moved = await files(here, ['mv', '-T', '--', path, aside]);
    if (moved.code !== 0) return `it cannot be put aside: ${why(moved)}`;
  }
  const trouble = await backup(here, user, far, ms);
  if (trouble === null) {
    const gone = await files(here, ['rm', '-rf', '--', aside]);
    return gone.code === 0 ? null : `it is as there, but ${plain(aside, 100)} is left: ${why(gone)}`;
  }
  if (kind === null) return trouble;
  await files(here, ['rm', '-rf', '--', path]);
  const back = await files(here, ['mv', '-T', '--', aside, path]);
  return back.code === 0 ? trouble : `${trouble}; what was there is at ${plain(aside, 100)}: ${why(back)}`;
}
