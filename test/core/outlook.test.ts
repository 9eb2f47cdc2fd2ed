// What is said of a move before it is done: what may be forced, what may not, and whether a node could be lost.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Candidate, GroupPolicy, OwnerRecord } from '../../src/core/group-types.ts';
import { newGroup } from '../../src/core/group-work.ts';
import { canLose, outlookOf, type Scene, spareMembers } from '../../src/core/outlook.ts';
import { groupPolicy, TIMING } from '../support/group-policies.ts';

const test = suite('core/outlook');

const candidate = (node: string, patch: Partial<Candidate> = {}): Candidate => ({
  ...{ node, reachable: true, ageMs: 100, maintenance: false, settled: true, unready: [], health: 'ok' },
  ...{ replication: null, dataEpoch: 7, load: 0, dirty: false, failedMsAgo: null },
  ...patch,
});
const record = (patch: Partial<OwnerRecord> = {}): OwnerRecord => ({
  ...{ schema: 1, node: 'n1', epoch: 7, instance: 'i', boot: 'b', taken: 'first', write: 1, state: 'held', to: null },
  ...{ failed: [], data: { epoch: 7, node: 'n1' } },
  ...patch,
});
const rest = { site: null, capacity: null, paths: [] };

function scene(patch: Partial<Scene> = {}, policy: Partial<GroupPolicy> = {}): Scene {
  return {
    policy: groupPolicy(policy),
    cluster: { timing: TIMING, nodes: { n1: rest, n2: rest } },
    survey: { candidates: [candidate('n1'), candidate('n2')], answering: ['n1', 'n2'] },
    state: { ...newGroup(0), known: true },
    ...{ owner: record(), at: 10_000 },
    ...patch,
  };
}
const silent = (): Partial<Scene> => ({
  state: { ...newGroup(0), known: true, vacantSince: 5000, block: { epoch: 7, until: 60_000 } },
  survey: { candidates: [candidate('n1', { reachable: false }), candidate('n2')], answering: ['n2'] },
});
const rules = (refused: readonly { readonly rule: string }[]): string[] => refused.map(({ rule }) => rule);
const wish = { verb: 'failover', to: null, force: [] } as const;

test('a living owner leaves in order, whatever it is called', () => {
  const seen = outlookOf(scene(), wish);
  assert.equal([seen.ok, seen.kind, seen.from, seen.to], [true, 'move', 'n1', 'n2']);
  assert.is(seen.plan[0]?.node, 'n1');
});

test('soon after a failover another one has to be meant: named, and done when forced', () => {
  const refused = outlookOf(scene(silent()), wish);
  assert.equal([refused.ok, refused.force, refused.plan], [false, ['block'], []]);
  assert.ok(rules(refused.refused).includes('block'));
  const forced = outlookOf(scene(silent()), { ...wish, force: ['block'] });
  assert.equal([forced.ok, forced.kind, forced.to], [true, 'failover', 'n2']);
  const over = scene({ ...silent(), at: 70_000 });
  assert.is(outlookOf(over, wish).ok, true);
});

test('what nobody has cannot be handed over, and no force helps', () => {
  const seen = outlookOf(scene(silent()), { ...wish, verb: 'switchover', force: ['block'] });
  assert.equal([seen.ok, seen.force, rules(seen.refused)[0]], [false, [], 'vacant']);
});

test('maintenance, and what could not be stopped, stand whatever is forced', () => {
  const away = { candidates: [candidate('n1'), candidate('n2', { maintenance: true })], answering: [] };
  const seen = outlookOf(scene({ survey: away }), wish);
  assert.equal([seen.ok, seen.force], [false, []]);
  const stuck = outlookOf(scene({ ...silent(), owner: record({ state: 'stuck' }) }), { ...wish, force: ['block'] });
  assert.ok(!stuck.ok && rules(stuck.refused).includes('not-stopped'));
});

test('while a move is under way, or nothing is known yet, it is only too early', () => {
  assert.is(outlookOf(scene({ state: newGroup(0) }), wish).busy, true);
});

test('can its node be lost? The answer counts what would hold a failover back', () => {
  const yes = canLose(scene(), 'free');
  assert.equal([yes.yes, yes.owner, yes.nodes.map(({ node }) => node)], [true, 'n1', ['n2']]);
  assert.equal(rules(canLose(scene(), 'tilt').holds), ['tilt']);
  const mode = { mode: 'manual', afterMs: 0, confirmMs: 1, otherwise: 'stay' } as const;
  const manual = canLose(scene({}, { failover: mode }), 'free');
  assert.equal([manual.yes, rules(manual.holds)], [false, ['manual']]);
  const none = canLose(scene({ survey: { candidates: [candidate('n1')], answering: ['n1'] } }), 'free');
  assert.equal([none.yes, rules(none.nodes[0]?.reasons ?? [])], [false, ['unreachable']]);
});

test('members to spare: what may fail before nothing can be agreed upon', () => {
  const members = (...ok: boolean[]) => spareMembers(ok.map((one) => ({ ok: one })));
  assert.equal(
    [members(true, true, true), members(true, true, false), members(true, false, false), members()],
    [1, 0, -1, null],
  );
});

test.run();
