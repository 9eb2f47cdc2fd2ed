// What people say and see about groups, over the control routes of two whole daemons around one store.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GroupPolicy } from '../../src/core/group-types.ts';
import { KEYS } from '../../src/daemon/groups/cluster-view.ts';
import { groupPolicy, type World, world } from '../support/cluster-machines.ts';
import { ask } from '../support/group-desk.ts';

const test = suite('daemon/control-groups');

async function up(policy?: GroupPolicy): Promise<World> {
  const made = world(policy);
  await Promise.all(Object.values(made.nodes).map((one) => one.boot()));
  await made.clock.run(20_000);
  return made;
}
const move = (made: World, from: string, patch: object = {}) =>
  ask(made, from, '/api/v1/groups/mail/move', { verb: 'switchover', by: 'test', ...patch });

test('status knows the group from each node: owner, role here, ready standbys, ages', async () => {
  const made = await up();
  for (const [name, role] of Object.entries({ n1: 'active', n2: 'standby' })) {
    const status = made.node(name).daemon?.status();
    const group = status?.groups[0];
    assert.equal(
      [group?.name, group?.owner, group?.role, group?.state, group?.health],
      ['mail', 'n1', role, 'held', 'ok'],
    );
    assert.equal(
      group?.nodes.map((one) => [one.node, one.owner, one.ready, one.role]),
      [
        ['n1', true, false, 'active'],
        ['n2', false, true, 'standby'],
      ],
    );
    assert.ok(
      group?.nodes.every(({ ageMs }) => ageMs !== null && ageMs <= 2100),
      JSON.stringify(group?.nodes),
    );
    assert.equal(
      status?.nodes.map(({ node }) => node),
      ['n1', 'n2'],
    );
    assert.is(status?.coordinator.members.length, 1);
  }
});

test('a dry run tells the plan and changes nothing', async () => {
  const made = await up();
  const { status, body } = await move(made, 'n2', { to: 'n2', dryRun: true });
  assert.is(status, 200);
  assert.equal([body.ok, body.kind, body.from, body.to], [true, 'move', 'n1', 'n2']);
  assert.is(body.plan.length, 8 - 1);
  await made.clock.run(2000);
  assert.is(made.node('n1').role, 'active');
  assert.not(made.store.records.has(KEYS.request('mail')));
});

test('a switchover that is asked of the standby goes over and is answered there too', async () => {
  const made = await up();
  const { status, body } = await move(made, 'n2', { to: 'n2', comment: 'new kernel' });
  assert.is(status, 200);
  await made.clock.run(3000);
  assert.equal([made.node('n1').role, made.node('n2').role], ['standby', 'active']);
  for (const name of ['n1', 'n2']) {
    const shown = (await ask(made, name, '/api/v1/groups/mail')).body;
    assert.equal([shown.answer.id, shown.answer.ok, shown.owner], [body.id, true, 'n2']);
    assert.is(shown.request, null);
    assert.is(shown.objectives.measured.id, body.id);
    assert.ok(shown.objectives.measured.rtoMs < 1000);
  }
});

test('what may not be is refused with every reason; a second request has to wait', async () => {
  const made = await up();
  const own = await move(made, 'n1', { to: 'n1' });
  assert.equal([own.status, own.body.code, own.body.refused[0].rule], [409, 'refused', 'is-active']);
  const none = await move(made, 'n1', { to: 'n9' });
  assert.equal([none.status, none.body.refused[0].rule], [409, 'not-a-node']);
  assert.is((await ask(made, 'n1', '/api/v1/groups/nothing/move', { verb: 'switchover' })).status, 404);
  assert.is((await ask(made, 'n1', '/api/v1/groups/mail/move', { verb: 'dance' })).status, 400);
  made.store.put(KEYS.request('mail'), JSON.stringify({ id: 'x', verb: 'switchover', to: 'n9', by: 'b', force: [] }));
  await made.clock.run(3);
  const second = await move(made, 'n1', { to: 'n2' });
  assert.equal([second.status, second.body.code], [409, 'busy']);
});

test('unsafe: what could be forced is named, and it goes with it', async () => {
  const made = await up(groupPolicy({ sources: ['copy'], gate: { kind: 'lossless' } }));
  await made.clock.run(5000);
  const refused = await move(made, 'n1', { verb: 'failover', to: 'n2' });
  assert.equal([refused.status, refused.body.code], [409, 'unsafe']);
  assert.ok(refused.body.force.includes('data-loss'), JSON.stringify(refused.body));
  const forced = await move(made, 'n1', { verb: 'failover', to: 'n2', force: refused.body.force });
  assert.is(forced.status, 200, JSON.stringify(forced.body));
  await made.clock.run(5000);
  assert.is(made.node('n2').role, 'active', made.node('n2').why);
});

test('a request that nobody takes up is withdrawn and answered', async () => {
  const made = await up();
  const request = { id: 'x1', verb: 'failover', to: 'n9', by: 'test', force: [], comment: '' };
  made
    .node('n1')
    .daemon?.close()
    .catch(() => undefined);
  await made.clock.run(1000);
  made.store.put(KEYS.request('mail'), JSON.stringify(request));
  await made.clock.run(60_000);
  assert.not(made.store.records.has(KEYS.request('mail')));
  assert.match(made.store.records.get(KEYS.answer('mail'))?.value ?? '', /"id":"x1","ok":false/);
});

