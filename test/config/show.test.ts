// What `config show` and `config diff` print, and that what is shown is a configuration again.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { diff, diffText } from '../../src/config/diff.ts';
import { leaves, showJson, showYaml } from '../../src/config/show.ts';
import type { Config, Good } from '../../src/config/types.ts';
import { type ConfigFolder, configFolder, good } from '../support/config-folder.ts';
import { golden } from '../support/golden.ts';

const KIT = `about: A box
params:
  port: { about: The port, default: 143 }
  user: { about: The probe, default: null }
  password: { about: Its password, default: null }
checks:
  - { type: tcp, port: $port }
  - { type: login, port: $port, user: $user, password: $password, needs: [user, password] }
  - { type: tcp, name: front, port: 993 }
manager: { type: unit, unit: box.service, ports: [$port, 993] }
recover: { ladder: [reload, restart] }
`;
const OLD = `services:
  store: { kit: box, set: { user: "yes", password: env:PW } }
  mta:
    kit: box
    depends: [store]
    set: { port: 25 }
    quick: { every: 2s }
    checks:
      - { name: front, off: true }
      - { name: tcp, slow: 300ms }
      - { type: tcp, host: "::1", port: 587, room: 1.5K }
    runbook: |
      Look: at "it"
  watched: { checks: [{ type: process, exe: /usr/sbin/x }] }
alerts:
  log: { type: log }
  page: { type: page, to: [ops], token: file:./token }
`;
const NEXT = `node: other
services:
  store: { kit: box, set: { user: "yes", password: env:OTHER } }
  mta:
    kit: box
    depends: [store]
    set: { port: 25 }
    checks:
      - { name: tcp, slow: 500ms }
      - { type: tcp, host: "::1", port: 587, room: 1.5K }
    manager: { ports: [25] }
    recover: { attempts: 5 }
    runbook: |
      Look: at "it"
  web: { checks: [{ type: tcp, port: 80 }] }
alerts:
  log: { type: log, facility: mail }
tilt: { least: 5 }
`;

const test = suite<{ folder: ConfigFolder }>('config show and diff');
test.before.each((context) => {
  context.folder = configFolder();
  context.folder.write('kits/box.yaml', KIT);
});
test.after.each(({ folder }) => folder.remove());

function read(folder: ConfigFolder, text: string): Good {
  folder.write('wk.yaml', text);
  return good(folder.load());
}
const plain = (folder: ConfigFolder, text: string): string => text.replaceAll(`${folder.path}/`, '');
const withoutFiles = ({ files, ...rest }: Config): unknown => (files.length > 0 ? rest : null);

test('every effective value with its origin', ({ folder }) => {
  const { effective, written } = read(folder, OLD);
  golden('config/show-effective.txt', plain(folder, showYaml(effective())));
  golden('config/show.txt', plain(folder, showYaml(written)));
  for (const [path, leaf] of leaves(effective()))
    assert.ok(leaf.place.from === 'default' || leaf.place.line > 0, `${path} has an origin`);
});

test('what is shown can be read again and means the same, also a second time', ({ folder }) => {
  const first = read(folder, OLD);
  const second = read(folder, showYaml(first.effective()));
  assert.equal(withoutFiles(second.config), withoutFiles(first.config));
  const third = read(folder, showYaml(second.effective()));
  assert.equal(withoutFiles(third.config), withoutFiles(first.config));
  assert.equal(withoutFiles(read(folder, showYaml(first.written)).config), withoutFiles(first.config));
});

test('as JSON: plain values, and origins by path', ({ folder }) => {
  const { effective } = read(folder, OLD);
  const { values, origins } = showJson(effective());
  assert.is(origins['services.mta.quick.every'], `${folder.path}/wk.yaml:7`);
  assert.is(origins['services.mta.quick.timeout'], 'default');
  assert.is(origins['services.mta.checks.tcp.type'], 'kit box');
  assert.is(origins['services.mta.checks.tcp.slow'], `${folder.path}/wk.yaml:10`);
  assert.is(origins['services.mta.recover.confirm'], 'default');
  assert.is((values as { tilt: { limit: string } }).tilt.limit, '1m');
  assert.is(JSON.stringify(values).includes('credential'), false);
});

test('a difference, for the daemon and for people', ({ folder }) => {
  const [old, next] = [read(folder, OLD), read(folder, NEXT)];
  const changes = diff(old.config, next.config);
  assert.equal(changes.services, { starts: ['web'], stops: ['watched'], changes: ['store', 'mta'], stays: [] });
  assert.equal(changes.channels, { starts: [], stops: ['page'], changes: ['log'], stays: [] });
  assert.equal(changes.serviceChanges, [
    {
      name: 'store',
      checks: { starts: [], stops: [], changes: ['login'], stays: ['tcp', 'front'] },
      beats: false,
      manager: false,
      policy: false,
    },
    {
      name: 'mta',
      checks: { starts: ['front'], stops: [], changes: ['tcp'], stays: ['tcp-2'] },
      beats: true,
      manager: true,
      policy: true,
    },
  ]);
  assert.equal([changes.node, changes.restart, changes.none], [true, ['node'], false]);
  golden('config/diff.txt', plain(folder, diffText(changes, old.effective(), next.effective())));
});

test('no difference', ({ folder }) => {
  const [old, next] = [read(folder, OLD), read(folder, `# only a comment\n${OLD}`)];
  const changes = diff(old.config, next.config);
  assert.is(changes.none, true);
  assert.is(changes.services.stays.length, 3);
  assert.is(diffText(changes, old.effective(), next.effective()), 'nothing changes\n');
});

test('each kind of rule of the node is a difference', ({ folder }) => {
  const old = read(folder, OLD).config;
  for (const more of ['observe: true', 'repairs: { max: 1 }', 'tilt: { share: 0.5 }', 'history: { keep: 5d }'])
    assert.is(diff(old, read(folder, `${more}\n${OLD}`).config).node, true, more);
  for (const more of ['state-dir: /x', 'run-dir: /x', 'sandbox: true'])
    assert.is(diff(old, read(folder, `${more}\n${OLD}`).config).restart.length, 1, more);
});

test.run();
