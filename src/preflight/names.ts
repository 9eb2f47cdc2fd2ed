// Criteria about names and identities: who this node is, and that no other is the same.
import {
  ALONE,
  criterion,
  type Criterion,
  differentEverywhere,
  edit,
  error,
  isPlainWord,
  type Look,
  missing,
  warning,
} from './criterion.ts';

const HOSTS = '/etc/hosts';
/** Where other nodes see this one. */
const addressOf = ({ config, node }: Look): string | null =>
  config.cluster?.policy.nodes[node]?.paths.find((one) => /^[\d.]+$/.test(one)) ?? null;

const hostAddresses = (text: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[0] ?? '')
    .filter((one) => one !== '');

export const names: readonly Criterion[] = [
  criterion('names.node', 'This node is one of the cluster', ({ node, config }) => {
    const nodes = Object.keys(config.cluster?.policy.nodes ?? {});
    if (nodes.length === 0) return ALONE;
    return nodes.includes(node)
      ? []
      : [error(`${node} is none of ${nodes.join(', ')}`, 'set `node:` to the name that the cluster knows it by')];
  }),
  criterion('names.groups', 'Groups name only nodes of the cluster, and more than one', ({ config }) => {
    if (!config.cluster) return ALONE;
    const nodes = Object.keys(config.cluster.policy.nodes);
    return Object.values(config.groups ?? {}).flatMap(({ name, policy }) => {
      const lost = policy.nodes.filter((one) => !nodes.includes(one));
      if (lost.length > 0) return [error(`${name} names ${lost.join(', ')}`, 'name nodes that `cluster.nodes` has')];
      if (policy.nodes.length > 1) return [];
      return [warning(`${name} has one node only`, 'give it a second node, or nothing can take it over')];
    });
  }),
  criterion(
    'names.hostname',
    'The name of the machine resolves',
    async (look) => {
      const name = look.read('/proc/sys/kernel/hostname')?.trim() ?? '';
      const found = await look.run(['getent', 'hosts', name]);
      if (found.missing) return missing('getent');
      if (found.ok) return [];
      const address = addressOf(look);
      const fix = address !== null && isPlainWord(name) ? [{ file: HOSTS, line: `${address} ${name}` }] : [];
      return [error(`${name} does not resolve`, 'add its address and name to /etc/hosts', ...fix)];
    },
    true,
  ),
  criterion(
    'names.loopback',
    'The name of the machine is not an address of loopback only',
    async (look) => {
      const name = look.read('/proc/sys/kernel/hostname')?.trim() ?? '';
      const found = await look.run(['getent', 'ahosts', name]);
      if (!found.ok) return 'it does not resolve';
      const all = hostAddresses(found.out);
      if (!look.config.cluster || all.some((one) => !/^(127\.|::1$)/.test(one))) return [];
      const address = addressOf(look);
      const there = new RegExp(`^127\\.\\S+\\s(.*\\s)?${name.replaceAll('.', '\\.')}(\\s|$)`, 'm').test(
        look.read(HOSTS) ?? '',
      );
      const can = address !== null && isPlainWord(name) && name !== 'localhost' && there;
      const fix = can
        ? [edit(`s#^127[0-9.]+(\\s+(.*\\s)?${name.replaceAll('.', '\\.')}(\\s.*)?)$#${address}\\1#`, HOSTS)]
        : [];
      return [warning(`${name} is ${all[0]} only`, 'let /etc/hosts name the address that other nodes see', ...fix)];
    },
    true,
  ),
  criterion(
    'names.fqdn',
    'The machine has a full name',
    async (look) => {
      const { out, ok } = await look.run(['hostname', '-f']);
      if (ok && out.includes('.')) return [];
      const name = look.read('/proc/sys/kernel/hostname')?.trim() ?? '';
      // Postfix was told the full name, and it is this machine's.
      const full = look.inventory['myhostname'] ?? '';
      const address = addressOf(look);
      const can = address !== null && name !== '' && full.startsWith(`${name}.`) && isPlainWord(full);
      const fix = can ? [edit(`1i\\${address} ${full} ${name}`, HOSTS)] : [];
      const text = ok ? `hostname -f is ${out.trim()}` : 'hostname -f fails';
      return [warning(text, 'mail servers greet with a full name: put it first in the line of /etc/hosts', ...fix)];
    },
    true,
  ),
  criterion(
    'names.nodes',
    'The names of all nodes resolve, also without DNS',
    async ({ config, run }) => {
      if (!config.cluster) return ALONE;
      const findings = [];
      for (const [name, { paths }] of Object.entries(config.cluster.policy.nodes)) {
        if ((await run(['getent', 'hosts', name])).ok) continue;
        const [address] = paths;
        const fix = address === undefined ? [] : [{ file: '/etc/hosts', line: `${address} ${name}` }];
        findings.push(warning(`${name} does not resolve`, `add ${name} to /etc/hosts of each node`, ...fix));
      }
      return findings;
    },
    true,
  ),
  criterion(
    'names.machine-id',
    'The machine has an id of its own',
    ({ read }) => {
      const id = read('/etc/machine-id')?.trim() ?? '';
      if (/^[0-9a-f]{32}$/.test(id)) return [];
      const fix = { argv: ['systemd-machine-id-setup'] };
      return [error('/etc/machine-id is missing or empty', 'make one: systemd-machine-id-setup', fix)];
    },
    true,
  ),
  differentEverywhere(
    'names.machine-differs',
    'machine',
    'No two nodes have the same machine id',
    'a cloned machine: empty /etc/machine-id, run systemd-machine-id-setup, start again',
  ),
  differentEverywhere(
    'names.boot-differs',
    'boot',
    'No two nodes have the same boot id',
    'two daemons run on one kernel: each node needs a machine of its own',
  ),
  differentEverywhere(
    'names.mail-name',
    'myhostname',
    'Nodes know themselves by names of their own',
    'set myhostname in main.cf to the name of each node, or their mail to each other loops',
  ),
];
