// How far a copy is believed: what is old, restless or unproved is never near enough, whatever it says.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Gate, ReplicationFacts, ReplicationState } from '../../src/core/group-types.ts';
import {
  COPY_LIMITS,
  type CopyEvent,
  type CopyHistory,
  type CopyLimits,
  foldCopy,
  gateVerdict,
  judgeCopy,
  NO_HISTORY,
} from '../../src/core/replication.ts';
import { random } from '../support/random.ts';

const test = suite('core/replication');
const GATES: readonly Gate[] = [
  { kind: 'lossless' },
  { kind: 'within', units: 6 },
  { kind: 'within', units: 12 },
  { kind: 'rpo', ms: 30_000 },
];
const STATES: readonly ReplicationState[] = [
  ...(['healthy', 'healthy', 'healthy', 'synchronizing', 'initializing'] as const),
  ...(['suspended', 'failed', 'service-down'] as const),
];
const say = (
  queue: number | null,
  lagMs: number | null = 0,
  state: ReplicationState = 'healthy',
): ReplicationFacts => ({
  ...{ state, queue, lagMs, detail: 'said' },
});
const facts = (at: number, what: ReplicationFacts): CopyEvent => ({ kind: 'facts', at, facts: what });
const told = (events: readonly CopyEvent[], limits: CopyLimits = COPY_LIMITS): CopyHistory =>
  events.reduce((history, event) => foldCopy(history, event, limits), NO_HISTORY);

test('the gates at their borders', () => {
  const ok = (gate: Gate, queue: number | null, lagMs: number | null): boolean =>
    gateVerdict(gate, judgeCopy(told([facts(0, say(queue, lagMs))]), 0, COPY_LIMITS)).ok;
  assert.equal(
    [0, 1].map((n) => ok({ kind: 'lossless' }, n, 0)),
    [true, false],
  );
  assert.equal(
    [6, 7].map((n) => ok({ kind: 'within', units: 6 }, n, 0)),
    [true, false],
  );
  assert.equal(
    [12, 13].map((n) => ok({ kind: 'within', units: 12 }, n, 0)),
    [true, false],
  );
  assert.equal(
    [30_000, 30_001].map((ms) => ok({ kind: 'rpo', ms: 30_000 }, 0, ms)),
    [true, false],
  );
  assert.not.ok(ok({ kind: 'lossless' }, null, 0));
  assert.not.ok(ok({ kind: 'rpo', ms: 30_000 }, 0, null));
  assert.not.ok(ok({ kind: 'rpo', ms: 30_000 }, 0, Number.NaN));
});

test('levels of the queue', () => {
  const level = (queue: number): string => judgeCopy(told([facts(0, say(queue))]), 0, COPY_LIMITS).level;
  assert.equal([0, 2, 3, 5, 6].map(level), ['ok', 'ok', 'warn', 'warn', 'fail']);
});

test('a planned move asks for a copy that can be flushed, and loses nothing then', () => {
  const behind = judgeCopy(told([facts(0, say(40, 90_000, 'synchronizing'))]), 0, COPY_LIMITS);
  assert.equal(gateVerdict({ kind: 'lossless' }, behind, true).lossEstimate, { units: 0, ms: 0 });
  assert.not.ok(gateVerdict({ kind: 'lossless' }, behind).ok);
  const down = judgeCopy(told([facts(0, say(0, 0, 'suspended'))]), 0, COPY_LIMITS);
  assert.not.ok(gateVerdict({ kind: 'lossless' }, down, true).ok);
});

test('an idle copy counts only after a write was seen to arrive, and not after one that did not', () => {
  const limits = { ...COPY_LIMITS, proofMs: 10_000 };
  const at = (events: readonly CopyEvent[], now: number): string => judgeCopy(told(events, limits), now, limits).state;
  const idle = facts(0, say(0));
  const proof = (when: number, ok: boolean): CopyEvent => ({ kind: 'proof', at: when, ok, detail: 'x' });
  assert.is(at([idle], 0), 'synchronizing');
  assert.is(at([idle, proof(1, true)], 10_001), 'healthy');
  assert.is(at([idle, proof(1, true)], 10_002), 'synchronizing');
  assert.is(at([idle, proof(1, true), proof(2, false)], 3), 'failed');
  assert.is(at([idle, proof(2, false), proof(1, true)], 3), 'failed', 'an older proof changes nothing');
});

