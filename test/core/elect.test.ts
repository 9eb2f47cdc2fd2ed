import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { elect, gateFault, type Question } from '../../src/core/elect.ts';
import type { Candidate, OwnerRecord } from '../../src/core/group-types.ts';
import { groupPolicy } from '../support/groups.ts';

const test = suite('elect');

const candidate = (node: string, patch: Partial<Candidate> = {}): Candidate => ({
  ...{ node, reachable: true, ageMs: 100, maintenance: false, settled: true, unready: [], health: 'ok' },
  ...{ replication: { state: 'healthy', queue: 0, lagMs: 0, detail: '' }, dataEpoch: 5, load: 0, dirty: false },
  failedMsAgo: null,
  ...patch,
});

const owner = (patch: Partial<OwnerRecord> = {}): OwnerRecord => ({
  ...{ schema: 1, node: 'n1', epoch: 5, instance: 'a', boot: 'a', taken: 'first', write: 1, state: 'held' },
  ...{ to: null, failed: [], data: { epoch: 5, node: 'n1' } },
  ...patch,
});

const site = (name: string, capacity: number | null = null) => ({ site: name, capacity, paths: [] });

/** n1 has fallen silent; n2 stands by at home, n3 at another site. */
const question = (patch: Partial<Question> = {}, second: Partial<Candidate> = {}): Question => ({
  policy: groupPolicy({ nodes: ['n1', 'n2', 'n3'], sources: ['copy'], gate: { kind: 'within', units: 5 } }),
  nodes: { n1: site('home'), n2: site('home', 10), n3: site('far') },
  survey: {
    candidates: [candidate('n1', { reachable: false, ageMs: 9000 }), candidate('n2', second), candidate('n3')],
    answering: ['n2', 'n3'],
  },
  owner: owner(),
  ...{ kind: 'failover', to: null, force: [], without: [] },
  ...patch,
});

const against = (asked: Question, node = 'n2'): readonly string[] =>
  elect(asked)
    .refused.filter((one) => one.node === node)
    .map(({ rule, text }) => `${rule}: ${text}`);

test('the nearest that may is chosen, and of each other one it is said why not', () => {
  const { chosen, order, refused } = elect(question());
  assert.is(chosen, 'n2');
  assert.equal(order, ['n2']);
  assert.equal(
    refused.map(({ node, rule, text }) => `${node} ${rule}: ${text}`),
    ['n1 unreachable: not heard for 9 s', 'n3 site: it is at another site, and n2 at home lives'],
  );
});

const copy = (queue: number | null, lagMs: number | null, state = 'healthy') =>
  ({ replication: { state, queue, lagMs, detail: 'why' } }) as Partial<Candidate>;

for (const [what, second, patch, said] of [
  ['in maintenance', { maintenance: true }, {}, 'maintenance: it is in maintenance'],
  ['looking on only', { observes: true }, {}, 'observe: it only looks on, by its configuration'],
  ['just started', { settled: false }, {}, 'settling: it has just started and does not know enough yet'],
  ['not ready', { unready: ['mount: no such device'] }, {}, 'not-ready: mount: no such device'],
  ['too full', { load: 10 }, {}, 'capacity: it carries 10 of 10, and this group weighs 1'],
  ['one that failed', { failedMsAgo: 5000 }, {}, 'failed-before: it could not bring the group up 5 s ago'],
  ['one that tried', {}, { without: ['n2'] }, 'failed-before: it tried and could not bring the group up'],
  ['not asked for', {}, { to: 'n3' }, 'not-asked-for: n3 was asked for'],
  ['behind by an epoch', { dataEpoch: 4 }, {}, 'old-data: its data is of epoch 4; the newest was made on n1 under 5'],
  ['behind by too much', copy(6, 0), {}, 'data-loss: its copy lacks 6; 5 are allowed'],
  ['behind by who knows', copy(null, 0), {}, 'data-loss: it is not known what its copy lacks'],
  ['without a copy', { replication: null }, {}, 'data-loss: nothing is known of its copy'],
  ['with a broken copy', copy(0, 0, 'failed'), {}, 'data-loss: its copy is failed: why'],
] as const)
  test(`it does not go to a node that is ${what}`, () => {
    const asked = question(patch as Partial<Question>, second as Partial<Candidate>);
    assert.is.not(elect(asked).chosen, 'n2');
    assert.equal(against(asked), [said]);
  });

test('every rule that speaks against a node is told, not the first alone', () => {
  const second = { maintenance: true, settled: false, unready: ['a', 'b'], dataEpoch: 1, load: 10, failedMsAgo: 1 };
  assert.is(against(question({}, second)).length, 7);
});

