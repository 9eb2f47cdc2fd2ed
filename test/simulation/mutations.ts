// Wrong cores, made by hand: each is the compiled core with one text replaced. What tells them from the right one is
// the worth of our tests. A text must occur exactly once: a changed core cannot make a mutation vanish unseen.

export interface Mutation {
  /** What the wrong core does. */
  readonly does: string;
  /** File of dist/src/core, without `.js`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const of = (file: string, does: string, from: string, to: string): Mutation => ({ does, file, from, to });
const gate = (name: string, does: string): Mutation => of('act', does, `\n    ${name},\n`, '\n');

export const mutations: readonly Mutation[] = [
  // The gates of a repair.
  gate('blocked', 'repairs a child while its root is at fault'),
  gate('round', 'repairs before the first round is complete'),
  gate('awaiting', 'repairs before the dependencies answered'),
  gate('tilted', 'repairs in doubt of itself'),
  gate('observing', 'repairs while it should only observe'),
  gate('settling', 'repairs what has not yet noticed that its dependency is back'),
  gate('young', 'repairs what has just been started by somebody else'),
  gate('frozen', 'repairs what is flapping'),
  gate('budget', 'knows no budget of a service'),
  gate('nodeBudget', 'knows no budget of the node'),
  gate('turn', 'repairs all at once'),
  of('act', 'starts a dead child while its root is repaired', 'if (hopeless && verdict', 'if (verdict'),
  of('act', 'moves what would be met again over there', ' || !movable.includes(cause))', ')'),
  of(
    'act',
    'ends the ladder in doubt of itself',
    '    if (c.tilt)\n        return wait',
    '    if (false)\n        return wait',
  ),
  of(
    'act',
    'moves away while it should only observe',
    'if (c.observe || c.policy.observe)\n        return onlyObserved',
    'if (false)\n        return onlyObserved',
  ),
  of('act', 'writes the same refusal at every check', 'if (heldBy(c, s, closed.rule, verdict))', 'if (false)'),
  // Counting and confirming.
  of('judge', 'needs one failure more', 'if (fails < c.policy.fall)', 'if (fails <= c.policy.fall)'),
  of('judge', 'needs one failure fewer', 'if (fails < c.policy.fall)', 'if (fails + 1 < c.policy.fall)'),
  of(
    'judge',
    'acts on unknown',
    '? couldNotTell(c, s, e) : act(c, s, verdict)',
    '&& false ? couldNotTell(c, s, e) : act(c, s, verdict)',
  ),
  of('judge', 'takes no verdict for a fail', 'if (s.fails === 0) {', 'if (false) {'),
  of('judge', 'lets a QuickCheck speak for the DeepCheck', '[depth]: 0 }', 'quick: 0, deep: 0 }'),
  of('judge', 'forgets what was seen', 'held(s.verdict, e.verdict)', 'e.verdict'),
  of('judge', 'knows no start grace', 'c.at < s.graceUntil && ', 'false && '),
  of('judge', 'takes a stopped process for one that comes up', ' && !verdict.direct', ''),
  of('move', 'leaves a dead service to come to itself', "verdict.cause === 'dead' || verdict.direct", 'verdict.direct'),
  of('judge', 'never forgets a fall', '].slice(-c.policy.flap.changes)', ']'),
  of(
    'judge',
    'tries what was refused again and again',
    "case 'observe-only':",
    "case 'observe-only':\n        case 'not-safe-to-start':",
  ),
  of('judge', 'asks the dependencies of nobody', ': c.stands }', ': [] }'),
  of('judge', 'needs one pass more to look again', 'if (s.passes >= c.policy.rise)', 'if (s.passes > c.policy.rise)'),
  // Repairs and what follows.
  of(
    'ladder',
    'tries once more than allowed',
    'if (state.attempts >= policy.attempts)',
    'if (state.attempts > policy.attempts)',
  ),
  of('ladder', 'repairs a part that is not at fault', '.includes(trouble.part)', '.length > 0'),
  of('ladder', 'never climbs', 'rungs.find((rung) => !tried.includes(keyOf(policy, rung, trouble))) ??', 'rungs[0] ??'),
  of('ladder', 'takes one part for another', "`part ${trouble?.part ?? ''}`", "'part'"),
  of('ladder', 'pauses too long', 'Math.max(0, attempts - 1)', 'Math.max(0, attempts)'),
  of('ladder', 'counts what has left the window', 'time > at - windowMs', 'time >= at - windowMs'),
  of('ladder', 'has no stricter budget', 'const limit = strict ? 1 : policy.attempts', 'const limit = policy.attempts'),
  of('escalate', 'never forgets attempts', 'const attempts = stable ? 0 : s.attempts', 'const attempts = s.attempts'),
  of('escalate', 'charges what was no repair', 'tries(s, s.attempts - 1)', 'tries(s, s.attempts)'),
  of('escalate', 'believes late answers', "'epoch' in e && e.epoch !== s.epoch", "'epoch' in e && e.epoch > s.epoch"),
  of(
    'escalate',
    'ends a phase when a clock rings early',
    's.wakeAt === null || c.at < s.wakeAt ?',
    's.wakeAt === null ?',
  ),
  of('escalate', 'accepts a pause that is over', 'if (e.until <= c.at)', 'if (false)'),
  of('escalate', 'forgets over a restart that it gave up', " || s.phase === 'failed';", ';'),
  of('escalate', 'takes a failed switchover for a done one', 'if (!e.ok)', 'if (false)'),
  of('escalate', 'leaves things open when a service is gone', 'degraded: [],\n    verdict: null,', ''),
  of('move', 'keeps the epoch', 'epoch: s.epoch + 1', 'epoch: s.epoch'),
  of('move', 'does not hear a DeepCheck that takes its time', ': until + c.policy.confirmMs', ': until'),
  of('move', 'keeps the incident of what is well', 'calmAt(c, next), { incident: null, ', 'calmAt(c, next), { '),
  of('move', 'verifies with a QuickCheck', "{ effects: [ask(c.name, 'deep')] }", "{ effects: [ask(c.name, 'quick')] }"),
  // The node.
  of(
    'work',
    'charges the node for what was no repair',
    'without(work.node.repairs, before.repairs.at(-1))',
    'work.node.repairs',
  ),
  of(
    'decide',
    'waits for the first word of what is paused',
    "[event.service]?.phase !== 'suspect')",
    "[event.service]?.phase === 'never')",
  ),
  of(
    'decide',
    'waits for the first word of what is in maintenance',
    "services[name]?.phase !== 'suspect')",
    "services[name]?.phase === 'never')",
  ),
  of(
    'decide',
    'takes a late answer for a fresh word',
    "event.kind === 'checked' && !late && event.verdict",
    "event.kind === 'checked' && event.verdict",
  ),
  of('decide', 'lets children wait for an alarm clock', 's.blockedBy === name || ', ''),
  of('decide', 'gives the turn to nobody', '    if (free)', '    if (false)'),
  of('node-events', 'forgets at a reload', 'Object.hasOwn(known, name) ?', 'false ?'),
  of(
    'node-events',
    'is not strict when its state was lost',
    "new Set(['journal', 'state-lost'])",
    "new Set(['journal'])",
  ),
  of('node-events', 'is strict until only one trouble is over', 'anyStrict(alarms)', 'false'),
  of('work', 'blames the nearest', 'bad.find((other) => !standsOn', 'bad.find((other) => standsOn'),
  of('alarms', 'raises again and again', 'if (held && held.event === one.event)', 'if (false)'),
  of('alarms', 'gives up in silence', "if (s.phase === 'failed' || still)", 'if (still)'),
  of('alarms', 'clears nothing', 'if (keys.has(alarm.key))', 'if (true)'),
  of('tilt', 'doubts too late', 'count >= policy.tilt.least', 'count > policy.tilt.least'),
  of('tilt', 'doubts itself when processes die', ' && !verdict.conclusive && OUTSIDE.has(cause)', ''),
  of('tilt', 'doubts for ever', 'const over = at >= tilt.until', 'const over = false'),
  of(
    'combine',
    'sees the dead process before the full disk',
    "    'no-space',\n    'dead',",
    "    'dead',\n    'no-space',",
  ),
  // Telling.
  of('notices', 'tells an end to those who never heard', 'known ? Object.keys(known.to)', 'false ? []'),
  of('notices', 'forgets what had to wait', 'if (opens || ends)', 'if (false)'),
  of('notices', 'reminds whoever took it on', ' || known.ack ? null', ' ? null'),
  of('notices', 'calls others although somebody took it on', 'if (!known || known.ack)', 'if (!known)'),
  of('notices', 'does not tell again after a start', '&& !event.fresh)', '&& false)'),
  of('route', 'hears no silence', 'if (silence)', 'if (false)'),
  of('route', 'silences records', 'if (!route.record)', 'if (true)'),
  of('route', 'tells every child', "notice.event === 'service-blocked'", 'false'),
  of('route', 'tells what comes and goes', 'if (flaps(view, notice))', 'if (false)'),
  of('route', 'knows no quiet hours', 'quietUntil > view.at)', 'false)'),
  of('route', 'never waits', "notice.kind === 'raise' && dueAt > view.at", 'false'),
  of('route', 'stops at no route', 'if (!route.goOn)', 'if (false)'),
  of('act', 'repairs during a maintenance', 'if (!c.maintenance)', 'if (true)'),
  of('word-events', 'ends no silence', 'Object.entries(silences).filter(over)', '[]'),
  of('word-events', 'leaves services paused after a maintenance', '!== `${HAND}${name}`)', '!== null)'),
];
