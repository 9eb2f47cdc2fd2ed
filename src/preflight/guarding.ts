// Criteria about what keeps two nodes apart and strangers out: fences, certificates between daemons, files with
// secrets.
import {
  ALONE,
  criterion,
  type Criterion,
  error,
  groupsOf,
  type Look,
  missing,
  modeOf,
  optionTexts,
  warning,
} from './criterion.ts';

const several = ({ config }: Look): boolean => Object.keys(config.cluster?.policy.nodes ?? {}).length > 1;

/** File systems that several machines may have at a time, and what keeps a second one off by itself. */
const SHARING = /^(nfs4?|cifs|ceph|glusterfs|fuse\.glusterfs|ocfs2|gfs2)$/;
const STORAGE_AGENTS = /:(Filesystem|LVM|LVM-activate|ZFS|iSCSILogicalUnit|Raid1|mdraid)$/;

function isStorage({ type, options }: { readonly type: string; readonly options: unknown }): boolean {
  if (type === 'ocf') return optionTexts(options, ['agent']).some((agent) => STORAGE_AGENTS.test(agent));
  if (type !== 'mount') return false;
  if (optionTexts(options, ['type']).some((one) => SHARING.test(one))) return false;
  return !optionTexts(options, ['device']).some((one) => one.startsWith('/dev/drbd'));
}

export const fencing: readonly Criterion[] = [
  criterion('fencing.step', 'What cannot be proved stopped can be fenced', (look) => {
    if (!several(look)) return ALONE;
    return groupsOf(look)
      .filter(({ policy }) => policy.standby === 'stopped' && policy.steps.some((one) => one.exclusive))
      .filter(({ policy }) => !policy.steps.some(({ type }) => type === 'fence'))
      .map(({ name }) =>
        warning(`${name} has no step fence`, 'add one, or a node that hangs blocks a failover until a person comes'),
      );
  }),
  criterion('fencing.storage', 'What two nodes may not write to at a time is fenced', (look) => {
    if (!several(look)) return ALONE;
    return groupsOf(look)
      .filter(({ policy }) => !policy.steps.some(({ type }) => type === 'fence'))
      .flatMap(({ name, steps }) =>
        steps
          .filter(isStorage)
          .map((step) =>
            error(
              `${name}: ${step.name} (${step.type}) is storage, and no fence is there`,
              'put a fence first: a node that freezes and thaws writes for a moment beside the new one',
            ),
          ),
      );
  }),
  criterion(
    'fencing.watchdog',
    'The machine has a watchdog',
    (look) => {
      if (!several(look)) return ALONE;
      if (look.look('/dev/watchdog') || look.look('/dev/watchdog0')) return [];
      const fix = [
        { argv: ['modprobe', 'softdog'] },
        { write: '/etc/modules-load.d/60-watchkeeper.conf', text: 'softdog\n' },
      ];
      return [warning('there is no /dev/watchdog', 'load the driver of the board, or softdog', ...fix)];
    },
    true,
  ),
  criterion('fencing.order', 'A fence is the first step of its group', (look) =>
    groupsOf(look).flatMap(({ name, policy }) => {
      const at = policy.steps.findIndex(({ type }) => type === 'fence');
      return at > 0
        ? [error(`${name}: it is step ${at + 1}`, 'put it first: before it the old node may still write')]
        : [];
    }),
  ),
  criterion('fencing.pivot', 'Each group says from where on clients reach it', (look) =>
    groupsOf(look)
      .filter(({ policy }) => policy.steps.length > 0 && !policy.steps.some(({ pivot }) => pivot))
      .map(({ name }) =>
        warning(`${name} has no pivot`, 'add a step address or dns: without one a late failure takes all back'),
      ),
  ),
];

const tlsOf = ({ config }: Look) => config.cluster?.peers.tls ?? null;
const NO_TLS = 'daemons do not speak with each other here';
const MONTH_S = 30 * 86_400;

