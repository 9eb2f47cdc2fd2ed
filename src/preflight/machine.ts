// Criteria about the machine itself: folders and who may write there, space, its own log.
import { criterion, type Criterion, error, type Look, modeOf, warning } from './criterion.ts';

/** A folder that is there, and that nobody else may write to. */
const folder = (id: string, about: string, path: (look: Look) => string | null, make: boolean): Criterion =>
  criterion(
    id,
    about,
    (look) => {
      const dir = path(look);
      if (dir === null) return 'there is none here';
      const found = look.look(dir);
      if (!found) {
        const fix = { argv: ['mkdir', '-p', '-m', '750', dir] };
        return make ? [error(`${dir} is not there`, `mkdir -p -m 750 ${dir}`, fix)] : 'it is not there';
      }
      if ((found.mode & 0o022) === 0) return [];
      const fix = { argv: ['chmod', 'go-w', dir] };
      return [error(`${dir} has mode ${modeOf(found.mode)}: others may write there`, `chmod go-w ${dir}`, fix)];
    },
    true,
  );

const configFolder = ({ config }: Look): string | null => config.files[0]?.path.replace(/\/[^/]*$/, '') ?? null;

export const folders: readonly Criterion[] = [
  folder('folders.state', 'The state folder is there, and only ours', ({ config }) => config.stateDir, true),
  folder('folders.run', 'The run folder is there, and only ours', ({ config }) => config.runDir, true),
  folder('folders.configuration', 'Nobody else may write to the folder of the configuration', configFolder, false),
  criterion(
    'folders.files',
    'Nobody else may write to the files of the configuration',
    ({ config, look }) =>
      config.files.flatMap(({ path }) => {
        const found = look(path);
        if (!found || (found.mode & 0o022) === 0) return [];
        const fix = { argv: ['chmod', 'go-w', path] };
        return [error(`${path} has mode ${modeOf(found.mode)}`, `chmod go-w ${path}: it says what root runs`, fix)];
      }),
    true,
  ),
  criterion(
    'folders.owner',
    'The state folder belongs to who runs the daemon',
    ({ config, look }) => {
      const found = look(config.stateDir);
      if (!found) return 'it is not there';
      const owner = look(config.runDir)?.uid ?? 0;
      if (found.uid === 0 || owner === found.uid) return [];
      const fix = { argv: ['chown', String(owner), config.stateDir] };
      return [warning(`it belongs to ${found.uid}`, `chown ${owner} ${config.stateDir}`, fix)];
    },
    true,
  ),
  criterion('folders.durable', 'The journal outlives a loss of power', async ({ config, run }) => {
    const found = await run(['findmnt', '-n', '-o', 'FSTYPE,OPTIONS', '-T', config.stateDir]);
    if (!found.ok) return 'findmnt does not tell';
    const [type = '', options = ''] = found.out.trim().split(/\s+/);
    if (type === 'tmpfs' || type === 'ramfs') return [error(`it is in memory (${type})`, 'put `stateDir` on a disk')];
    return /nobarrier|barrier=0/.test(options)
      ? [warning('the file system is mounted without barriers', 'mount it with barriers')]
      : [];
  }),
];

async function room({ run }: Look, path: string, column: 'avail' | 'iavail'): Promise<number | null> {
  const found = await run(['df', '-P', `--output=${column}`, path]);
  const value = Number(found.out.trim().split('\n').at(-1));
  return found.ok && Number.isFinite(value) ? value : null;
}

export const space: readonly Criterion[] = [
  criterion('space.state', 'There is space for the journal', async (look) => {
    const free = await room(look, look.config.stateDir, 'avail');
    if (free === null) return 'df does not tell';
    return free >= 512 * 1024 ? [] : [error(`${Math.round(free / 1024)} MiB are left`, 'free 512 MiB there')];
  }),
  criterion('space.inodes', 'There are inodes for the journal', async (look) => {
    const free = await room(look, look.config.stateDir, 'iavail');
    if (free === null) return 'df does not tell';
    return free >= 1000 || free === 0 ? [] : [error(`${free} are left`, 'remove small files there')];
  }),
  criterion('space.member', 'There is space for the records of the member', async (look) => {
    const dir = look.config.cluster?.member?.dataDir;
    if (dir === undefined) return 'this daemon runs no member';
    const free = await room(look, dir, 'avail');
    if (free === null) return 'df does not tell';
    return free >= 1024 * 1024
      ? []
      : [error(`${Math.round(free / 1024)} MiB are left`, 'free 1 GiB: etcd stops writing without it')];
  }),
  criterion('space.memory', 'There is memory to take more over', ({ read }) => {
    const text = read('/proc/meminfo') ?? '';
    const free = Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1] ?? Number.NaN);
    const total = Number(/^MemTotal:\s+(\d+)/m.exec(text)?.[1] ?? Number.NaN);
    if (!Number.isFinite(free) || !Number.isFinite(total)) return 'the kernel does not tell';
    return free >= total / 10
      ? []
      : [
          warning(
            `${Math.round(free / 1024)} MiB of ${Math.round(total / 1024)} are free`,
            'add memory, or move something away',
          ),
        ];
  }),
  criterion('space.swap', 'The machine does not live in its swap', ({ read }) => {
    const text = read('/proc/meminfo') ?? '';
    const total = Number(/^SwapTotal:\s+(\d+)/m.exec(text)?.[1] ?? 0);
    const free = Number(/^SwapFree:\s+(\d+)/m.exec(text)?.[1] ?? 0);
    return total > 0 && free < total / 2
      ? [warning(`${Math.round((100 * (total - free)) / total)} % are used`, 'a daemon in swap is late: add memory')]
      : [];
  }),
];

export const logs: readonly Criterion[] = [
  criterion(
    'logs.journal',
    'The log of the system outlives a boot',
    ({ look, read }) => {
      if (!look('/run/systemd/system')) return 'systemd does not run here';
      if (look('/var/log/journal')) return [];
      if (/^\s*Storage\s*=\s*persistent/m.test(read('/etc/systemd/journald.conf') ?? '')) return [];
      const fix = [
        { argv: ['mkdir', '-p', '/var/log/journal'] },
        { argv: ['systemd-tmpfiles', '--create', '--prefix', '/var/log/journal'] },
        { argv: ['journalctl', '--flush'] },
      ];
      return [warning('what led to a crash is gone with it', 'mkdir /var/log/journal', ...fix)];
    },
    true,
  ),
];