test('flapping and a growing queue are believed again only after calm', () => {
  const flips = [0, 1, 2, 3, 4].map((n) => facts(n * 1000, say(0, 0, n % 2 === 0 ? 'healthy' : 'failed')));
  assert.not.ok(judgeCopy(told(flips), 4000, COPY_LIMITS).known);
  const calm = [...flips, facts(60_000, say(0)), facts(123_999, say(0))];
  assert.not.ok(judgeCopy(told(calm), 123_999, COPY_LIMITS).known);
  assert.ok(judgeCopy(told([...calm, facts(124_000, say(0))]), 124_000, COPY_LIMITS).known);
  const grows = [0, 1, 2, 3].map((n) => facts(n * 1000, say(n)));
  assert.is(judgeCopy(told(grows.slice(0, 3)), 2000, COPY_LIMITS).state, 'healthy');
  assert.is(judgeCopy(told(grows), 3000, COPY_LIMITS).state, 'synchronizing');
  assert.is(judgeCopy(told([...grows, facts(4000, say(0))]), 4000, COPY_LIMITS).state, 'synchronizing');
  assert.is(judgeCopy(told([...grows, facts(123_000, say(0))]), 123_000, COPY_LIMITS).state, 'healthy');
});

/** A source that says anything, at any time, sometimes late or in the past. */
function wild(seed: number): { events: readonly CopyEvent[]; now: number; limits: CopyLimits } {
  const dice = random(seed);
  let at = 0;
  const events = Array.from({ length: 1 + dice.int(30) }, (): CopyEvent => {
    at += dice.int(30_000) - 1000;
    if (dice.chance(0.2)) return { kind: 'proof', at, ok: dice.chance(0.7), detail: 'x' };
    const queue = dice.chance(0.2) ? null : dice.int(15);
    return facts(at, say(queue, dice.chance(0.2) ? null : dice.int(60_000), dice.pick(STATES)));
  });
  return {
    ...{ events, now: at + dice.int(70_000) },
    limits: { ...COPY_LIMITS, proofMs: dice.chance(0.5) ? 100_000 : null },
  };
}

test('never ok on what is not known, stale or down; and time alone makes nothing good', () => {
  let good = 0;
  for (let seed = 1; seed <= 3000; seed += 1) {
    const { events, now, limits } = wild(seed);
    const history = told(events, limits);
    const judged = judgeCopy(history, now, limits);
    for (const gate of GATES) {
      const verdict = gateVerdict(gate, judged);
      const { units, ms } = verdict.lossEstimate;
      if (verdict.ok) {
        good += 1;
        const newest = history.newest;
        assert.ok(judged.known && (gate.kind === 'rpo' ? ms : units) !== null, `seed ${seed}`);
        assert.ok(newest !== null && now - newest.at <= limits.staleMs && newest.at <= now, `seed ${seed}`);
        assert.ok(history.flappingAt === null && history.proof?.ok !== false, `seed ${seed}`);
        const proved = limits.proofMs === null || (history.proof && now - history.proof.at <= limits.proofMs);
        assert.ok(proved, `seed ${seed}`);
      } else if (now >= (history.newest?.at ?? 0) && now >= (history.proof?.at ?? 0)) {
        const later = gateVerdict(gate, judgeCopy(history, now + random(seed).int(100_000), limits));
        assert.not.ok(later.ok, `seed ${seed}: only waiting made it good`);
      }
    }
  }
  assert.ok(good > 150, `only ${good} good ones were tried`);
});

test('monotone: less behind, or a wider gate, is never worse', () => {
  for (let seed = 1; seed <= 2000; seed += 1) {
    const dice = random(seed);
    const [queue, lag] = [dice.int(20), dice.int(60_000)];
    const judge = (q: number, l: number) => judgeCopy(told([facts(0, say(q, l))]), dice.int(1), COPY_LIMITS);
    const [units, ms] = [dice.int(20), dice.int(60_000)];
    for (const [gate, wider] of [
      [
        { kind: 'within', units },
        { kind: 'within', units: units + dice.int(5) },
      ],
      [
        { kind: 'rpo', ms },
        { kind: 'rpo', ms: ms + dice.int(5000) },
      ],
    ] as const) {
      if (!gateVerdict(gate, judge(queue, lag)).ok) continue;
      assert.ok(gateVerdict(gate, judge(dice.int(queue + 1), dice.int(lag + 1))).ok, `seed ${seed}`);
      assert.ok(gateVerdict(wider, judge(queue, lag)).ok, `seed ${seed}`);
    }
  }
});

test('a source that never rests does not fill the memory', () => {
  const many = Array.from({ length: 5000 }, (_, n) => facts(n, say(n % 9, 0, n % 2 ? 'failed' : 'healthy')));
  assert.ok(told(many).changedAt.length <= COPY_LIMITS.changes + 1);
});

test.run();
