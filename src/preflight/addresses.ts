// Criteria about addresses that move with a group: where they are, who else would have them, how the kernel answers
// for them.
import {
  ALONE,
  criterion,
  type Criterion,
  edit,
  error,
  type Finding,
  type Fix,
  groupsOf,
  isPlainWord,
  type Look,
  missing,
  optionTexts,
  warning,
} from './criterion.ts';

export const hostOf = (address: string): string => address.replace(/\/\d+$/, '');

export interface Held {
  readonly device: string;
  readonly address: string;
  readonly forEver: boolean;
}

/** Addresses of this machine; null: the program is missing. */
export async function held({ run }: Look): Promise<readonly Held[] | null> {
  const found = await run(['ip', '-o', 'addr', 'show']);
  if (!found.ok) return null;
  return found.out.split('\n').flatMap((line) => {
    const seen = /^\d+:\s+(\S+)\s+inet6?\s+([^\s/]+)/.exec(line);
    return seen ? [{ device: seen[1] ?? '', address: seen[2] ?? '', forEver: /valid_lft forever/.test(line) }] : [];
  });
}

export const moving = (look: Look) =>
  groupsOf(look).flatMap(({ name, steps }) =>
    steps
      .filter(({ type }) => type === 'address')
      .map(({ options }) => ({
        group: name,
        addresses: optionTexts(options, ['ip']).map(hostOf),
        devices: optionTexts(options, ['interfaces']),
      })),
  );

const NO_ADDRESS = 'no group has an address that moves';
const owns = ({ cluster, node }: Look, group: string): boolean | null => {
  const found = cluster?.groups.find(({ name }) => name === group);
  return found ? found.owner === node : null;
};

/** Where the network of a machine is written down; what is made from other files is not looked at. */
const NETWORK_FOLDERS: readonly (readonly [folder: string, name: RegExp])[] = [
  ['/etc/network/interfaces.d', /^[\w.-]+$/],
  ['/etc/netplan', /\.ya?ml$/],
  ['/usr/lib/systemd/network', /\.network$/],
  ['/etc/systemd/network', /\.network$/],
  ['/etc/NetworkManager/system-connections', /^(?!.*(~|\.before-watchkeeper)$)/],
  ['/etc/sysconfig/network-scripts', /^ifcfg-/],
];

/** With the drop-ins of systemd-networkd: `NAME.network.d/*.conf`. */
function networkFiles({ list }: Look): readonly string[] {
  const within = (folder: string, name: RegExp): readonly string[] =>
    list(folder)
      .filter((one) => name.test(one))
      .map((one) => `${folder}/${one}`);
  const dropIns = within('/etc/systemd/network', /\.network\.d$/).flatMap((folder) => within(folder, /\.conf$/));
  return ['/etc/network/interfaces', ...NETWORK_FOLDERS.flatMap(([folder, name]) => within(folder, name)), ...dropIns];
}

const literal = (text: string): string => text.replaceAll('.', '\\.');
const mentioned = (address: string): RegExp => new RegExp(`(^|[^\\w.:])${literal(address)}($|[^\\w.:])`, 'im');

/** What networkd would give it at the next boot becomes a comment. Other files are not of one line a setting. */
function out(path: string, address: string): readonly Fix[] {
  if (!path.startsWith('/etc/systemd/network/') || !isPlainWord(path) || !isPlainWord(address)) return [];
  return [edit(`s#^(\\s*Address\\s*=\\s*${literal(address)}(/.*)?)$#\\#\\1#`, path)];
}

