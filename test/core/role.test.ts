import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GroupEffect } from '../../src/core/group-events.ts';
import type { GroupPolicy, OwnerRecord } from '../../src/core/group-types.ts';
import { groupPolicy, stepPolicy } from '../support/groups.ts';
import { GroupDrive, ownerRecord } from '../support/group-drive.ts';

const test = suite('role');

const kinds = (effects: readonly GroupEffect[]): string[] => effects.map(({ kind }) => kind);
const takes = (effects: readonly GroupEffect[]): boolean => kinds(effects).includes('group-take');

test('it takes over what fell silent, and is in service after the pivot', () => {
  const drive = new GroupDrive();
  drive.silent();
  assert.ok(takes(drive.surveyed()));
  drive.hear({ kind: 'group-took', epoch: 9, taken: 'failover', before: ownerRecord() });
  assert.is(drive.state.role, 'activating');
  drive.done();
  assert.ok(kinds(drive.done()).includes('group-active'));
  assert.is(drive.state.role, 'active');
  assert.is(drive.state.saga?.acting?.step, 'dns');
  drive.done();
  assert.is(drive.state.saga, null);
});

for (const [what, rule, drive, second] of [
  [
    'in doubt of its eyes',
    'tilt',
    () => {
      const d = new GroupDrive();
      d.stall();
      return d;
    },
    {},
  ],
  ['only looking on', 'observe', () => new GroupDrive({}, { observe: true }), {}],
  [
    'told to be patient',
    'too-early',
    () => new GroupDrive({ failover: { ...groupPolicy().failover, afterMs: 9000 } }),
    {},
  ],
  ['left to a person', 'manual', () => new GroupDrive({ failover: { ...groupPolicy().failover, mode: 'manual' } }), {}],
  ['told to ask', 'confirm', () => new GroupDrive({ failover: { ...groupPolicy().failover, mode: 'confirm' } }), {}],
  ['not ready', 'nobody', () => new GroupDrive(), { unready: ['no disk'] }],
] as const)
  test(`what is ${what} takes nothing, and says so`, () => {
    const one = drive().silent();
    assert.not(takes(one.surveyed({}, second as object)));
    assert.is(one.state.why.rule, rule);
    assert.ok(one.alarms.includes(rule === 'confirm' ? 'group-confirm' : 'group-unowned'));
    const before = one.alarms;
    one.hear({ kind: 'group-woke' });
    assert.equal(one.alarms, before, 'the alarm stands while it is looked at again');
  });

test('who is told of the end of a move is told what kind of move it was', () => {
  const moveOf = (drive: GroupDrive, event: string) => drive.notices.findLast((one) => one.event === event)?.move;
  const ways = [
    ['failover', ownerRecord(), { group: 'mail', how: 'failover' }],
    ['planned', ownerRecord({ state: 'released' }), { group: 'mail', how: 'planned' }],
    ['first', null, undefined],
  ] as const;
  for (const [taken, before, move] of ways) {
    const came = new GroupDrive().silent();
    came.surveyed();
    came.hear({ kind: 'group-took', epoch: 9, taken, before });
    while (came.state.saga) came.done();
    assert.equal(moveOf(came, 'group-in-service'), move, taken);
    const broken = new GroupDrive().silent();
    broken.surveyed();
    broken.hear({ kind: 'group-took', epoch: 9, taken, before });
    for (let tries = 0; tries < 20 && broken.state.role === 'activating'; tries += 1) {
      broken.now += 60_000;
      if (broken.state.saga?.acting) broken.done(broken.state.saga.direction === 'back');
      else broken.hear({ kind: 'group-woke' });
    }
    assert.equal(moveOf(broken, 'move-failed'), move, taken);
  }
});

test('an owner that answers and has not stopped it is waited for', () => {
  const drive = new GroupDrive().silent();
  assert.not(takes(drive.surveyed({ dirty: true, unready: ['x'] }, {}, ['n1'])));
  assert.is(drive.state.why.rule, 'not-stopped');
  drive.hear({ kind: 'group-woke' });
  assert.ok(takes(drive.surveyed({ dirty: false, unready: ['x'] }, {}, ['n1'])));
});

test('what could not be stopped is taken by whoever can fence, and by nobody else', () => {
  const stuck = { state: 'stuck', reason: 'failover' } as const;
  assert.not(takes(new GroupDrive().silent(stuck).surveyed({ reachable: false, ageMs: 9000 })));
  const fence = new GroupDrive({ steps: [stepPolicy('fence'), ...groupPolicy().steps] });
  assert.ok(takes(fence.silent(stuck).surveyed({ dirty: true })));
});