test('only what is a risk can be forced; what is harm, or cannot work, stands', () => {
  const force = [
    'old-data',
    'data-loss',
    'site',
    'failed-before',
    'capacity',
    'maintenance',
    'settling',
    'not-ready',
    'observe',
  ];
  const risky = { dataEpoch: 1, load: 10, failedMsAgo: 1, ...copy(99, 0) };
  assert.is(elect(question({ force }, risky)).chosen, 'n2');
  for (const harm of [
    { maintenance: true },
    { observes: true },
    { settled: false },
    { unready: ['x'] },
    { reachable: false },
  ])
    assert.is.not(elect(question({ force, to: 'n2' }, harm)).chosen, 'n2');
});

test('standing services that fail, or that nobody could ask, are not gone to', () => {
  const policy = groupPolicy({ nodes: ['n1', 'n2'], standby: 'running' });
  for (const health of ['failing', 'unknown'] as const)
    assert.equal(against(question({ policy }, { health })), [`not-well: its services there are ${health}`]);
  assert.is(elect(question({ policy }, { health: 'degraded' })).chosen, 'n2');
});

test('the gates of data', () => {
  const facts = (queue: number | null, lagMs: number | null) =>
    ({ state: 'healthy', queue, lagMs, detail: '' }) as const;
  assert.is(gateFault({ kind: 'none' }, null, 'failover'), null);
  assert.is(gateFault({ kind: 'lossless' }, facts(0, null), 'failover'), null);
  assert.is(gateFault({ kind: 'lossless' }, facts(1, 0), 'failover'), 'its copy lacks 1; 0 are allowed');
  assert.is(gateFault({ kind: 'rpo', ms: 500 }, facts(null, 500), 'failover'), null);
  assert.is(
    gateFault({ kind: 'rpo', ms: 500 }, facts(0, 501), 'failover'),
    'its copy is 501 ms behind; 500 ms are allowed',
  );
  assert.is(
    gateFault({ kind: 'rpo', ms: 500 }, facts(0, null), 'failover'),
    'it is not known how far its copy is behind',
  );
  assert.is(gateFault({ kind: 'lossless' }, facts(9, null), 'move'), null, 'it is flushed before');
});

test('a source that can bring nothing up to date: a planned move is asked what a failover is', () => {
  const policy = { sources: ['copy'], gate: { kind: 'within', units: 5 } } as const;
  const asked = (more: object): Question =>
    question({ kind: 'move', policy: groupPolicy({ ...policy, ...more }) }, { ...copy(9, null) });
  assert.equal(against(asked({})), []);
  assert.equal(against(asked({ noFlush: true })), ['data-loss: its copy lacks 9; 5 are allowed']);
});

test('the node that made the newest data has it, whatever its copy says', () => {
  const mine = owner({ data: { epoch: 9, node: 'n2' } });
  assert.is(elect(question({ owner: mine }, { dataEpoch: 1, replication: null })).order.includes('n2'), true);
});

test('an owner whose daemon began anew goes on, though in maintenance and not settled, and whatever the list says', () => {
  const again = { settled: false, maintenance: true, observes: true, ageMs: 0 };
  const { chosen } = elect(
    question({
      owner: owner({ node: 'n2', data: null }),
      survey: { candidates: [candidate('n1'), candidate('n2', again)], answering: ['n1'] },
    }),
  );
  assert.is(chosen, 'n2');
});

test('what a silent owner said before is no sign of life; its answer is', () => {
  const survey = (answering: string[]) => ({ candidates: [candidate('n1'), candidate('n2')], answering });
  assert.is(elect(question({ survey: survey([]) })).chosen, 'n2');
  assert.is(elect(question({ survey: survey(['n1']) })).chosen, 'n1');
});

test('a move leaves the owner, and goes to another site only when that is asked for by name', () => {
  const asked = (patch: Partial<Question> = {}) => question({ kind: 'move', ...patch });
  const survey = {
    candidates: [candidate('n1'), candidate('n2', { maintenance: true }), candidate('n3')],
    answering: [],
  };
  assert.is(elect(asked()).chosen, 'n2');
  assert.is(elect(asked({ survey })).chosen, null);
  assert.is(elect(asked({ survey, to: 'n3' })).chosen, 'n3');
  assert.ok(against(asked({ survey }), 'n1').includes('is-active: it is active already'));
});

test('another site is for the day when this one is gone', () => {
  const gone = { reachable: false, ageMs: 9000 };
  const survey = { candidates: [candidate('n2', gone), candidate('n3')], answering: ['n3'] };
  assert.is(elect(question({ survey })).chosen, 'n3');
  assert.is(elect(question({ survey: { ...survey, answering: ['n2', 'n3'] } })).chosen, null, 'it answers still');
  assert.is(elect(question({ survey: { ...survey, answering: ['n2'] }, force: ['site'] })).chosen, 'n3');
});

test('what would be lost is said', () => {
  assert.equal(elect(question({}, copy(3, 700))).loss, { units: 3, ms: 700 });
});

test.run();
