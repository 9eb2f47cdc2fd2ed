// A file system that is mounted where the group is active. Whether it is, is read from the kernel's table alone: one
// that does not answer is never touched. It is never detached lazily: what is still in use is still mounted.
import { type ActionResult, defineStep, opt, type Probe, type StepContext, z } from '../define.ts';
import { killUntilGone, leftOver } from '../host/kill.ts';
import { bad, ended, runOut } from '../host/launch.ts';
import { type Mount, mountAt, parseMounts } from '../host/mounts.ts';
import { clean } from '../host/text.ts';

const options = z.strictObject({
  device: z
    .string()
    .max(4096)
    .regex(/^[^-\s]\S*$/, 'expected a device, UUID=…, LABEL=… or HOST:/PATH')
    .describe('What is mounted: `/dev/vg/mail`, `UUID=…`, `LABEL=…`, `nas:/mail`'),
  on: opt.path('The mount point'),
  type: z
    .string()
    .regex(/^[a-z0-9._-]{1,40}$/i, 'expected the name of a file system, such as ext4')
    .describe('The file system: `ext4`, `xfs`, `nfs4`'),
  options: z
    .array(z.string().regex(/^[^-,\s][^,\s]{0,1000}$/, 'expected one option of mount(8), such as noatime'))
    .max(40)
    .default([])
    .describe('Options of mount(8), one by one'),
  fsck: opt.flag('Check it before, and repair what can be repaired without asking').default(false),
  busy: opt.duration('How long to wait for who uses it, unless by force; then its removal has failed').prefault('10s'),
});
type Context = StepContext<z.output<typeof options>>;

const TABLE = '/proc/self/mountinfo';
const TABLE_MAX = 4_194_304;
const MOUNT_MS = 60_000;
const FSCK_MS = 600_000;
const UMOUNT_MS = 10_000;
const FIND_MS = 10_000;
const KILL_MS = 3000;
const PAUSE_MS = 200;
/** Umounts by force until it counts as failed: who is killed lets go only after a moment. */
const MOST_TRIES = 20;
const REMOTE = /^(nfs|cifs|smb|ceph|fuse|9p)/;

const withoutSlash = (path: string): string => path.replace(/(.)\/+$/, '$1');

/** Null: the table cannot be read. */
function mounts({ ports }: Context, table = TABLE): readonly Mount[] | null {
  const text = ports.files.readText(table, TABLE_MAX);
  return text === null ? null : parseMounts(text);
}

/** The node in /dev that is meant; other words as they are. */
function nodeOf({ ports }: Context, device: string): string {
  const [tag, value] = /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.+)$/.exec(device)?.slice(1) ?? [];
  const path = tag ? `/dev/disk/by-${tag.toLowerCase()}/${value?.replaceAll('"', '')}` : device;
  return path.startsWith('/dev/') ? (ports.files.realPath(path) ?? path) : path;
}

/** Is it what the configuration means? Of a bind or a loop the table shows another source. */
function isOurs(context: Context, mount: Mount): boolean {
  const { device, options: how, type } = context.options;
  if (how.some((one) => /^r?bind$/.test(one))) return true;
  if (mount.kind !== type && !mount.kind.startsWith(`${type}.`) && type !== 'nfs') return false;
  if (how.some((one) => /^loop\b/.test(one))) return mount.source.startsWith('/dev/loop') || mount.source === device;
  return mount.source === device || nodeOf(context, mount.source) === nodeOf(context, device);
}

async function probe(context: Context): Promise<Probe> {
  const all = mounts(context);
  if (!all) return { state: 'unknown', detail: 'the table of mounts cannot be read' };
  const { on } = context.options;
  const mount = mountAt(all, withoutSlash(on));
  if (!mount) return { state: 'undone', detail: `nothing is mounted at ${on}` };
  const what = `${clean(mount.kind)} on ${clean(mount.source)}`;
  if (isOurs(context, mount)) return { state: 'done', detail: `${on} is ${what}` };
  return { state: 'unknown', detail: `something else is mounted at ${on}: ${what}` };
}

// ---------------------------------------------------------------------------------------------------------------- do

/** fsck(8): 0 nothing was wrong, 1 what was wrong is repaired. */
async function check(context: Context): Promise<ActionResult> {
  const { type, device } = context.options;
  const argv = ['fsck', '-T', '-t', type, device, '--', '-p'];
  const got = await runOut(context, argv, FSCK_MS);
  return got.code === 1 ? { ok: true, detail: 'fsck repaired it' } : ended(argv, got);
}

async function bring(context: Context): Promise<ActionResult> {
  const { options: wanted, lease, ports } = context;
  const before = await probe(context);
  if (before.state !== 'undone') return { ok: before.state === 'done', detail: before.detail };
  const late = (): boolean => lease.untilMs() <= ports.clock.monotonic();
  // Two nodes that write to one file system destroy it: nothing is begun without the right.
  if (wanted.fsck) {
    if (late()) return bad('the right is gone: no fsck');
    const checked = await check(context);
    if (!checked.ok) return checked;
  }
  if (late()) return bad('the right is gone: it is not mounted');
  const how = wanted.options.length > 0 ? ['-o', wanted.options.join(',')] : [];
  const argv = ['mount', '-t', wanted.type, ...how, '--', wanted.device, wanted.on];
  const done = ended(argv, await runOut(context, argv, MOUNT_MS));
  const after = await probe(context);
  if (after.state !== 'done') return bad(done.ok ? `${done.detail}, but ${after.detail}` : done.detail);
  return late() ? bad(`${after.detail}, but the right ended meanwhile`) : { ok: true, detail: after.detail };
}

