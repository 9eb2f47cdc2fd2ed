// The contract that every plugin keeps, whatever it is about. A new file in a folder of plugins is tested here at once,
// by the same code that `watchkeeper plugin test` holds people's own plugins to.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { definitionFaults } from '../src/contract/definition.ts';
import { type Held, holdToContract, type Subject } from '../src/contract/trial.ts';
import { KINDS, plugins } from '../src/registry.ts';

const test = suite('plugins');
const all = await plugins();

/** Goes out through the library that it wraps, not through a port: here to a port where nobody listens. */
const OWN_WAY: Readonly<Record<string, object>> = { 'mail-roundtrip': { submit: { host: '127.0.0.1', port: 1 } } };

/** Needs nobody to agree with, and so no door either: nothing can be said about it with broken ones. */
const ALONE = 'standalone';

const subjects: readonly Subject[] = KINDS.flatMap((kind) =>
  [...(all[kind] as ReadonlyMap<string, Subject['plugin']>)].map(([name, plugin]) => {
    const ownWay = OWN_WAY[name];
    return { kind, name, plugin, ...(ownWay ? { ownWay } : {}) };
  }),
);

test('there are plugins of each kind, and each has all its parts', () => {
  for (const kind of KINDS) assert.ok(all[kind].size > 0, kind);
  for (const { kind, name, plugin } of subjects) assert.equal(definitionFaults(kind, plugin), [], name);
});

/** All at once: each only waits. What one leaves behind is seen when all have ended. */
const before = process.getActiveResourcesInfo().length;
const held = await Promise.all(subjects.map(async (subject) => ({ subject, rules: await holdToContract(subject) })));

const isOwn = ({ rule }: Held): boolean => rule !== 'nothing is left behind';
for (const { subject, rules } of held)
  test(`${subject.kind} ${subject.name} keeps the contract`, () => {
    const faults = rules
      .filter(isOwn)
      .filter((one) => one.fault !== undefined || (one.open !== undefined && subject.name !== ALONE));
    assert.equal(
      faults.map(({ rule, fault, open }) => `${rule}: ${fault ?? open}`),
      [],
    );
    assert.ok(rules.length > 4);
  });

test('nothing is left behind', async () => {
  await new Promise((done) => setTimeout(done, 50));
  const after = process.getActiveResourcesInfo();
  assert.ok(after.length <= before, `${before} → ${after.join(', ')}`);
});

test.run();
