// Clusters and groups: what becomes of what is written, every rule with its text and place, show and diff.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { diff, diffText } from '../../src/config/diff.ts';
import { jsonSchema } from '../../src/config/json-schema.ts';
import { showYaml } from '../../src/config/show.ts';
import type { Config, GroupConfig } from '../../src/config/types.ts';
import command from '../../src/replication/command.ts';
import { withStandIns } from '../support/cluster-plugins.ts';
import { type ConfigFolder, configFolder, good } from '../support/config-folder.ts';
import { somePlugins } from '../support/config-plugins.ts';
import { golden } from '../support/golden.ts';
import { misfits } from '../support/json-schema.ts';

const test = suite<{ folder: ConfigFolder }>('config groups');
const plugins = withStandIns(somePlugins);
test.before.each((context) => {
  context.folder = configFolder();
});
test.after.each(({ folder }) => folder.remove());

const SERVICES = `services:
  store: { checks: [{ type: tcp, port: 143 }] }
  mta: { depends: [store], checks: [{ type: tcp, port: 25 }] }
  web: { checks: [{ type: tcp, port: 80 }] }
`;
const CLUSTER = `cluster:
  name: mail
  engine: etcd
  endpoints: [https://10.0.0.1:2379, https://10.0.0.2:2379, https://10.0.0.9:2379]
  nodes:
    n1: { paths: [10.0.0.1, 192.168.2.1], site: london, capacity: 2, words: { host: mail1.example.org } }
    n2: { paths: [10.0.0.2, 192.168.2.2] }
  peers: { certificate: ./node.pem, key: /etc/wk/node.key, authority: /etc/wk/ca.pem }
`;
const ADDRESS = 'address: { ip: 10.0.0.5/24, interfaces: [eth0] }';
const GROUP = `groups:
  mail:
    services: [store, mta]
    nodes: [n1, n2]
    steps: [{ ${ADDRESS} }]
`;

const load = (folder: ConfigFolder, text: string, file = 'wk.yaml', known = plugins) => {
  folder.write(file, text);
  return folder.load(file, { plugins: known });
};
const configOf = (folder: ConfigFolder, text: string, known = plugins): Config =>
  good(load(folder, text, 'wk.yaml', known)).config;
const groupOf = (folder: ConfigFolder, body: string, known = plugins): GroupConfig => {
  const text = `${SERVICES}${CLUSTER}quiet-hours: { night: { at: '0 1 * * *', for: 4h } }\ngroups:\n  mail:\n${body}`;
  const group = configOf(folder, text, known).groups?.['mail'];
  assert.ok(group);
  return group;
};

test('a node stands alone unless it is said', ({ folder }) => {
  const { cluster, groups, policy } = configOf(folder, SERVICES);
  assert.is(cluster, undefined);
  assert.is(groups, undefined);
  assert.is('cluster' in policy || 'groups' in policy, false);
});

test('a cluster: times from the silence, nodes, words, files beside the configuration', ({ folder }) => {
  const { cluster, policy } = configOf(folder, `${SERVICES}${CLUSTER}${GROUP}`);
  assert.equal(cluster?.policy, {
    timing: { silenceMs: 3000, renewMs: 200, marginMs: 300, failsafeMs: 1000 },
    nodes: {
      n1: { site: 'london', capacity: 2, paths: ['10.0.0.1', '192.168.2.1'] },
      n2: { site: null, capacity: null, paths: ['10.0.0.2', '192.168.2.2'] },
    },
  });
  assert.equal(policy.cluster, cluster?.policy);
  assert.is(cluster?.name, 'mail');
  assert.is(cluster?.engine, 'etcd');
  assert.equal(cluster?.options, {
    endpoints: ['https://10.0.0.1:2379', 'https://10.0.0.2:2379', 'https://10.0.0.9:2379'],
    compact: 3_600_000,
  });
  assert.equal(cluster?.words, { n1: { host: 'mail1.example.org' }, n2: {} });
  assert.equal(cluster?.peers, {
    ...{ port: 9468, everyMs: 1000, timeoutMs: 1000 },
    tls: { certificate: `${folder.path}/node.pem`, key: '/etc/wk/node.key', authority: '/etc/wk/ca.pem' },
  });
  assert.is(cluster?.member, null);
});