test('a move at a time: listed, cancelled, and one that begins when it is due', async () => {
  const made = await up();
  const at = (ms: number): string => new Date(made.clock.wall() + ms).toISOString();
  assert.is((await move(made, 'n1', { to: 'n2', at: at(-1000) })).status, 400);
  assert.is((await move(made, 'n1', { to: 'n2', at: at(60_000) })).status, 200);
  assert.is((await move(made, 'n1', { to: 'n2', at: at(50_000) })).body.code, 'busy');
  await made.clock.run(100);
  assert.is((await ask(made, 'n2', '/api/v1/groups/mail')).body.timed.request.to, 'n2');
  assert.is((await ask(made, 'n2', '/api/v1/groups/mail/cancel', { by: 'test' })).status, 200);
  await made.clock.run(90_000);
  assert.is(made.node('n1').role, 'active');
  const due = await move(made, 'n2', { to: 'n2', at: at(30_000) });
  assert.is(due.status, 200, JSON.stringify(due.body));
  await made.clock.run(25_000);
  assert.is(made.node('n1').role, 'active');
  await made.clock.run(20_000);
  assert.is(made.node('n2').role, 'active', made.node('n2').why);
  const asked = made.store.writes.filter(({ key, value }) => key === KEYS.request('mail') && value !== null);
  assert.is(asked.length, 1);
  assert.not(made.store.records.has(KEYS.timed('mail')));
});

test('yes to a question, from another node; and an old yes answers no new question', async () => {
  const failover = { mode: 'confirm', afterMs: 0, confirmMs: 600_000, otherwise: 'stay' } as const;
  const made = await up(groupPolicy({ nodes: ['n1', 'n2', 'n3'], failover }));
  assert.is((await ask(made, 'n3', '/api/v1/groups/mail/confirm', { yes: true })).status, 409);
  made.store.cut.add('n1');
  await made.clock.run(10_000);
  assert.is(made.node('n2').role, 'standby');
  const shown = (await ask(made, 'n3', '/api/v1/groups/mail')).body;
  assert.equal([shown.owner, shown.state, shown.health, shown.ask.by], [null, 'silent', 'failing', ['n2']]);
  const said = await ask(made, 'n3', '/api/v1/groups/mail/confirm', { yes: true, by: 'anna' });
  assert.is(said.status, 200, JSON.stringify(said.body));
  await made.clock.run(4000);
  assert.is(made.node('n2').role, 'active', made.node('n2').why);
  assert.not(made.store.records.has(KEYS.confirm('mail')));
});

test('a failover blocks the next one until somebody took note of it', async () => {
  const made = await up();
  made.store.cut.add('n1');
  await made.clock.run(10_000);
  assert.is(made.node('n2').role, 'active', made.node('n2').why);
  const lose = (await ask(made, 'n2', '/api/v1/explain/mail')).body.lose;
  assert.equal([lose.yes, lose.holds[0].rule], [false, 'block']);
  assert.is((await ask(made, 'n2', '/api/v1/groups/mail/ack', { by: 'anna' })).status, 200);
  await made.clock.run(100);
  assert.is((await ask(made, 'n2', '/api/v1/groups/mail/ack', { by: 'anna' })).status, 409);
  assert.equal((await ask(made, 'n2', '/api/v1/explain/mail')).body.lose.holds, []);
});

test('explain: can we lose this node? With maintenance on the other one: no, and why', async () => {
  const made = await up();
  const before = (await ask(made, 'n1', '/api/v1/explain/mail')).body;
  assert.equal([before.lose.owner, before.lose.yes, before.lose.plan[0].node], ['n1', true, 'n2']);
  const on = await ask(made, 'n1', '/api/v1/nodes/n2/maintenance', { on: true, by: 'anna', comment: 'disk' });
  assert.equal([on.status, on.body.owns], [200, []]);
  await made.clock.run(100);
  const after = (await ask(made, 'n1', '/api/v1/explain/mail')).body;
  assert.equal([after.lose.yes, after.lose.nodes[0].reasons[0].rule], [false, 'maintenance']);
  assert.is(made.node('n1').daemon?.status().nodes[1]?.maintenance?.by, 'anna');
  assert.is(made.node('n1').daemon?.status().groups[0]?.health, 'degraded');
  const refused = await move(made, 'n1', { to: 'n2' });
  assert.equal([refused.status, refused.body.code], [409, 'refused']);
  assert.is((await ask(made, 'n1', '/api/v1/nodes/n9/maintenance', { on: true })).status, 404);
  await ask(made, 'n1', '/api/v1/nodes/n2/maintenance', { on: false });
  await made.clock.run(3000);
  assert.is((await ask(made, 'n1', '/api/v1/nodes/n2/maintenance', { on: false })).status, 409);
  assert.is((await ask(made, 'n1', '/api/v1/explain/mail')).body.lose.yes, true);
});

test('without the coordinator: said to be so, with a word of its own', async () => {
  const made = await up();
  made.store.cut.add('n2');
  const asked = ask(made, 'n2', '/api/v1/groups/mail/move', { verb: 'switchover', to: 'n2' });
  const { status, body } = await asked;
  assert.equal([status, body.code], [503, 'no-quorum'], JSON.stringify(body));
});

test.run();
