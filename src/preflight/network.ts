// Criteria about the network: comm paths, addresses that move, ports, resolvers, how the kernel answers ARP.
import {
  ALONE,
  criterion,
  type Criterion,
  error,
  type Finding,
  groupsOf,
  type Look,
  missing,
  NO_DAEMON,
  optionTexts,
  sameEverywhere,
  warning,
} from './criterion.ts';

const others = ({ config, node }: Look) =>
  Object.entries(config.cluster?.policy.nodes ?? {}).filter(([name]) => name !== node);
const hostOf = (address: string): string => address.replace(/\/\d+$/, '');

interface Held {
  readonly device: string;
  readonly address: string;
  readonly forEver: boolean;
}

/** Addresses of this machine; null: the program is missing. */
async function held({ run }: Look): Promise<readonly Held[] | null> {
  const found = await run(['ip', '-o', 'addr', 'show']);
  if (!found.ok) return null;
  return found.out.split('\n').flatMap((line) => {
    const seen = /^\d+:\s+(\S+)\s+inet6?\s+([^\s/]+)/.exec(line);
    return seen ? [{ device: seen[1] ?? '', address: seen[2] ?? '', forEver: /valid_lft forever/.test(line) }] : [];
  });
}

export const paths: readonly Criterion[] = [
  criterion('paths.two', 'Nodes know each other by two ways', ({ config }) => {
    if (!config.cluster) return ALONE;
    return Object.entries(config.cluster.policy.nodes)
      .filter(([, one]) => one.paths.length < 2)
      .map(([name, one]) =>
        warning(`${name} has ${one.paths.length}`, 'give each node a second address in another network'),
      );
  }),
  criterion('paths.distinct', 'No address belongs to two nodes', ({ config }) => {
    if (!config.cluster) return ALONE;
    const all = Object.values(config.cluster.policy.nodes).flatMap((one) => one.paths);
    const twice = [...new Set(all.filter((one, at) => all.indexOf(one) !== at))];
    return twice.map((one) => error(`${one} is given twice`, 'each path is an address of one node'));
  }),
  criterion('paths.own', 'The addresses of this node are on its interfaces', async (look) => {
    const own = look.config.cluster?.policy.nodes[look.node]?.paths ?? [];
    if (own.length === 0) return 'this node has no paths';
    const here = await held(look);
    if (!here) return missing('ip');
    return own
      .filter((one) => /^[\d.]+$|:/.test(one) && !here.some(({ address }) => address === hostOf(one)))
      .map((one) => error(`${one} is on no interface`, 'bring the interface up, or correct the path'));
  }),
  criterion('paths.interfaces', 'The two ways of this node are on two interfaces', async (look) => {
    const own = look.config.cluster?.policy.nodes[look.node]?.paths ?? [];
    if (own.length < 2) return 'this node has less than two paths';
    const here = await held(look);
    if (!here) return missing('ip');
    const devices = new Set(
      here.filter(({ address }) => own.map(hostOf).includes(address)).map(({ device }) => device),
    );
    return devices.size === 1 ? [warning('both are on one', 'one broken cable cuts both: use another interface')] : [];
  }),
  criterion('paths.answer', 'The daemons of other nodes answer on each way', async (look) => {
    const { cluster } = look.config;
    if (!cluster?.peers.tls) return 'paths are not watched here';
    const findings: Finding[] = [];
    for (const [name, one] of others(look))
      for (const host of one.paths) {
        const why = await look.connect(hostOf(host), cluster.peers.port);
        if (why !== null)
          findings.push(error(`${name} at ${host}: ${why}`, `start its daemon, open port ${cluster.peers.port}`));
      }
    return findings;
  }),
  criterion('paths.heard', 'Every node was heard of late', ({ cluster }) => {
    if (!cluster) return NO_DAEMON;
    return cluster.nodes
      .filter(({ ageMs }) => ageMs === null || ageMs > 15_000)
      .map(({ node, ageMs }) =>
        error(
          `${node}: ${ageMs === null ? 'never' : `${Math.round(ageMs / 1000)} s ago`}`,
          'start its daemon, look at its coordinator',
        ),
      );
  }),
];

const moving = (look: Look) =>
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

