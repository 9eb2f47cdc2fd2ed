// Criteria about the machine itself: folders and who may write there, space, what comes up at boot, other keepers.
import {
  criterion,
  type Criterion,
  error,
  type Finding,
  groupsOf,
  type Look,
  missing,
  optionTexts,
  warning,
} from './criterion.ts';

const mode = (value: number): string => (value & 0o777).toString(8);

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
      return [error(`${dir} has mode ${mode(found.mode)}: others may write there`, `chmod go-w ${dir}`, fix)];
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
        return [error(`${path} has mode ${mode(found.mode)}`, `chmod go-w ${path}: it says what root runs`, fix)];
      }),
    true,
  ),
  criterion('folders.owner', 'The state folder belongs to who runs the daemon', ({ config, look }) => {
    const found = look(config.stateDir);
    if (!found) return 'it is not there';
    return found.uid === 0 || look(config.runDir)?.uid === found.uid
      ? []
      : [warning(`it belongs to ${found.uid}`, `chown root ${config.stateDir}`)];
  }),
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

/** Units of the services that run only where their group is. */
const standbyUnits = (look: Look): readonly string[] =>
  groupsOf(look)
    .filter(({ policy }) => policy.standby === 'stopped')
    .flatMap(({ policy }) => policy.services)
    .flatMap((service) => optionTexts(look.config.services[service]?.manager?.options, ['unit']));

const RIVALS = ['pacemaker', 'corosync', 'keepalived', 'heartbeat', 'ucarp', 'lifekeeper'];

export const boot: readonly Criterion[] = [
  criterion(
    'boot.standby',
    'What runs only where its group is does not start at boot',
    async (look) => {
      const units = standbyUnits(look);
      if (units.length === 0) return 'no group stops its services on standbys';
      const findings: Finding[] = [];
      for (const unit of units) {
        const found = await look.run(['systemctl', 'is-enabled', unit]);
        if (found.missing) return missing('systemctl');
        if (!/^enabled(-runtime)?$/.test(found.out.trim())) continue;
        const fix = { argv: ['systemctl', 'disable', unit] };
        findings.push(error(`${unit} is enabled`, `systemctl disable ${unit}: else it runs twice after a boot`, fix));
      }
      return findings;
    },
    true,
  ),
  criterion(
    'boot.watchkeeper',
    'This daemon starts at boot',
    async ({ run }) => {
      const found = await run(['systemctl', 'is-enabled', 'watchkeeper.service']);
      if (found.missing) return missing('systemctl');
      if (found.out.trim() === 'enabled') return [];
      const fix = { argv: ['systemctl', 'enable', 'watchkeeper.service'] };
      return [warning('it does not', 'systemctl enable watchkeeper.service', fix)];
    },
    true,
  ),
  criterion('boot.failed', 'No unit of a service of ours has failed', async (look) => {
    const units = Object.values(look.config.services).flatMap(({ manager }) => optionTexts(manager?.options, ['unit']));
    if (units.length === 0) return 'no service is run by systemd';
    const found = await look.run(['systemctl', 'list-units', '--failed', '--plain', '--no-legend']);
    if (!found.ok) return missing('systemctl');
    return found.out
      .split('\n')
      .map((line) => line.trim().split(/\s+/)[0] ?? '')
      .filter((unit) => units.includes(unit))
      .map((unit) => warning(`${unit} has failed`, `systemctl status ${unit}, then systemctl reset-failed ${unit}`));
  }),
  criterion('boot.mounts', 'What is mounted where its group is does not mount at boot', (look) => {
    const targets = groupsOf(look).flatMap(({ steps }) =>
      steps.filter(({ type }) => type === 'mount').flatMap(({ options }) => optionTexts(options, ['on'])),
    );
    if (targets.length === 0) return 'no group has a mount';
    const lines = (look.read('/etc/fstab') ?? '').split('\n').filter((line) => !line.startsWith('#'));
    return lines.flatMap((line) => {
      const [, target = '', , options = ''] = line.trim().split(/\s+/);
      return targets.includes(target) && !options.split(',').includes('noauto')
        ? [error(`${target} is in /etc/fstab`, 'add noauto to its line, or it is mounted on two nodes')]
        : [];
    });
  }),
  criterion('boot.rivals', 'Nothing else moves services on this machine', async ({ run }) => {
    const found = await run(['systemctl', 'is-active', ...RIVALS]);
    if (found.missing) return missing('systemctl');
    const active = found.out.split('\n').flatMap((word, at) => (word === 'active' ? [RIVALS[at] ?? ''] : []));
    return active.map((name) =>
      error(`${name} is active`, 'one of the two has to go: they would work against each other'),
    );
  }),
];