test('one failover, and then a person looks at it; a failed move may go home', () => {
  const drive = new GroupDrive();
  drive.hear({ kind: 'group-owner', record: ownerRecord({ taken: 'failover' }) });
  drive.silent({ taken: 'failover' });
  assert.not(takes(drive.surveyed()));
  assert.is(drive.state.why.rule, 'block');
  assert.ok(kinds(drive.hear({ kind: 'group-acked', epoch: 5, by: 'op' })).includes('group-survey'));
  assert.ok(takes(drive.surveyed()));
  const home = new GroupDrive({ failover: { ...groupPolicy().failover, mode: 'manual' } });
  const failed = { state: 'released', reason: 'failover', failed: ['n1'], data: { epoch: 4, node: 'n2' } } as const;
  assert.ok(takes(home.silent(failed).surveyed()));
});

function asksAgain(drive: GroupDrive): GroupEffect[] {
  drive.now += 1000;
  drive.hear({ kind: 'group-woke' });
  return drive.surveyed();
}

for (const [what, yes, otherwise, taken] of [
  ['a yes', true, 'stay', true],
  ['a no', false, 'move', false],
  ['silence, where it moves then', null, 'move', true],
  ['silence, where it stays then', null, 'stay', false],
] as const)
  test(`a person is asked: ${what}`, () => {
    const failover = { mode: 'confirm', afterMs: 0, confirmMs: 4000, otherwise } as const;
    const drive = new GroupDrive({ failover }).silent();
    drive.surveyed();
    assert.not(takes(asksAgain(drive)), 'asked again before the time is over, it still waits');
    if (yes !== null) drive.hear({ kind: 'group-confirmed', by: 'op', yes });
    drive.now += 4000;
    drive.hear({ kind: 'group-woke' });
    assert.is(takes(drive.surveyed()), taken);
  });

test('a request by a service opens no gate of a person, and a request that cannot be met is answered', () => {
  const failover = { ...groupPolicy().failover, mode: 'manual' } as const;
  const service = new GroupDrive({ failover });
  service.ask('failover', null, 'service imap');
  assert.not(takes(service.silent().surveyed()));
  const person = new GroupDrive({ failover });
  person.ask('failover', null);
  assert.ok(takes(person.silent().surveyed()));
  const nowhere = new GroupDrive();
  nowhere.ask('switchover', 'n1');
  assert.ok(kinds(nowhere.silent().surveyed({ reachable: false, ageMs: 9000 })).includes('group-answer'));
});

test('a failover is fenced, a hand-over is not, and neither is what was in service here', () => {
  const steps = [stepPolicy('fence'), ...groupPolicy().steps];
  for (const [taken, before, planned, from] of [
    ['failover', ownerRecord(), false, 'n1'],
    ['failover', ownerRecord({ node: 'n2', taken: 'failover' }), false, 'n1'],
    ['planned', ownerRecord({ state: 'released' }), true, 'n1'],
    ['resumed', ownerRecord({ node: 'n2' }), true, 'n2'],
    ['first', null, true, null],
  ] as const) {
    const drive = new GroupDrive({ steps }).silent();
    drive.surveyed();
    const [act] = drive.hear({ kind: 'group-took', epoch: 9, taken, before });
    assert.ok(act?.kind === 'group-act');
    assert.equal([act.planned, act.from], [planned, from], taken);
  }
});

test('what cannot be brought up is taken back in reverse, and another may try', () => {
  const drive = new GroupDrive().silent();
  drive.surveyed();
  drive.hear({ kind: 'group-took', epoch: 9, taken: 'failover', before: ownerRecord() });
  drive.done();
  drive.done(false);
  drive.now += 1000;
  drive.hear({ kind: 'group-woke' });
  drive.done(false);
  assert.is(drive.state.saga?.direction, 'back');
  assert.is(drive.state.saga?.acting?.step, 'address');
  drive.done();
  assert.is(drive.state.saga?.acting?.step, 'service');
  const end = drive.done().find(({ kind }) => kind === 'group-release');
  assert.ok(end?.kind === 'group-release');
  assert.equal([end.state, end.failed, end.reason], ['released', ['n2'], 'failover']);
});

test('a daemon that begins anew and fails at its first step takes back what it found, too', () => {
  const drive = new GroupDrive({ steps: [stepPolicy('fence', { tries: 1 }), ...groupPolicy().steps] });
  drive.hear({ kind: 'group-owner', record: ownerRecord({ node: 'n2' }) });
  drive.hear({ kind: 'group-vacant', silentMs: 0 });
  drive.surveyed();
  drive.hear({ kind: 'group-took', epoch: 9, taken: 'resumed', before: ownerRecord({ node: 'n2' }) });
  drive.done(false);
  const way: string[] = [];
  while (drive.state.saga) {
    way.push(`${drive.state.saga.acting?.act} ${drive.state.saga.acting?.step}`);
    drive.done();
  }
  assert.equal(way, ['undo address', 'undo service', 'undo fence']);
});

