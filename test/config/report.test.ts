// Bad files and their whole reports. Read a changed golden file as somebody would who has to mend the file at night.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configFolder } from '../support/config-folder.ts';
import { golden } from '../support/golden.ts';

const KIT = `about: A box
params:
  port: { about: The port, default: 143 }
  user: { about: The probe, default: null }
  password: { about: Its password, default: null }
  realm: { about: Which realm }
checks:
  - { type: tcp, port: $port }
  - { type: login, port: $port, user: $user, password: $password, needs: [user, password] }
manager: { type: unit, unit: box.service, ports: [$port] }
`;

const services = (text: string): string => `services:\n  a:\n    checks: [{ type: tcp, port: 1 }]\n${text}`;

const files: Readonly<Record<string, string | Uint8Array>> = {
  'unknown-keys': `nod: n1
services:
  a:
    kitt: box
    checks:
      - { type: tcp, prot: 25 }
    quick: { evry: 5s, timeout: 1s }
    recover: { laddder: [restart], flapping: { change: 3 } }
<<: { x: 1 }
`,
  types: `observe: yes
services:
  a:
    checks:
      - { type: tcp, port: "25", slow: 5, room: 100 }
      - { type: login, tls: startls, words: [1, [2]], port: 0.5 }
    quick: { every: 5, timeout: 2 sec, fall: two, rise: 0 }
    deep:
    depends: b
    recover:
      ladder: [relode, { comand: [x] }, { command: x }, { command: [x], cures: [ded] }, 5]
      attempts: -1
      by-hand: forever
      again: 700d
      backoff: { factor: 0.5 }
      then: switch
  b:
  c: [1]
`,
  'huge-and-strange-numbers': `services:
  a:
    checks:
      - { type: tcp, port: .nan }
      - { type: tcp, port: 99999999999999999999 }
      - { type: tcp, port: 025 }
      - { type: tcp, port: 12:30 }
      - { type: tcp, port: 1_000 }
      - { type: tcp, port: 70000 }
      - { type: tcp, port: 1, slow: -5s }
      - { type: tcp, port: 1, slow: 1e9h }
    quick: { every: 99999999d }
    deep: { every: 100ms }
`,
  'duplicate-keys': `node: a
node: b
services:
  s: { checks: [{ type: tcp, port: 1 }] }
  s: { checks: [{ type: tcp, port: 2, port: 3 }] }
`,
  references: `services:
  store: { kit: bx }
  mta: { kit: box, depends: [stoer, mta], set: { realm: r, prot: 25 } }
  web: { kit: box }
  a: { depends: [b], checks: [{ type: tpc }, { type: tcp, port: 1, name: x }, { type: tcp, port: 2, name: x }] }
  b: { depends: [c], checks: [{ type: tcp, port: 1, depth: depp }, { type: process, exe: /x, depth: deep }] }
  c: { depends: [a], manager: { type: unti }, checks: [{ port: 1 }, { name: none, off: true }] }
  d: { checks: [{ type: tcp, port: 1 }], manager: { unit: x }, set: { a: 1 } }
alerts:
  l: { type: logg }
  m: { kind: log }
  n: log
`,
  timing: `services:
  a:
    checks: [{ type: tcp, port: 1, every: 1s }, { type: login, every: 30s }]
    quick: { every: 2s, timeout: 3s }
    deep: { every: 20s }
    manager: { type: unit, unit: a }
    recover:
      confirm: 5s
      verify: 10s
      window: 30s
      stable: 15s
      again: 20s
      backoff: { first: 2m }
      flapping: { changes: 100, window: 1m }
  b:
    checks: [{ type: tcp, port: 1 }]
    quick: { every: 5m }
tilt: { window: 2m }
repairs: { max: 2, parallel: 3 }
`,
  'what-cannot-be-done': services(`    recover: { ladder: [reload, { command: [/bin/true] }] }
  b:
    checks: [{ type: tcp, port: 1, depth: quick }]
    manager: { type: command, start: [/bin/true], stop: [/bin/true] }
    recover: { ladder: [reload, restart] }
  c: { checks: [] }
  d: {}
`),
  names: `services:
  "a b": { checks: [{ type: tcp, port: 1 }] }
  "$(touch /tmp/x)": { checks: [{ type: tcp, port: 1 }] }
  constructor: { checks: [{ type: tcp, port: 1 }] }
  __proto__: { checks: [{ type: tcp, port: 1 }] }
  "<script>": { checks: [{ type: tcp, port: 1, name: "x\\e[2J" }] }
  "a\\tb": {}
  ok: { checks: [{ type: tcp, port: 1, name: "../x" }], depends: ["a\\u202eb"] }
`,
  'own-kits': `services:
  a: { kit: mine, set: { back: x } }
  b: { kit: yours }
kits:
  mine:
    about: Mine
    parms: {}
    params: { front: { about: One, defaut: 2 }, back: { about: Two, default: 80 } }
    checks: [{ type: tcp, port: $back }, { type: tcp, port: $bakc, needs: [nothing] }]
  unused: { about: Nobody, checks: [{ type: nonsense }] }
`,
  'own-kit-values': `services:
  a: { kit: mine, set: { back: x } }
kits:
  mine:
    about: Mine
    params: { back: { about: Two, default: 80 } }
    checks: [{ type: tcp, port: $back }, { type: tcp, port: $bakc }]
    quick: { every: 5 }
`,
  'later-versions': `api: { port: 8443 }
reports: [weekly]
${services('')}`,
  secrets: `services:
  a:
    kit: box
    set: { user: u, password: hunter2, realm: r }
    checks:
      - { type: login, name: two, password: { file: hunter2 } }
      - { type: login, name: three, pasword: hunter2 }
      - { type: login, name: four, password: 12345 }
alerts:
  p: { type: page, to: [ops], token: "hunter2" }
`,
  'none-named': 'services: {}\n',
  'no-services': 'node: x\n',
  'services-null': 'services:\n',
  empty: '',
  'only-a-comment': '# nothing\n',
  'a-list': '- a\n- b\n',
  'a-text': 'hello\n',
  tabs: 'services:\n\ta: 1\n',
  'two-documents': 'node: a\n---\nnode: b\n',
  tags: 'node: !!str a\nservices: !map {}\n',
  'old-yaml': '%YAML 1.1\n---\nnode: a\n',
  'not-closed': 'services: { a: [1, 2\nnode: x\n',
  'two-on-a-line': 'node: a: b\n',
  'bad-quotes': 'node: "a\nservices: x\n',
  'no-anchor': 'services: *there\n',
  'itself-as-alias': 'services: &a\n  x: *a\n',
  'not-utf-8': Buffer.from('node: caf\xe9\n', 'latin1'),
  'utf-16': Buffer.from('\ufeffnode: x\n', 'utf16le'),
  'control-characters': 'node: a\u0007b\n',
  'complex-keys': '? [a, b]\n: 1\n',
  crlf: Buffer.from('\ufeffnode: x\r\nservices:\r\n  a:\r\n    chekcs: []\r\n'),
};

const test = suite('config reports');
for (const [name, text] of Object.entries(files))
  test(name, () => {
    const folder = configFolder();
    folder.write('kits/box.yaml', KIT);
    folder.write('wk.yaml', text);
    const loaded = folder.load();
    const report = folder.report(loaded);
    folder.remove();
    assert.ok('problems' in loaded, 'it is refused');
    assert.not.match(report, 'hunter2');
    golden(`config/${name}.txt`, report);
  });
test.run();