test('groups without a cluster: one node that agrees with itself', ({ folder }) => {
  const text = `${SERVICES}groups: { mail: { services: [store], nodes: [n1], steps: [{ ${ADDRESS} }] } }\n`;
  const { cluster, groups } = configOf(folder, text);
  assert.is(cluster?.engine, 'standalone');
  assert.equal(Object.keys(cluster?.policy.nodes ?? {}), ['n1']);
  assert.equal(groups?.['mail']?.policy.nodes, ['n1']);
});

test('a group with nothing said but what must be', ({ folder }) => {
  const { policy, steps, sources, switchbackHours, drillAt } = groupOf(
    folder,
    `    services: [store, mta]\n    nodes: [n1, n2]\n    steps: [{ ${ADDRESS} }]\n`,
  );
  assert.equal(policy, {
    ...{ services: ['store', 'mta'], standby: 'stopped', nodes: ['n1', 'n2'], weight: 1 },
    failover: { mode: 'automatic', afterMs: 0, confirmMs: 300_000, otherwise: 'stay' },
    switchback: { mode: 'manual', dwellMs: 1_800_000 },
    ...{ blockMs: 3_600_000, gate: { kind: 'none' } },
    steps: [
      {
        ...{ name: 'service', type: 'service', scope: 'node', pivot: false, exclusive: true },
        ...{ prepares: false, timeoutMs: 120_000, tries: 3 },
      },
      {
        ...{ name: 'address', type: 'address', scope: 'node', pivot: true, exclusive: true },
        ...{ prepares: false, takesIn: true, timeoutMs: 10_000, tries: 3 },
      },
    ],
    ...{ sources: [], objectives: { rtoMs: null, rpoMs: null }, factsMs: 15_000 },
  });
  assert.equal(
    steps.map(({ name, options }) => [name, options]),
    [
      ['service', { services: ['store', 'mta'], verify: 30_000 }],
      ['address', { ip: '10.0.0.5/24', interfaces: ['eth0'] }],
    ],
  );
  assert.equal([sources, switchbackHours, drillAt], [[], null, null]);
  assert.equal(JSON.parse(JSON.stringify(policy)), policy, 'it is plain JSON');
});

test('a group with everything said', ({ folder }) => {
  const group = groupOf(
    folder,
    `    services: [store]
    nodes: [n2, n1]
    weight: 2
    failover: { mode: confirm, after: 10s, confirm: 1m, otherwise: move }
    switchback: { dwell: 1h, hours: night }
    block: 2h
    gate: { rpo: 30s }
    objectives: { rto: 2m, rpo: 30s }
    facts: 20s
    replication:
      - dovecot:
      - dovecot: { user: x }
        every: 20s
        warn: 1
        fail: 2
        prove: never
    steps:
      - mount: { path: ./store }
        timeout: 5s
        tries: 1
      - dns: { server: 10.0.0.53, zone: example.org, records: [] }
      - address: { ip: 10.0.0.5/24, interfaces: [eth0] }
        name: front
    drill: { at: '0 3 * * 0' }
`,
  );
  const { policy } = group;
  assert.equal(policy.failover, { mode: 'confirm', afterMs: 10_000, confirmMs: 60_000, otherwise: 'move' });
  assert.equal(policy.switchback, { mode: 'automatic', dwellMs: 3_600_000 });
  assert.equal([policy.gate, policy.blockMs], [{ kind: 'rpo', ms: 30_000 }, 7_200_000]);
  assert.equal(policy.objectives, { rtoMs: 120_000, rpoMs: 30_000 });
  assert.equal(
    policy.steps.map((step) => [step.name, step.scope, step.prepares, step.timeoutMs, step.tries]),
    [
      ['mount', 'node', true, 5000, 1],
      ['service', 'node', false, 120_000, 3],
      ['dns', 'shared', false, 60_000, 3],
      ['front', 'node', false, 10_000, 3],
    ],
  );
  assert.equal(group.steps[0]?.options, { path: `${folder.path}/store` });
  assert.equal(policy.sources, ['dovecot', 'dovecot-2']);
  assert.equal(group.sources[1], {
    ...{ name: 'dovecot-2', type: 'dovecot', options: { user: 'x' }, everyMs: 20_000, timeoutMs: 8000 },
    ...{ warnUnits: 1, failUnits: 2, proveMs: null },
  });
  assert.equal(group.switchbackHours, { at: '0 1 * * *', forMs: 14_400_000, zone: null });
  assert.is(group.drillAt, '0 3 * * 0');
});

