// Is the file system mounted, is it the right one, and does it answer? Only a child touches it, and nobody waits for
// that child: a network file system whose server is gone keeps even a killed process.
import { type CheckContext, type CheckResult, defineCheck, fail, opt, pass, unknown, z } from '../define.ts';
import { runOnDisk } from '../host/disk-child.ts';
import { type Mount, mountAt, parseMounts } from '../host/mounts.ts';
import { clean } from '../host/text.ts';

const options = z.strictObject({
  path: opt.path('The mount point'),
  kinds: z
    .array(z.string().regex(/^[a-z0-9._-]{1,40}$/i, 'expected the name of a file system, such as nfs4'))
    .max(20)
    .default([])
    .describe('What it may be: `nfs4`, `ext4`; empty: anything'),
  source: opt.text('What must be mounted there, as mount(8) shows it: `/dev/sdb1`, `nas:/mail`').optional(),
  'read-only': opt.flag('It may be mounted read-only').default(false),
});
type Context = CheckContext<z.output<typeof options>>;

const withoutSlash = (path: string): string => path.replace(/(.)\/+$/, '$1');

/** What the kernel's table says against it, or null. */
function tableTrouble(context: Context, mount: Mount | null): CheckResult | null {
  const { path, kinds, source, 'read-only': mayBeReadOnly } = context.options;
  // What should be there is at fault, not the service that writes into an empty folder.
  if (!mount) return fail('dependency', `nothing is mounted at ${path}`);
  const what = `${clean(mount.kind)} on ${clean(mount.source)}`;
  if (kinds.length > 0 && !kinds.includes(mount.kind))
    return fail('dependency', `${path} is ${what}, expected ${kinds.join(' or ')}`);
  if (source !== undefined && mount.source !== source)
    return fail('dependency', `${path} is ${what}, expected ${clean(source)}`);
  if (mount.readOnly && !mayBeReadOnly) return fail('no-space', `${path} is mounted read-only (${what})`);
  return null;
}

/** What stat(1) says of a file system that is there and does not work. */
function statTrouble(path: string, said: string): CheckResult {
  if (/Input\/output error|Stale file handle|Transport endpoint|Host is down|Permission denied/.test(said))
    return fail('dependency', `${path} is mounted, but gives errors: "${said}"`);
  return unknown(`stat said "${said}"`);
}

export default defineCheck({
  about: 'Is the path mounted, of the right type, writable, and does it answer in time?',
  depth: 'both',
  options,
  example: { path: '/var/vmail', kinds: ['nfs4'] },
  async run(context) {
    const { path } = context.options;
    const table = context.ports.files.readText('/proc/self/mountinfo', 4_194_304);
    if (table === null) return unknown('the table of mounts cannot be read');
    const mount = mountAt(parseMounts(table), withoutSlash(path));
    const trouble = tableTrouble(context, mount);
    if (trouble) return trouble;
    const child = await runOnDisk(context, (mark) => ['stat', '-f', `--printf=%i ${mark}`, '--', path]);
    if (child.is === 'not-run') return unknown(`no probe could be started: ${child.why}`);
    if (child.is === 'stuck')
      return fail('dependency', `${path} is mounted and does not answer, for ${(child.ms / 1000).toFixed(1)} s now`);
    if (child.result.code !== 0) return statTrouble(path, clean(child.result.stderr));
    const ms = Math.round(child.result.ms * 100) / 100;
    return pass(`${path} is mounted (${clean(mount?.kind ?? '')}) and answers`, {
      metrics: [{ name: 'stat', value: ms, unit: 'ms' }],
    });
  },
});
