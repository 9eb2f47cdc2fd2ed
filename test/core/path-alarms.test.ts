import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ClusterPolicy } from '../../src/core/group-types.ts';
import { lifekeeperClears, lifekeeperTraps } from '../../src/core/snmp.ts';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, noticesOf } from '../support/drive.ts';

const test = suite('path alarms');

const node = (...paths: string[]): ClusterPolicy['nodes'][string] => ({ site: null, capacity: null, paths });
const cluster = (nodes: ClusterPolicy['nodes']): ClusterPolicy => ({
  timing: { silenceMs: 3000, renewMs: 200, marginMs: 300, failsafeMs: 1000 },
  nodes,
});
const nodes = { n1: node('10.0.0.1', '10.1.0.1'), n2: node('10.0.0.2', '10.1.0.2'), n3: node('10.0.0.3') };
const rules = (all: ClusterPolicy['nodes']) => policy({ mta: servicePolicy() }, { cluster: cluster(all) });
const make = (): Drive => new Drive(rules(nodes)).well();
const path = (drive: Drive, peer: string, address: string, up: boolean): string[] =>
  noticesOf(drive.feed({ kind: 'path', peer, address, up, detail: 'as it is' })).map(
    ({ kind, event, key, severity }) => `${kind} ${event} ${key} ${severity}`,
  );

test('a path that fails is told once, and once that it works again', () => {
  const drive = make();
  assert.equal(path(drive, 'n2', '10.0.0.2', false), ['raise path-down path/n2/10.0.0.2 minor']);
  assert.equal(path(drive, 'n2', '10.0.0.2', false), []);
  assert.equal(path(drive, 'n2', '10.0.0.2', true), ['clear path-down path/n2/10.0.0.2 cleared']);
  assert.equal(path(drive, 'n2', '10.1.0.2', true), []);
});

test('without any path left the node is unreachable; with one it is not', () => {
  const drive = make();
  path(drive, 'n2', '10.0.0.2', false);
  assert.equal(path(drive, 'n2', '10.1.0.2', false), [
    'raise path-down path/n2/10.1.0.2 minor',
    'raise node-unreachable path/n2 major',
  ]);
  assert.equal(path(drive, 'n2', '10.0.0.2', true), [
    'clear path-down path/n2/10.0.0.2 cleared',
    'clear node-unreachable path/n2 cleared',
  ]);
  assert.equal(path(drive, 'n3', '10.0.0.3', false), [
    'raise path-down path/n3/10.0.0.3 minor',
    'raise node-unreachable path/n3 major',
  ]);
});

test('what is not a path of the configuration is passed over', () => {
  const drive = make();
  assert.equal(path(drive, 'n2', '10.9.9.9', false), []);
  assert.equal(path(drive, 'n9', '10.0.0.2', false), []);
  assert.equal(path(drive, 'n1', '10.0.0.1', false), []);
  assert.equal(path(drive, '__proto__', 'x', false), []);
});

test('alarms of paths that are taken out end; those that stay, stay', () => {
  const drive = make();
  for (const [peer, address] of [
    ['n2', '10.0.0.2'],
    ['n2', '10.1.0.2'],
    ['n3', '10.0.0.3'],
  ] as const)
    path(drive, peer, address, false);
  const next = rules({ n1: nodes.n1, n2: node('10.0.0.2', '10.7.0.2') });
  const step = drive.feed({ kind: 'configured', policy: next });
  assert.equal(
    noticesOf(step)
      .filter(({ kind }) => kind === 'clear')
      .map(({ key }) => key)
      .sort(),
    ['path/n2', 'path/n2/10.1.0.2', 'path/n3', 'path/n3/10.0.0.3'],
  );
  assert.equal(drive.alarms, ['path/n2/10.0.0.2']);
  const alone = drive.feed({ kind: 'configured', policy: policy({ mta: servicePolicy() }) });
  assert.equal(
    noticesOf(alone)
      .filter(({ kind }) => kind === 'clear')
      .map(({ key }) => key),
    ['path/n2/10.0.0.2'],
  );
});

test("a service's events leave them as they are", () => {
  const drive = make();
  path(drive, 'n2', '10.0.0.2', false);
  drive.feed({ kind: 'tick' });
  drive.feed({ kind: 'booted', fresh: false });
  assert.equal(drive.alarms, ['path/n2/10.0.0.2']);
});

test("LifeKeeper's numbers: 141 down, 140 up, 120 for the node", () => {
  assert.is(lifekeeperTraps['path-down'], 141);
  assert.is(lifekeeperClears['path-down'], 140);
  assert.is(lifekeeperTraps['node-unreachable'], 120);
});

test.run();
