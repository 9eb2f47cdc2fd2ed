// The rules of clusters and groups: whole reports of bad files. Read a changed golden file as somebody would who has to
// mend the file at night.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withStandIns } from '../support/cluster-plugins.ts';
import { type ConfigFolder, configFolder } from '../support/config-folder.ts';
import { somePlugins } from '../support/config-plugins.ts';
import { golden } from '../support/golden.ts';

const test = suite<{ folder: ConfigFolder }>('config group rules');
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
const reportOf = (folder: ConfigFolder, text: string): string => {
  folder.write('wk.yaml', text);
  return folder.report(folder.load('wk.yaml', { plugins }));
};

const reports: Readonly<Record<string, string>> = {
  'group-shapes': `${SERVICES}cluster:
  engin: etcd
  silence: 3
  nodes: { n1: { path: [10.0.0.1] }, "a b": { paths: [x] }, n3: { paths: [] } }
  peers: { prt: 1 }
  run-etcd: { electio: 1s }
groups:
  mail:
    sevices: [store]
    nodes: n1
    standby: hot
    failover: auto
    switchback: { dwel: 1m }
    gate: great
    steps:
      - adress: { ip: 10.0.0.5/24 }
      - address: { ip: 10.0.0.5/24, interface: [eth0] }
      - { address: { ip: x, interfaces: [y] }, dns: {} }
      - { timeout: 5s }
      - address
    replication: [ { dovcot: {} } ]
    drill: { at: sometimes }
  other: 5
`,
  'group-names': `node: n9
${SERVICES}${CLUSTER}groups:
  mail:
    services: [stor, mta, mta]
    weight: 3
    nodes: [n1, n3, n1]
    switchback: { hours: nigt }
    steps: [{ ${ADDRESS} }, { ${ADDRESS}, name: a }, { ${ADDRESS}, name: a }]
  more:
    services: [mta, store]
    nodes: [n2]
    steps: [{ service: { services: [stoer] } }]
`,
  'group-engines': `${SERVICES}cluster:
  engine: etdc
  silence: 1s
  nodes: { n2: { paths: [10.0.0.1] } }
groups: { mail: { services: [stor], nodes: [n3], steps: [{ adress: {} }] } }
`,
  'group-alone': `${SERVICES}cluster:
  nodes: { n1: { paths: [10.0.0.1] }, n2: { paths: [10.0.0.1] } }
  run-etcd: { members: { n2: 10.0.0.9 }, certificate: /x, client-port: 2380 }
  peers: { certificate: /x }
`,
  'group-times': `${SERVICES}cluster:
  engine: etcd
  endpoints: [a, b]
  silence: 1s
  renew: 400ms
  margin: 200ms
  failsafe: 800ms
  nodes: { n1: { paths: [10.0.0.1, 10.1.0.1] } }
  peers: { every: 1s, timeout: 2s }
groups:
  mail:
    services: [store]
    nodes: [n1]
    weight: 3
    facts: 1s
    gate: good
    steps: [{ ${ADDRESS} }]
  copy:
    nodes: [n1]
    steps: [{ ${ADDRESS} }]
    replication: [{ dovecot: {}, every: 2s, timeout: 3s, warn: 7, fail: 6 }]
  nothing: { nodes: [n1] }
`,
  'group-several-addresses': `${SERVICES}cluster:
  silence: 2s
  nodes: { n1: { paths: [10.0.0.1] } }
groups: { mail: { nodes: [n1], steps: [{ ${ADDRESS} }, { ${ADDRESS} }] } }
`,
  'group-dependencies': `${SERVICES}${CLUSTER}groups:
  mail: { services: [mta], nodes: [n1, n2], steps: [{ ${ADDRESS} }] }
  store: { services: [store], nodes: [n1, n2], steps: [{ ${ADDRESS} }] }
`,
  'group-warnings': `services:
  store: { checks: [{ type: tcp, port: 143 }] }
  alone: { checks: [{ type: tcp, port: 1 }], manager: { type: unit, unit: a.service }, recover: { then: switchover } }
cluster:
  engine: etcd
  silence: 2500ms
  nodes: { n1: { paths: [10.0.0.1] }, n2: { paths: [10.0.0.2, 10.1.0.2] }, n3: { paths: [10.0.0.3, 10.1.0.3] } }
  run-etcd: { election: 2s, members: { w: 10.0.0.9 } }
groups:
  mail:
    services: [store]
    standby: running
    nodes: [n1, n2]
    gate: none
    objectives: { rto: 1s }
    replication: [{ dovecot: {} }]
  by-default: { nodes: [n1, n2], steps: [{ ${ADDRESS} }], replication: [{ dovecot: {} }] }
  by-age: { nodes: [n1, n2], steps: [{ ${ADDRESS} }], gate: { rpo: 6m }, replication: [{ dovecot: {} }] }
  by-hand: { nodes: [n1, n2], steps: [{ ${ADDRESS} }], replication: [{ dovecot: {} }], failover: { mode: manual } }
`,
};

for (const [name, text] of Object.entries(reports))
  test(`the whole report: ${name}`, ({ folder }) => {
    const report = reportOf(folder, text);
    assert.is.not(report, '');
    golden(`config/${name}.txt`, report);
  });

test('at most 32 nodes', ({ folder }) => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => `    n${index}: { paths: [10.0.0.${index}, 10.1.0.${index}] }\n`).join(
      '',
    );
  const of = (count: number) =>
    reportOf(folder, `${SERVICES}${CLUSTER.replace(/ {4}n\d.*\n/g, '').replace('nodes:\n', `nodes:\n${many(count)}`)}`);
  assert.is(of(32), '');
  assert.match(of(33), /wk\.yaml:\d+:5: error: cluster: 33 nodes; at most 32 \[too-big\]/);
});

test.run();