export const addresses: readonly Criterion[] = [
  criterion(
    'addresses.interface',
    'The interface of each moving address is there and up',
    (look) => {
      const all = moving(look);
      if (all.length === 0) return NO_ADDRESS;
      return all.flatMap(({ group, devices }) => {
        const states = devices.map((device) => ({
          device,
          state: look.read(`/sys/class/net/${device}/operstate`)?.trim() ?? 'missing',
        }));
        const bad = states.filter(({ state }) => state === 'missing' || state === 'down');
        // One that is up is enough; without another a lost link means another node.
        const say = bad.length === states.length ? error : warning;
        return bad.map(({ device, state }) =>
          state === 'missing'
            ? say(`${group}: there is no ${device}`, 'name an interface of this node (`ip link`)')
            : say(`${group}: ${device} is down`, `ip link set ${device} up`, {
                argv: ['ip', 'link', 'set', device, 'up'],
              }),
        );
      });
    },
    true,
  ),
  criterion('addresses.stray', 'A moving address is only where its group is', async (look) => {
    const all = moving(look);
    if (all.length === 0) return NO_ADDRESS;
    const here = await held(look);
    if (!here) return missing('ip');
    return all.flatMap(({ group, addresses: moved }) =>
      owns(look, group) === false
        ? here
            .filter(({ address }) => moved.includes(address))
            .map(({ address, device }) =>
              error(
                `${address} of ${group} is on ${device}, and the group is not`,
                `ip addr del ${address} dev ${device}, after looking why`,
              ),
            )
        : [],
    );
  }),
  criterion(
    'addresses.static',
    'No moving address is configured to stay for ever',
    (look) => {
      const all = moving(look).flatMap((one) => one.addresses);
      if (all.length === 0) return NO_ADDRESS;
      return networkFiles(look).flatMap((path) => {
        const text = (look.read(path) ?? '').replace(/^\s*[#;].*$/gm, '');
        return all
          .filter((one) => mentioned(one).test(text))
          .map((one) =>
            error(`${one} is in ${path}`, `take it out: it comes up at boot on two nodes`, ...out(path, one)),
          );
      });
    },
    true,
  ),
  criterion('addresses.for-ever', 'Each moving address ends with the right to it, or its node is fenced', (look) => {
    const all = groupsOf(look).flatMap(({ name, steps, policy }) =>
      steps.filter(({ type }) => type === 'address').map((step) => ({ name, step, policy })),
    );
    if (all.length === 0) return NO_ADDRESS;
    return all
      .filter(({ step }) => optionTexts(step.options, ['lifetime']).includes('off'))
      .map(({ name, step, policy }) => {
        const text = `${name}: \`lifetime: off\` of ${step.name}: a node that hangs keeps the address`;
        return policy.steps.some(({ type }) => type === 'fence')
          ? warning(`${text} until its fence is done`, 'take it out, unless the fence is sure in every case')
          : error(`${text}, and two nodes may have it`, 'take it out, or put a fence first');
      });
  }),
  criterion('addresses.lifetime', 'The kernel takes a moving address away when its time is over', async (look) => {
    const all = moving(look).flatMap((one) => one.addresses);
    if (all.length === 0) return NO_ADDRESS;
    const here = await held(look);
    if (!here) return missing('ip');
    return here
      .filter(({ address, forEver }) => forEver && all.includes(address))
      .map(({ address }) =>
        error(
          `${address} is there for ever`,
          'something else has added it: find it, and delete the address while the group is elsewhere',
        ),
      );
  }),
  criterion('addresses.filter', 'Packets for a moving address can be filtered by the kernel', async (look) => {
    const filtered = groupsOf(look).flatMap(({ steps }) =>
      steps.filter(
        ({ type, options }) => type === 'address' && !optionTexts(options, ['filter', 'lifetime']).includes('off'),
      ),
    );
    if (filtered.length === 0) return 'no group has an address that is filtered';
    const found = await look.run(['nft', '--check', 'add table inet watchkeeper_check { flags owner; }']);
    if (found.ok) return [];
    const why = found.missing ? 'nft is not installed' : 'this kernel does not take what nft asks for';
    return [
      warning(
        `${why}: a command that froze on its way can bring an address back for a moment`,
        'install nftables (and Linux 5.12 or later), or put a fence first',
      ),
    ];
  }),
  criterion('addresses.duplicate', 'Nobody else in the network has a moving address', async (look) => {
    const all = moving(look).filter(({ group }) => owns(look, group) === true);
    if (all.length === 0) return 'no group with an address is active here';
    const findings: Finding[] = [];
    for (const { addresses: moved, devices } of all)
      for (const address of moved.filter((one) => /^[\d.]+$/.test(one))) {
        const [device = ''] = devices;
        if (device === '' || device.includes('$')) continue;
        const found = await look.run(['arping', '-D', '-q', '-c', '2', '-w', '2', '-I', device, address]);
        if (found.missing) return missing('arping');
        if (found.code === 1)
          findings.push(
            error(
              `${address} answers from another machine`,
              'find it by its hardware address: arping -I DEVICE ADDRESS',
            ),
          );
      }
    return findings;
  }),
];

const OWN_SETTINGS = '/etc/sysctl.d/60-watchkeeper.conf';
/** Those that the kernel does not begin with. */
const KEPT = ['arp_ignore', 'arp_announce', 'promote_secondaries'];
const SETTING_FOLDERS = ['/etc/sysctl.d', '/run/sysctl.d', '/usr/local/lib/sysctl.d', '/usr/lib/sysctl.d'];
const settingFiles = ({ list }: Look): readonly string[] => [
  '/etc/sysctl.conf',
  ...SETTING_FOLDERS.flatMap((folder) =>
    list(folder)
      .filter((name) => name.endsWith('.conf'))
      .map((name) => `${folder}/${name}`),
  ),
];

/** A setting of the kernel that a moving address wants. */
const setting = (id: string, path: string, good: readonly string[], why: string): Criterion =>
  criterion(
    id,
    `${path.replaceAll('/', '.')} is ${good.join(' or ')}`,
    (look) => {
      if (moving(look).length === 0) return NO_ADDRESS;
      const value = look.read(`/proc/sys/${path}`)?.trim();
      if (value === undefined) return 'this kernel has no such setting';
      if (good.includes(value)) return [];
      const name = path.replaceAll('/', '.');
      const word = `${name}=${good[0]}`;
      const keep = { file: OWN_SETTINGS, line: word };
      return [warning(`it is ${value}`, `sysctl -w ${word}: ${why}`, { argv: ['sysctl', '-w', word] }, keep)];
    },
    true,
  );

export const kernel: readonly Criterion[] = [
  setting(
    'sysctl.arp-ignore',
    'net/ipv4/conf/all/arp_ignore',
    ['1', '2'],
    'an address is answered for on its own interface only',
  ),
  setting('sysctl.arp-announce', 'net/ipv4/conf/all/arp_announce', ['2'], 'neighbours learn the right address'),
  setting(
    'sysctl.arp-accept',
    'net/ipv4/conf/all/drop_gratuitous_arp',
    ['0'],
    'this node hears when an address has moved',
  ),
  setting(
    'sysctl.promote',
    'net/ipv4/conf/all/promote_secondaries',
    ['1'],
    'taking one address away takes no other with it',
  ),
  criterion(
    'sysctl.kept',
    'What the kernel was told about addresses outlives a boot',
    (look) => {
      if (moving(look).length === 0) return NO_ADDRESS;
      const text = settingFiles(look)
        .map((path) => look.read(path) ?? '')
        .join('\n');
      return KEPT.flatMap((name) => {
        const value = look.read(`/proc/sys/net/ipv4/conf/all/${name}`)?.trim() ?? '0';
        if (value === '0' || new RegExp(`^\\s*-?net[./]ipv4[./]conf[./](all|\\*)[./]${name}\\s*=`, 'm').test(text))
          return [];
        const line = `net.ipv4.conf.all.${name}=${value}`;
        return [
          warning(`${name} is ${value}, and no file says so`, `add to ${OWN_SETTINGS}: ${line}`, {
            file: OWN_SETTINGS,
            line,
          }),
        ];
      });
    },
    true,
  ),
  criterion(
    'sysctl.panic',
    'A kernel that panics starts again',
    (look) => {
      if (Object.keys(look.config.cluster?.policy.nodes ?? {}).length < 2) return ALONE;
      const value = look.read('/proc/sys/kernel/panic')?.trim();
      if (value === undefined) return 'this kernel has no such setting';
      if (value !== '0') return [];
      const line = 'kernel.panic=10';
      return [
        warning(
          'it stays as it is until a person comes',
          `sysctl -w ${line}`,
          { argv: ['sysctl', '-w', line] },
          {
            ...{ file: OWN_SETTINGS, line },
          },
        ),
      ];
    },
    true,
  ),
];