test('gates by name; with a source that is watched the gate is good', ({ folder }) => {
  const gate = (more: string) =>
    groupOf(folder, `    nodes: [n1, n2]\n    steps: [{ ${ADDRESS} }]\n    replication: [{ dovecot: {} }]\n${more}`)
      .policy.gate;
  assert.equal(gate(''), { kind: 'within', units: 6 });
  assert.equal(gate('    gate: best\n'), { kind: 'within', units: 12 });
  assert.equal(gate('    gate: lossless\n'), { kind: 'lossless' });
});

test('a source that can bring nothing up to date before a move is known by its plugin and its options', ({
  folder,
}) => {
  const replication = new Map<string, never>([...plugins.replication, ['command', command]] as [string, never][]);
  const noFlush = (source: string) =>
    groupOf(folder, `    nodes: [n1, n2]\n    steps: [{ ${ADDRESS} }]\n    replication: [{ ${source} }]\n`, {
      ...plugins,
      replication,
    }).policy.noFlush;
  assert.is(noFlush("command: { run: ['/bin/state'], flush: ['/bin/flush'] }"), undefined);
  assert.is(noFlush("command: { run: ['/bin/state'] }"), true);
  assert.is(noFlush('dovecot: {}'), true, 'the stand-in has none at all');
});

test('a copy that goes one way is flushed once more, when what takes something in has gone', ({ folder }) => {
  const replication = new Map<string, never>([...plugins.replication, ['command', command]] as [string, never][]);
  const policy = (more: string) =>
    groupOf(
      folder,
      `    nodes: [n1, n2]\n    steps: [{ ${ADDRESS} }]\n    replication: [{ command: { run: ['/bin/state'], flush: ['/bin/flush']${more} } }]\n`,
      { ...plugins, replication },
    ).policy;
  assert.is(policy('').flushLast, undefined);
  assert.is(policy(', one-way: true').flushLast, true);
  assert.is(policy('').steps[0]?.takesIn, true, 'the address');
});

test('services that run on every node are not started by a step, and neither twice', ({ folder }) => {
  const names = (more: string) =>
    groupOf(folder, `    services: [store]\n    nodes: [n1, n2]\n${more}`).policy.steps.map(({ name }) => name);
  assert.equal(names(`    standby: running\n    steps: [{ ${ADDRESS} }]\n`), ['address']);
  assert.equal(names(`    steps: [{ ${ADDRESS} }, { service: { verify: 1m } }]\n`), ['address', 'service']);
  assert.equal(names(''), ['service']);
  assert.equal(names('    steps: [{ mount: { path: /a } }, { mount: { path: /b } }]\n'), [
    'mount',
    'mount-2',
    'service',
  ]);
});

const OWN = CLUSTER.replace(/ {2}endpoints: .*\n/, '').replace(/ {2}peers: .*\n/, '');
const PEERS = '  peers: { certificate: /a, key: /b, authority: /c }\n';

test('a member of etcd on each node, and a witness', ({ folder }) => {
  const text = `${SERVICES}${OWN}${PEERS}  run-etcd: { members: { witness: 10.0.0.9 }, data-dir: ./etcd, election: 500ms }\n${GROUP}`;
  const { member, options } = configOf(folder, text).cluster ?? {};
  assert.equal(member, {
    ...{ name: 'n1', dataDir: `${folder.path}/etcd`, token: 'mail', heartbeatMs: 100, electionMs: 500 },
    clientUrls: ['https://10.0.0.1:2379'],
    peerUrls: ['https://10.0.0.1:2380'],
    initial: {
      n1: ['https://10.0.0.1:2380'],
      n2: ['https://10.0.0.2:2380'],
      witness: ['https://10.0.0.9:2380'],
    },
    tls: { certificate: '/a', key: '/b', authority: '/c' },
  });
  const all = ['https://10.0.0.1:2379', 'https://10.0.0.2:2379', 'https://10.0.0.9:2379'];
  const tls = { certificate: '/a', key: '/b', authority: '/c' };
  assert.equal(options, { endpoints: all, ...tls, compact: 3_600_000 });
});

