// What is gathered of a service that fails, and what trouble with the gathering means: nothing.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { NamedResult } from '../../src/core/combine.ts';
import { diagnose } from '../../src/core/diagnose.ts';
import type { Cause, LogSign, Outcome, Verdict } from '../../src/core/types.ts';
import { withEvidence } from '../../src/daemon/evidence.ts';
import type { Managed } from '../../src/daemon/repair.ts';
import type { Evidence, Recovery } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { hostPorts } from '../support/host.ts';

const test = suite('daemon evidence');

/** Its limits are over twenty times as soon. */
const ports = hostPorts({ clock: { ...clock, after: (ms, run) => clock.after(ms / 20, run) } });
const seen: Evidence = {
  processes: [{ pid: 7, name: 'lmtp', state: 'T', main: false, part: 'lmtp' }],
  ...{ listeners: [], unheld: [], ageMs: 60_000, log: ['fatal: x: No space left on device'] },
};
const managed = (patch: Partial<Recovery>): Managed => {
  const inspect = (): ReturnType<Recovery['inspect']> =>
    Promise.resolve({ state: 'running', byHand: false, detail: 'it runs', evidence: {} });
  const plugin = { inspect, evidence: () => Promise.resolve(seen), ...patch } as unknown as Recovery;
  return { plugin, options: {}, memory: new Map(), stateDir: '/nowhere' };
};
const say = (outcome: Outcome, cause: Cause): NamedResult => ({
  ...{ name: 'lmtp', type: 'lmtp', conclusive: false, result: { outcome, cause, detail: 'no answer' } },
});

async function told(manager: Managed | null, one = say('fail', 'refusing'), signs: readonly LogSign[] = []) {
  const asked = { service: 'store', managed: manager, signs, sinceMs: 5000 };
  return withEvidence(asked, { named: [one], verdict: diagnose([one], null) }, ports);
}

test('what the manager sees makes the verdict better', async () => {
  const verdict = await told(managed({}));
  assert.equal([verdict.cause, verdict.part, verdict.ageMs], ['hung', 'lmtp', 60_000]);
  assert.equal(verdict.seen, { by: 'processes', check: 'lmtp', cause: 'refusing' });
});

test('a manager that is late, breaks or forgets says nothing, and that is told', async () => {
  const never = (): Promise<never> => new Promise(() => undefined);
  const broken: readonly Partial<Recovery>[] = [
    { evidence: never },
    { evidence: () => Promise.reject(new Error('x')) },
    { evidence: () => Promise.resolve({ processes: 'many' } as unknown as Evidence) },
  ];
  const lost = ['processes', 'listeners', 'unheld', 'log'] as const;
  for (const patch of broken) assert.equal((await told(managed(patch))).unseen, lost);
  const { evidence: _, ...without } = managed({}).plugin;
  assert.equal(
    (await told({ ...managed({}), plugin: without as Recovery })).unseen,
    lost,
    'one that knows no evidence',
  );
  assert.equal((await told(managed({ ...broken[0], inspect: never }))).unseen, ['run', ...lost]);
  const noWord = (): ReturnType<Recovery['inspect']> =>
    Promise.resolve({ state: 'unknown', byHand: false, detail: '', evidence: {} });
  const quiet = (): Promise<Evidence> => Promise.resolve({ ...seen, processes: [], log: [] });
  assert.equal((await told(managed({ inspect: noWord, evidence: quiet }))).unseen, ['run']);
});

test('where nobody can be asked, nothing is missing', async () => {
  assert.is((await told(null)).unseen, undefined);
});

test('the manager is told how far back the story goes, and nobody is asked in vain', async () => {
  let since = 0;
  let calls = 0;
  const manager = managed({
    evidence: (_context, { sinceMs }) => {
      since = sinceMs;
      calls += 1;
      return Promise.resolve({ ...seen, processes: [] });
    },
  });
  const signs: readonly LogSign[] = [{ line: 'fatal: * No space left on device', cause: 'no-space', says: 'full' }];
  const found: Verdict = await told(manager, say('degraded', 'dependency'), signs);
  assert.equal([found.outcome, found.cause, since, calls], ['degraded', 'no-space', 5000, 1]);
  for (const one of [say('pass', 'dead'), say('fail', 'expired'), say('unknown', 'hung')])
    await told(manager, one, signs);
  assert.is(calls, 1);
});

test.run();