test('after the pivot it goes only forward, for ever, and says so', () => {
  const drive = new GroupDrive().silent();
  drive.surveyed();
  drive.hear({ kind: 'group-took', epoch: 9, taken: 'failover', before: ownerRecord() });
  drive.done();
  drive.done();
  for (let n = 0; n < 9; n++) {
    drive.done(false);
    drive.now += 60_000;
    drive.hear({ kind: 'group-woke' });
  }
  assert.is(drive.state.role, 'active');
  assert.is(drive.state.saga?.direction, 'forward');
  assert.ok(drive.alarms.includes('group-step-failing'));
  drive.ask('switchover', 'n1');
  assert.ok(kinds(drive.surveyed({}, {}, ['n1'])).includes('group-answer'), 'who asks is told why not now');
});

test('what is lost is taken back by force, and what does not stop blocks it', () => {
  const drive = new GroupDrive().active();
  const [, , act] = [null, null, drive.hear({ kind: 'group-lost', epoch: 9, reason: 'silence' })[0]];
  assert.ok(act?.kind === 'group-act' && act.force && act.step === 'address');
  assert.is(drive.state.epoch, null);
  drive.done();
  for (let n = 0; n < 4; n++) {
    drive.done(false, 'it hangs');
    drive.now += 60_000;
    drive.hear({ kind: 'group-woke' });
  }
  assert.is(drive.state.role, 'blocked');
  assert.ok(drive.state.dirty);
  assert.ok(drive.alarms.includes('group-blocked'));
  drive.done();
  assert.is(drive.state.role, 'standby');
  assert.is(drive.state.dirty, false);
});

test('answers of an older turn change nothing', () => {
  const drive = new GroupDrive().active();
  const { state } = drive;
  for (const event of [
    { kind: 'group-surveyed', survey: { candidates: [], answering: [] }, hours: true },
    { kind: 'group-step', step: 'dns', act: 'do', ok: true, detail: '' },
    { kind: 'group-woke' },
    { kind: 'group-beaten' },
  ] as const)
    assert.equal(drive.hear({ ...event, turn: state.turn - 1 } as never), []);
  assert.is(drive.state, state);
});

test('a daemon that begins anew believes nothing, and what it finds does not stay without a right', () => {
  const drive = new GroupDrive().active();
  drive.boot();
  assert.equal([drive.state.role, drive.state.epoch, drive.state.dirty], ['standby', null, true]);
  drive.now += 1000;
  drive.hear({ kind: 'group-woke' });
  assert.is(drive.state.why.rule, 'clean-up');
  while (drive.state.saga) drive.done();
  assert.is(drive.state.dirty, false);
});

test('a service asks to leave: it leaves in reverse, flushed, and is handed over', () => {
  const drive = new GroupDrive({ sources: ['copy'] }).active();
  drive.ask('switchover', 'n1');
  const able = { dataEpoch: 9, replication: { state: 'healthy', queue: 0, lagMs: 0, detail: '' } } as const;
  drive.surveyed(able, {}, ['n1']);
  const way: string[] = [];
  for (let effects: GroupEffect[] = []; drive.state.saga; ) {
    way.push(`${drive.state.saga.acting?.act} ${drive.state.saga.acting?.step}`);
    effects = drive.done();
    const end = effects.find(({ kind }) => kind === 'group-release');
    if (end?.kind === 'group-release') assert.equal([end.state, end.to], ['released', 'n1']);
  }
  assert.equal(way, ['prepare service', 'flush replication', 'undo address', 'undo service']);
  assert.is(drive.state.dirty, false);
});

test('a right that comes while it is taken back here stays until that is proved', () => {
  const drive = new GroupDrive();
  drive.hear({ kind: 'group-owner', record: ownerRecord() });
  assert.is(drive.state.role, 'deactivating');
  assert.equal(drive.hear({ kind: 'group-took', epoch: 9, taken: 'failover', before: ownerRecord() }), []);
  drive.done();
  const end = drive.done().find(({ kind }) => kind === 'group-release');
  assert.is(end?.kind === 'group-release' && end.state, 'released');
  drive.hear({ kind: 'group-released', epoch: 9 });
  assert.equal([drive.state.role, drive.state.epoch, drive.state.dirty], ['standby', null, false]);
});