export const addresses: readonly Criterion[] = [
  criterion('addresses.interface', 'The interface of each moving address is there and up', (look) => {
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
          : say(`${group}: ${device} is down`, `ip link set ${device} up`),
      );
    });
  }),
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
  criterion('addresses.static', 'No moving address is configured to stay for ever', async (look) => {
    const all = moving(look).flatMap((one) => one.addresses);
    if (all.length === 0) return NO_ADDRESS;
    const files = ['/etc/network/interfaces', '/etc/netplan/50-cloud-init.yaml', '/etc/systemd/network/10-lan.network'];
    return files.flatMap((path) => {
      const text = look.read(path) ?? '';
      const found = all.filter((one) =>
        new RegExp(`(^|[^\\d.])${one.replaceAll('.', '\\.')}($|[^\\d.])`, 'm').test(text),
      );
      return found.map((one) => error(`${one} is in ${path}`, 'take it out: it comes up at boot on two nodes'));
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
      const keep = { file: '/etc/sysctl.d/60-watchkeeper.conf', line: word };
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
];

const NAME_SERVERS = /^\s*nameserver\s+(\S+)/gm;

export const dns: readonly Criterion[] = [
  criterion('dns.two', 'There are two resolvers', ({ read }) => {
    const text = read('/etc/resolv.conf');
    if (text === null) return [error('/etc/resolv.conf is not there', 'name the resolvers in it')];
    const all = [...text.matchAll(NAME_SERVERS)].map(([, one]) => one);
    if (all.length >= 2 || all.includes('127.0.0.53') || all.includes('127.0.0.1')) return [];
    return [warning(`${all.length} is named`, 'name a second one: mail stops with its resolver')];
  }),
  criterion('dns.moving', 'No resolver is an address that moves with a group', (look) => {
    const text = look.read('/etc/resolv.conf') ?? '';
    const all = [...text.matchAll(NAME_SERVERS)].map(([, one]) => one ?? '');
    const found = moving(look).flatMap((one) => one.addresses.filter((address) => all.includes(address)));
    return found.map((one) =>
      error(`${one} is a resolver and moves`, 'use a resolver that stays: it is away while the group moves'),
    );
  }),
  sameEverywhere(
    'dns.resolvers',
    'resolv',
    'All nodes ask the same resolvers',
    'warning',
    'make /etc/resolv.conf the same, unless sites have their own',
  ),
];

export const ports: readonly Criterion[] = [
  criterion('ports.peers', 'The port between daemons is listened on by nobody else', async ({ config, run }) => {
    const port = config.cluster?.peers.port;
    if (port === undefined) return ALONE;
    const found = await run(['ss', '-H', '-l', '-t', '-n', '-p', `sport = :${port}`]);
    if (!found.ok) return missing('ss');
    const line = found.out
      .split('\n')
      .find((one) => one.includes('users:') && !/node|watchkeeper|MainThread/.test(one));
    return line === undefined
      ? []
      : [error(line.trim().slice(0, 200), `free port ${port}, or give \`peers.port\` another`)];
  }),
  criterion('ports.distinct', 'Daemons and etcd have ports of their own', ({ config }) => {
    const { cluster } = config;
    if (!cluster?.member) return 'this daemon runs no member';
    const urls = [...cluster.member.clientUrls, ...cluster.member.peerUrls];
    const used = urls.map((url) => Number(/:(\d+)\/?$/.exec(url)?.[1] ?? 0));
    return used.includes(cluster.peers.port)
      ? [error(`${cluster.peers.port} is used twice`, 'give `peers.port` another port')]
      : [];
  }),
  criterion('ports.firewall', 'The firewall lets the other daemons in', async ({ config, run }) => {
    const port = config.cluster?.peers.port;
    if (port === undefined) return ALONE;
    const found = await run(['nft', 'list', 'ruleset']);
    if (!found.ok) return 'nft does not tell';
    if (!/hook input[^\n]*policy drop/.test(found.out) || new RegExp(`\\b${port}\\b`).test(found.out)) return [];
    return [
      warning(`it drops what it does not know, and knows no ${port}`, `let tcp dport ${port} in from the other nodes`),
    ];
  }),
];