// -------------------------------------------------------------------------------------------------------------- undo

/** Who has a file, a folder or a program of it open: by the links in /proc, which do not touch the file system. */
async function holders(context: Context, point: string): Promise<readonly number[]> {
  const glob = point.replace(/[\\*?[\]]/g, '\\$&');
  const links = '/proc/[0-9]+/(cwd|root|exe|fd/[0-9]+|map_files/.*)';
  const which = ['-regextype', 'posix-extended', '-regex', links];
  const argv = ['find', '/proc', '-maxdepth', '3', ...which, '(', '-lname', glob, '-o', '-lname', `${glob}/*`, ')'];
  const got = await runOut(context, argv, FIND_MS);
  return [...new Set([...got.stdout.matchAll(/^\/proc\/(\d+)\//gm)].map(([, pid]) => Number(pid)))];
}

/** Those of the mounts at this point and, by force, below it; the newest first. Null: nobody can tell. */
function there(context: Context, force: boolean): readonly Mount[] | null {
  const point = withoutSlash(context.options.on);
  const all = mounts(context)?.filter((one) => one.point === point || (force && one.point.startsWith(`${point}/`)));
  return all?.toReversed() ?? null;
}

async function unmount(context: Context, mount: Mount, force: boolean): Promise<string> {
  const hard = force && REMOTE.test(mount.kind) ? ['-f'] : [];
  const argv = ['umount', '-c', ...hard, '--', mount.point];
  return ended(argv, await runOut(context, argv, UMOUNT_MS)).detail;
}

async function namesOf(context: Context, pids: readonly number[]): Promise<string> {
  const names = pids.slice(0, 3).map((pid) => `pid ${pid} ${clean(context.ports.proc.facts(pid)?.comm ?? '')}`.trim());
  return names.length > 0 ? `in use by ${names.join(', ')}` : 'nobody is seen who uses it';
}

/** A process with a view of its own of the mounts may keep what is gone here. */
async function elsewhere(context: Context): Promise<string | null> {
  const point = withoutSlash(context.options.on);
  const got = await runOut(context, ['lsns', '-t', 'mnt', '-n', '-r', '-o', 'PID'], FIND_MS);
  if (got.code !== 0) return 'it cannot be told who else sees it';
  for (const pid of got.stdout.split('\n').filter((line) => /^\d+$/.test(line))) {
    const mount = mountAt(mounts(context, `/proc/${pid}/mountinfo`) ?? [], point);
    if (mount && isOurs(context, mount)) return `it is mounted still where pid ${pid} lives, in a namespace of its own`;
  }
  return null;
}

async function away(context: Context, force: boolean): Promise<ActionResult> {
  const { options: wanted, ports, signal } = context;
  const point = withoutSlash(wanted.on);
  const until = ports.clock.monotonic() + wanted.busy;
  for (let tries = 1; ; tries++) {
    const left = there(context, force);
    if (!left) return bad('the table of mounts cannot be read');
    const [mount] = left;
    if (!mount) break;
    const said = await unmount(context, mount, force);
    if ((there(context, force)?.length ?? left.length) < left.length) continue;
    const pids = await holders(context, point);
    const over = force ? tries >= MOST_TRIES : ports.clock.monotonic() >= until;
    if (over || signal.aborted) return bad(`${said}; ${await namesOf(context, pids)}`);
    if (force && pids.length > 0) {
      const killed = await killUntilGone(ports, { pids: () => pids }, KILL_MS, signal);
      if (killed.left.length > 0) return bad(`${said}; ${leftOver(killed.left)}`, 'hung');
    } else await ports.clock.sleep(PAUSE_MS);
  }
  const kept = await elsewhere(context);
  return kept ? bad(kept) : { ok: true, detail: `nothing is mounted at ${wanted.on}` };
}

// ------------------------------------------------------------------------------------------------------------- ready

async function ready(context: Context): Promise<ActionResult> {
  const { device, on } = context.options;
  const { state, detail } = await probe(context);
  // What is mounted there may not answer: nothing more is asked of it.
  if (state !== 'undone') return { ok: state === 'done', detail };
  const { files } = context.ports;
  if (files.facts(withoutSlash(on))?.kind !== 'directory') return bad(`${on} is no folder`, 'misconfigured');
  const node = nodeOf(context, device);
  if (node.startsWith('/dev/') && !files.facts(node)) return bad(`there is no ${device}`, 'dependency');
  return { ok: true, detail: `${on} is there, and nothing is mounted there` };
}

export default defineStep({
  about: 'A file system that is mounted where the group is active, and nowhere else.',
  options,
  example: { device: '/dev/vg/mail', on: '/var/vmail', type: 'ext4', options: ['noatime'], fsck: true },
  scope: 'node',
  timeoutMs: 120_000,
  probe,
  do: bring,
  undo: (context, { force }) => away(context, force),
  ready,
});
