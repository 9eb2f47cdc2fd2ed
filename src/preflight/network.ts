// Criteria about the network: comm paths, ports, resolvers.
import {
  ALONE,
  criterion,
  type Criterion,
  error,
  type Finding,
  type Look,
  missing,
  NO_DAEMON,
  sameEverywhere,
  warning,
} from './criterion.ts';
import { held, hostOf, moving } from './addresses.ts';

const others = ({ config, node }: Look) =>
  Object.entries(config.cluster?.policy.nodes ?? {}).filter(([name]) => name !== node);

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

/** The chain of nft that drops what it does not know; its lines are indented by what a terminal may not be sent. */
const SHUT = /table (\w+) (\S+) \{(?:(?!\ntable )[^])*?chain (\S+) \{[^}]*?type filter hook input[^\n]*policy drop/;

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
  criterion(
    'ports.firewall',
    'The firewall lets the other daemons in',
    async (look) => {
      const port = look.config.cluster?.peers.port;
      if (port === undefined) return ALONE;
      const found = await look.run(['nft', 'list', 'ruleset']);
      if (!found.ok) return 'nft does not tell';
      const shut = SHUT.exec(found.out);
      if (!/hook input[^\n]*policy drop/.test(found.out) || new RegExp(`\\b${port}\\b`).test(found.out)) return [];
      const from = others(look)
        .flatMap(([, one]) => one.paths.map(hostOf))
        .filter((one) => /^[\d.]+$/.test(one));
      const [, family = '', table = '', chain = ''] = shut ?? [];
      const rule = ['ip', 'saddr', `{ ${from.join(', ')} }`, 'tcp', 'dport', String(port), 'accept'];
      const open = shut && from.length > 0 ? [{ argv: ['nft', 'insert', 'rule', family, table, chain, ...rule] }] : [];
      const suggestion =
        `let tcp dport ${port} in from the other nodes, also in the file of the firewall: ` +
        '--fix lasts until a boot';
      return [warning(`it drops what it does not know, and knows no ${port}`, suggestion, ...open)];
    },
    true,
  ),
];