export const certificates: readonly Criterion[] = [
  criterion('certificates.there', 'Certificate, key and authority of the daemons are there', (look) => {
    const tls = tlsOf(look);
    if (!tls) return NO_TLS;
    return [tls.certificate, tls.key, tls.authority]
      .filter((path) => !look.look(path))
      .map((path) => error(`${path} is not there`, 'put it there, readable by the daemon'));
  }),
  criterion(
    'certificates.key-mode',
    'The key is for the daemon only',
    (look) => {
      const key = tlsOf(look)?.key;
      if (key === undefined) return NO_TLS;
      const found = look.look(key);
      if (!found || (found.mode & 0o077) === 0) return [];
      return [error(`mode ${modeOf(found.mode)}`, `chmod 600 ${key}`, { argv: ['chmod', '600', key] })];
    },
    true,
  ),
  criterion(
    'certificates.folder',
    'Nobody else may put another key there',
    (look) => {
      const key = tlsOf(look)?.key;
      if (key === undefined) return NO_TLS;
      const folder = key.replace(/\/[^/]*$/, '');
      const found = look.look(folder);
      if (!found || (found.mode & 0o022) === 0) return [];
      const fix = { argv: ['chmod', 'go-w', folder] };
      return [error(`${folder} has mode ${modeOf(found.mode)}`, `chmod go-w ${folder}`, fix)];
    },
    true,
  ),
  criterion('certificates.month', 'The certificate is good for another month', async (look) => {
    const path = tlsOf(look)?.certificate;
    if (path === undefined) return NO_TLS;
    const found = await look.run(['openssl', 'x509', '-in', path, '-noout', '-checkend', String(MONTH_S)]);
    if (found.missing) return missing('openssl');
    return found.ok ? [] : [warning('it ends within a month', 'renew it, and reload')];
  }),
  criterion('certificates.chain', 'The authority has signed the certificate', async (look) => {
    const tls = tlsOf(look);
    if (!tls) return NO_TLS;
    const found = await look.run(['openssl', 'verify', '-CAfile', tls.authority, tls.certificate]);
    if (found.missing) return missing('openssl');
    return found.ok ? [] : [error(found.out.slice(0, 200), 'use a certificate of this authority')];
  }),
  criterion('certificates.pair', 'Key and certificate belong together', async (look) => {
    const tls = tlsOf(look);
    if (!tls) return NO_TLS;
    const one = await look.run(['openssl', 'x509', '-in', tls.certificate, '-noout', '-pubkey']);
    const two = await look.run(['openssl', 'pkey', '-in', tls.key, '-pubout']);
    if (one.missing) return missing('openssl');
    if (!one.ok || !two.ok) return [error('one of them cannot be read', 'look at the files: PEM, and no pass phrase')];
    return one.out.trim() === two.out.trim() ? [] : [error('they do not', 'put the key of this certificate there')];
  }),
];

/** As who reads them judges: what others may read or write is refused. */
const OPEN_TO_OTHERS = 0o066;

/** Every reference to a file with a secret, wherever in the configuration it stands. */
function secretFiles(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.startsWith('file:/') ? [value.slice('file:'.length)] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(secretFiles);
}
const secretsOf = ({ config }: Look): readonly string[] => [...new Set(secretFiles(config))];
const NO_SECRETS = 'the configuration names no file with a secret';

export const secrets: readonly Criterion[] = [
  criterion('secrets.there', 'Every file with a secret is there', (look) => {
    const all = secretsOf(look);
    if (all.length === 0) return NO_SECRETS;
    return all
      .filter((path) => !look.look(path))
      .map((path) => error(`${path} is not there`, 'write the secret into it, for the daemon only (mode 600)'));
  }),
  criterion(
    'secrets.mode',
    'Files with secrets are for the daemon only',
    (look) => {
      const all = secretsOf(look);
      if (all.length === 0) return NO_SECRETS;
      return all.flatMap((path) => {
        const found = look.look(path);
        if (found?.kind !== 'file' || (found.mode & OPEN_TO_OTHERS) === 0) return [];
        const fix = { argv: ['chmod', '600', path] };
        return [error(`${path} has mode ${modeOf(found.mode)}: it is refused`, `chmod 600 ${path}`, fix)];
      });
    },
    true,
  ),
];
