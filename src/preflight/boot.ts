// Criteria about what comes up by itself: at boot, after a kill, and what else moves services on this machine.
import {
  ALONE,
  criterion,
  type Criterion,
  edit,
  error,
  type Finding,
  groupsOf,
  isPlainWord,
  type Look,
  missing,
  optionTexts,
  warning,
} from './criterion.ts';

/** Units of the services that run only where their group is. */
const standbyUnits = (look: Look): readonly string[] =>
  groupsOf(look)
    .filter(({ policy }) => policy.standby === 'stopped')
    .flatMap(({ policy }) => policy.services)
    .flatMap((service) => optionTexts(look.config.services[service]?.manager?.options, ['unit']));

/** All units of the services of a group, whether they run on standbys or not. */
const unitsOf = (look: Look): readonly string[] => [
  ...new Set(
    groupsOf(look)
      .flatMap(({ policy }) => policy.services)
      .flatMap((service) => optionTexts(look.config.services[service]?.manager?.options, ['unit'])),
  ),
];

const RESTART_FILE = '/etc/systemd/system/watchkeeper.service.d/60-preflight.conf';
const UNITS_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `1min 30s` of systemctl show; null: for ever, or nothing that is known. */
function spanMs(text: string): number | null {
  if (text === '0') return 0;
  const parts = [...text.matchAll(/([\d.]+)(us|ms|s|min|h|d)(?=\s|$)/g)];
  if (parts.length === 0) return null;
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNITS_MS[unit] ?? Number.NaN), 0);
}

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
  criterion(
    'boot.mounts',
    'What is mounted where its group is does not mount at boot',
    (look) => {
      const targets = groupsOf(look).flatMap(({ steps }) =>
        steps.filter(({ type }) => type === 'mount').flatMap(({ options }) => optionTexts(options, ['on'])),
      );
      if (targets.length === 0) return 'no group has a mount';
      const lines = (look.read('/etc/fstab') ?? '').split('\n').filter((line) => !line.startsWith('#'));
      return lines.flatMap((line) => {
        const [, target = '', , options = ''] = line.trim().split(/\s+/);
        if (!targets.includes(target) || options.split(',').includes('noauto')) return [];
        const noauto = `s#^(\\s*[^\\s\\#]\\S*\\s+${target.replaceAll('.', '\\.')}\\s+\\S+\\s+)(\\S+)#\\1\\2,noauto#`;
        const fix = isPlainWord(target) ? [edit(noauto, '/etc/fstab')] : [];
        return [error(`${target} is in /etc/fstab`, 'add noauto to its line, or it is mounted on two nodes', ...fix)];
      });
    },
    true,
  ),
  criterion('boot.rivals', 'Nothing else moves services on this machine', async ({ run }) => {
    const found = await run(['systemctl', 'is-active', ...RIVALS]);
    if (found.missing) return missing('systemctl');
    const active = found.out.split('\n').flatMap((word, at) => (word === 'active' ? [RIVALS[at] ?? ''] : []));
    return active.map((name) =>
      error(`${name} is active`, 'one of the two has to go: they would work against each other'),
    );
  }),
  criterion(
    'boot.wakers',
    'Nothing else starts at boot what runs only where its group is',
    async (look) => {
      const units = standbyUnits(look);
      if (units.length === 0) return 'no group stops its services on standbys';
      const findings: Finding[] = [];
      for (const unit of units)
        for (const kind of ['socket', 'path', 'timer']) {
          const waker = unit.replace(/(\.service)?$/, `.${kind}`);
          const found = await look.run(['systemctl', 'is-enabled', waker]);
          if (found.missing) return missing('systemctl');
          if (!/^enabled(-runtime)?$/.test(found.out.trim())) continue;
          const fix = { argv: ['systemctl', 'disable', waker] };
          findings.push(error(`${waker} is enabled, and starts ${unit}`, `systemctl disable ${waker}`, fix));
        }
      return findings;
    },
    true,
  ),
  criterion(
    'boot.etcd',
    'No other member of etcd starts beside the one that this daemon runs',
    async ({ config, run }) => {
      if (!config.cluster?.member) return 'this daemon runs no member';
      const found = await run(['systemctl', 'is-enabled', 'etcd.service']);
      if (found.missing) return missing('systemctl');
      if (!/^enabled(-runtime)?$/.test(found.out.trim())) return [];
      const fix = { argv: ['systemctl', 'disable', 'etcd.service'] };
      return [error('etcd.service is enabled: it would have our ports', 'systemctl disable etcd.service', fix)];
    },
    true,
  ),
  criterion(
    'boot.units',
    'systemd would start each service of a group when it is asked to',
    async (look) => {
      const units = unitsOf(look);
      if (units.length === 0) return 'systemd runs no service of a group';
      const findings: Finding[] = [];
      for (const unit of units) {
        const found = await look.run(['systemctl', 'is-enabled', unit]);
        if (found.missing) return missing('systemctl');
        const state = found.out.trim();
        if (/^masked(-runtime)?$/.test(state)) {
          const fix = { argv: ['systemctl', 'unmask', unit] };
          findings.push(error(`${unit} is masked`, `systemctl unmask ${unit}: it stays disabled`, fix));
        } else if (/No such file|not-found|could not be found/i.test(state))
          findings.push(error(`there is no ${unit}`, 'install its package, as on the other nodes'));
      }
      return findings;
    },
    true,
  ),
  criterion(
    'boot.restart',
    'A daemon that was killed is back long before others take over',
    async ({ config, run }) => {
      const silence = config.cluster?.policy.timing.silenceMs;
      if (silence === undefined) return ALONE;
      const found = await run(['systemctl', 'show', '-p', 'LoadState,Restart,RestartUSec', 'watchkeeper.service']);
      if (found.missing) return missing('systemctl');
      const said = Object.fromEntries(found.out.split('\n').map((line) => line.trim().split('=', 2)));
      if (said['LoadState'] !== 'loaded') return 'it is not a unit here';
      const ms = spanMs(said['RestartUSec'] ?? '');
      const again = ['always', 'on-failure'].includes(said['Restart'] ?? '');
      // What it needs to start comes on top.
      if (again && ms !== null && ms <= silence / 4) return [];
      const fix = [
        { write: RESTART_FILE, text: '[Service]\nRestart=always\nRestartSec=100ms\n' },
        { argv: ['systemctl', 'daemon-reload'] },
      ];
      const text = again
        ? `RestartSec is ${said['RestartUSec']}, silence is ${silence} ms`
        : `Restart is ${said['Restart']}`;
      return [error(text, `RestartSec of a quarter of silence at the most, in ${RESTART_FILE}`, ...fix)];
    },
    true,
  ),
];