test('the way back home is looked for on, whatever else was asked and refused meanwhile', () => {
  const drive = new GroupDrive({ switchback: { mode: 'automatic', dwellMs: 100_000 } }).active();
  assert.is(drive.state.surveying, 'switchback');
  drive.ask('switchover', 'n1');
  const refused = kinds(drive.surveyed({ unready: ['no disk'] }, {}, ['n1']));
  assert.equal(refused, ['group-answer', 'group-survey']);
  drive.surveyed({}, {}, ['n1']);
  const since = drive.state.backSince;
  assert.is(since, drive.now);
  drive.now += 60_000;
  drive.hear({ kind: 'group-woke' });
  drive.surveyed({}, {}, ['n1']);
  assert.is(drive.state.backSince, since, 'it was ready all the time');
  drive.now += 60_000;
  drive.hear({ kind: 'group-woke' });
  drive.surveyed({}, {}, ['n1']);
  assert.is(drive.state.role, 'deactivating');
  drive.done(false);
  drive.now += 1000;
  drive.hear({ kind: 'group-woke' });
  drive.done(false);
  while (drive.state.saga) drive.done();
  assert.equal([drive.state.role, drive.state.surveying], ['active', 'switchback'], 'it stays, and looks on');
});

test('who tried and could not is asked again when the time of the block is over', () => {
  const failed = { state: 'released', reason: 'failover', failed: ['n2'], data: null } as const;
  const gone = { reachable: false, ageMs: 9000 };
  assert.not(takes(new GroupDrive().silent(failed).surveyed(gone, { failedMsAgo: 59_000 })));
  assert.ok(takes(new GroupDrive().silent(failed).surveyed(gone, { failedMsAgo: 61_000 })));
});

test('whoever is named by the one that let go takes it, although the other one is wanted more', () => {
  const handed = { state: 'released', reason: 'planned', to: 'n2', data: { epoch: 4, node: 'n1' } } as const;
  assert.ok(takes(new GroupDrive().silent(handed).surveyed()));
  assert.not(takes(new GroupDrive().silent({ ...handed, to: null }).surveyed()));
});

test('what was brought up to date before it was handed over is no loss; what fell silent may have lost', () => {
  const replication = { state: 'healthy', queue: null, lagMs: 20_000.4, detail: '' } as const;
  const second = { dataEpoch: 5, replication };
  const policy = { sources: ['copy'], gate: { kind: 'rpo', ms: 60_000 } } as const;
  for (const [owner, loss] of [
    [
      { state: 'released', reason: 'planned', to: 'n2' },
      { units: 0, ms: 0 },
    ],
    [
      { state: 'released', reason: 'failover', to: 'n2' },
      { units: null, ms: 20_000 },
    ],
    [{ state: 'held' }, { units: null, ms: 20_000 }],
  ] as const) {
    const drive = new GroupDrive(policy).silent(owner);
    const gone = { reachable: false, ageMs: 9000 };
    assert.ok(takes(drive.surveyed(gone, second)), owner.state);
    assert.equal(drive.state.loss, loss, owner.state);
  }
  const planned = new GroupDrive({ ...policy, noFlush: true });
  planned.silent({ state: 'released', reason: 'planned', to: 'n2' });
  planned.surveyed({ reachable: false, ageMs: 9000 }, second);
  assert.equal(planned.state.loss, { units: null, ms: 20_000 }, 'nothing could be brought up to date');
});

test('a copy of which only the age is known takes what was brought over, and no more', () => {
  const second = { dataEpoch: 5, replication: { state: 'healthy', queue: null, lagMs: 90_000, detail: '' } } as const;
  const gone = { reachable: false, ageMs: 9000 };
  for (const gate of [{ kind: 'within', units: 6 }, { kind: 'lossless' }, { kind: 'rpo', ms: 60_000 }] as const) {
    const drive = (owner: Partial<OwnerRecord>, more: Partial<GroupPolicy> = {}): boolean =>
      takes(
        new GroupDrive({ sources: ['copy'], gate, ...more })
          .silent({ ...owner, data: { epoch: 5, node: 'n1' } })
          .surveyed(gone, second),
      );
    assert.ok(drive({ state: 'released', reason: 'planned', to: 'n2' }), gate.kind);
    assert.not(drive({ state: 'released', reason: 'failover', to: 'n2' }), `${gate.kind}: nothing was brought over`);
    assert.not(drive({ state: 'released', reason: 'planned', to: 'n2' }, { noFlush: true }), gate.kind);
    assert.not(drive({ state: 'held' }), gate.kind);
  }
});

test('a daemon that began anew makes way for whoever is to have it now', () => {
  const drive = new GroupDrive();
  drive.hear({ kind: 'group-owner', record: ownerRecord({ node: 'n2' }) });
  drive.hear({ kind: 'group-vacant', silentMs: 0 });
  drive.surveyed({}, { unready: ['no disk'] }, ['n1']);
  assert.is(drive.state.role, 'deactivating');
});

test.run();
