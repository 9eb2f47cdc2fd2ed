import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { candidatesOf, type GroupFacts, type Heard } from '../../src/core/facts.ts';
import { ownerRecord } from '../support/group-drive.ts';
import { groupPolicy } from '../support/groups.ts';

const test = suite('core/facts');

const facts = { role: 'active', dirty: true, unready: [], settled: true, health: 'ok' } as unknown as GroupFacts;
const heard = (at: number): Heard => ({ at, facts: { groups: { mail: facts } } as unknown as Heard['facts'] });

const reachable = (silenceMs: number, silentMs: number, wordMs: number): boolean | undefined =>
  candidatesOf({
    ...{ group: 'mail', policy: groupPolicy(), now: 100_000, publishMs: 2000, silenceMs, answering: null },
    ...{ heard: new Map([['n1', heard(100_000 - wordMs)]]), owner: ownerRecord({ node: 'n1' }) },
    ...{ ownerAt: 100_000 - silentMs, maintenance: new Set<string>() },
  }).find(({ node }) => node === 'n1')?.reachable;

test('what a silent owner said before it fell silent is no sign of life, however short the silence is', () => {
  assert.is(reachable(3000, 100, 300), true);
  assert.is(reachable(3000, 3000, 3200), false);
  assert.is(reachable(1500, 1500, 1600), false, 'a word younger than the interval of words, and yet of before');
  assert.is(reachable(1500, 9000, 300), true, 'it spoke long after its last renewal');
});

test('that a node only looks on is its own word', () => {
  const seen = (more: object): readonly (boolean | undefined)[] =>
    candidatesOf({
      ...{ group: 'mail', policy: groupPolicy(), now: 100, publishMs: 2000, silenceMs: 3000, answering: null },
      ...{ heard: new Map([['n2', { at: 50, facts: { ...heard(50).facts, ...more } }]]), owner: null, ownerAt: 0 },
      maintenance: new Set<string>(),
    }).map(({ observes }) => observes);
  assert.equal(seen({ observe: true }).filter(Boolean).length, 1);
  assert.equal(seen({}).filter(Boolean).length, 0);
});

test.run();
