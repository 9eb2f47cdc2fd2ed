// The performer of steps: what is proved to be gone stays gone, whatever began before it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ActionResult, defineStep, z } from '../../src/define.ts';
import { GroupSteps, type StepDoors } from '../../src/daemon/groups/group-steps.ts';
import { groupPolicy, stepPolicy } from '../support/cluster-machines.ts';
import { FakeMachine } from '../support/fake-machine.ts';

const test = suite('daemon/group-steps');

type Act = Parameters<GroupSteps['act']>[0];

const act = (what: Act['act'], turn = 1): Act => ({
  ...{ kind: 'group-act', group: 'mail', turn, epoch: 7, step: 'address', act: what, force: false },
  ...{ from: 'n2', to: 'n1', planned: false, timeoutMs: 5000 },
});

/** A step that is in place or not, with a hold that takes its time and puts it in place at its end. */
function make(holdMs: number, doMs = 0) {
  const machine = new FakeMachine([]);
  const { clock } = machine;
  const seen = { here: false, until: Number.POSITIVE_INFINITY, copiedMs: 0 };
  const results: ActionResult[] = [];
  const late = async (ms: number): Promise<ActionResult> => {
    await clock.sleep(ms);
    seen.here = true;
    return { ok: true, detail: 'here' };
  };
  const plugin = defineStep({
    ...{ about: 'Is here or not.', options: z.strictObject({}), example: {}, scope: 'node' },
    probe: async () => ({ state: seen.here ? 'done' : 'undone', detail: '' }),
    do: () => late(doMs),
    undo: async () => {
      seen.here = false;
      return { ok: true, detail: 'gone' };
    },
    hold: () => late(holdMs),
  });
  const policy = groupPolicy({ steps: [stepPolicy({ name: 'address' })] });
  const doors: StepDoors = {
    ...{ ports: machine.ports, node: 'n1', words: {}, stateDir: '/nonexistent', services: {} as never },
    plugin: () => plugin,
    untilMs: () => seen.until,
    flush: async () => ({ ok: true, detail: '' }),
    copied: () => (seen.copiedMs > 0 ? clock.sleep(seen.copiedMs) : Promise.resolve()),
    done: (_act, result) => void results.push(result),
    progress: () => undefined,
  };
  const sources = { sources: [], switchbackHours: null, drillAt: null };
  const steps = new GroupSteps(
    { name: 'mail', policy, steps: [{ name: 'address', type: 'address', options: {} }], ...sources },
    policy,
    doors,
  );
  return { clock, seen, results, steps };
}

test('a hold that was under way does not bring back what was undone', async () => {
  const { clock, seen, results, steps } = make(400);
  void steps.act(act('do'));
  await clock.run(1000);
  assert.ok(seen.here);
  steps.hold();
  await clock.run(10);
  void steps.act(act('undo', 2));
  await clock.run(3000);
  assert.equal(results.at(-1), { ok: true, detail: 'gone' });
  assert.not(seen.here, 'the hold ended before the undo was proved');
});

test('a do that does not listen is waited for: only then is anything proved', async () => {
  const { clock, seen, results, steps } = make(0, 2000);
  void steps.act(act('do'));
  await clock.run(100);
  void steps.act(act('undo', 2));
  await clock.run(1000);
  assert.is(results.filter(({ ok }) => ok).length, 0, 'nothing is proved yet');
  await clock.run(3000);
  assert.not(seen.here);
  assert.is(results.at(-1)?.ok, true);
});

test('a right that is gone begins nothing, and the emergency takes back at once', async () => {
  const { clock, seen, results, steps } = make(0);
  seen.until = 0;
  void steps.act(act('do'));
  await clock.run(1000);
  assert.equal(results, [{ ok: false, detail: 'the right is gone' }]);
  seen.here = true;
  void steps.emergency(7);
  await clock.run(200);
  assert.not(seen.here);
});

test('nothing begins while the data is still being copied here, nor when the right ended meanwhile', async () => {
  const waits = make(0);
  waits.seen.copiedMs = 1000;
  void waits.steps.act(act('do'));
  await waits.clock.run(900);
  assert.not(waits.seen.here);
  await waits.clock.run(500);
  assert.ok(waits.seen.here);
  assert.is(waits.results.at(-1)?.ok, true);

  const late = make(0);
  late.seen.copiedMs = 1000;
  void late.steps.act(act('do'));
  await late.clock.run(500);
  late.seen.until = 0;
  await late.clock.run(1000);
  assert.equal([late.seen.here, late.results], [false, [{ ok: false, detail: 'the right is gone' }]]);

  const never = make(0);
  never.seen.copiedMs = 60_000;
  void never.steps.act(act('do'));
  await never.clock.run(6000);
  assert.is(never.results.at(-1)?.ok, false, 'the act is over its time');
  await never.clock.run(60_000);
  assert.not(never.seen.here, 'and nothing comes of it later');
});

test.run();