test('`run-etcd: true` keeps its data in the state-dir, and speaks plainly without certificates', ({ folder }) => {
  const { member } = configOf(folder, `state-dir: /srv/wk\n${SERVICES}${OWN}  run-etcd: true\n${GROUP}`).cluster ?? {};
  assert.is(member?.dataDir, '/srv/wk/etcd');
  assert.equal([member?.clientUrls, member?.tls], [['http://10.0.0.1:2379'], null]);
});

test('a plugin of a group that is not there', ({ folder }) => {
  folder.write('wk.yaml', `${SERVICES}${CLUSTER}${GROUP}`);
  const none = { ...plugins, switchover: new Map([...plugins.switchover].filter(([name]) => name !== 'service')) };
  const text = folder.report(folder.load('wk.yaml', { plugins: none }));
  assert.match(text, /^wk\.yaml:\d+:5: error: groups\.mail\.services: there is no step of type "service"/);
});

test('a change of a group is a change; other times or another coordinator need a restart', ({ folder }) => {
  const old = good(load(folder, `${SERVICES}${CLUSTER}${GROUP}`));
  const of = (text: string) => {
    const next = good(load(folder, text));
    return { changes: diff(old.config, next.config), next };
  };
  assert.is(of(`${SERVICES}${CLUSTER}${GROUP}`).changes.none, true);
  const slower = of(
    `${SERVICES}${CLUSTER}  silence: 5s\n${GROUP}    weight: 2\n  web: { nodes: [n2], steps: [{ ${ADDRESS} }] }\n`,
  );
  assert.equal(slower.changes.groups, { starts: ['web'], stops: [], changes: ['mail'], stays: [] });
  assert.equal([slower.changes.cluster, slower.changes.restart], [true, ['cluster']]);
  golden('config/group-diff.txt', diffText(slower.changes, old.effective(), slower.next.effective()));
  const other = of(`${SERVICES}${CLUSTER.replace('name: mail', 'name: post')}${GROUP}`).changes;
  assert.equal(other.restart, ['cluster']);
  assert.equal(of(SERVICES).changes.restart, ['cluster']);
});

test('what is shown as in force means the same, and an editor agrees with it', ({ folder }) => {
  const text = `${SERVICES}${CLUSTER}  run-etcd: { members: { w: 10.0.0.9 } }\n${GROUP}    replication: [{ dovecot: }]\n`;
  const first = good(load(folder, text));
  const shown = showYaml(first.effective());
  golden('config/group-show.txt', shown.replaceAll(folder.path, '.'));
  const again = good(load(folder, shown, 'again.yaml'));
  assert.equal({ ...again.config, files: [] }, { ...first.config, files: [] });
});

test('an editor knows the words of clusters and groups', () => {
  const judge = (value: unknown) => misfits(jsonSchema(plugins), value).map((text) => text.replace(/^\./, ''));
  const services = { a: { checks: [{ type: 'tcp', port: 1 }] } };
  const fine = { nodes: ['n1'], steps: [{ address: { ip: 'x', interfaces: ['y'] }, timeout: '5s' }] };
  assert.equal(judge({ services, cluster: { engine: 'etcd', endpoints: ['x'] }, groups: { mail: fine } }), []);
  const bad = {
    nodes: ['n1'],
    steps: [{ adress: {} }, { address: { ip: 5 } }],
    replication: [{ dovecot: { usr: 1 } }],
  };
  assert.equal(judge({ services, cluster: { engine: 'etcd', endpoint: ['x'] }, groups: { mail: bad } }).sort(), [
    'cluster.endpoint: unknown',
    'cluster: required',
    'groups.mail.replication[0].dovecot.usr: unknown',
    'groups.mail.steps[0].adress: unknown',
    'groups.mail.steps[0]: anyOf',
    'groups.mail.steps[1].address.ip: type',
    'groups.mail.steps[1].address: required',
  ]);
});

test.run();
