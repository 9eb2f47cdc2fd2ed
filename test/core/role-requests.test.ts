// What becomes of a request: whoever asked for a move is answered, whatever comes between.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GroupEffect } from '../../src/core/group-events.ts';
import { GroupDrive, ownerRecord } from '../support/group-drive.ts';

const test = suite('role requests');

const kinds = (effects: readonly GroupEffect[]): string[] => effects.map(({ kind }) => kind);
const takes = (effects: readonly GroupEffect[]): boolean => kinds(effects).includes('group-take');

test('whoever does not have it refuses nothing that is asked of others', () => {
  const drive = new GroupDrive();
  drive.hear({ kind: 'group-owner', record: ownerRecord() });
  assert.is(drive.state.role, 'deactivating');
  assert.equal(drive.ask('switchover', 'n2'), []);
});

const answered = (effects: readonly GroupEffect[]) =>
  effects.flatMap((one) => (one.kind === 'group-answer' ? [[one.id, one.ok, one.text]] : []));

test('whom it was handed to and cannot take it answers at once, unless it is only too young', () => {
  const handed = (second: object): GroupEffect[] => {
    const drive = new GroupDrive().silent({ state: 'released', to: 'n2', reason: 'planned' });
    drive.ask('switchover', null);
    return drive.surveyed({ unready: ['x'] }, second, ['n1']);
  };
  assert.equal(answered(handed({ unready: ['no disk'] })), [['r1', false, 'n1: x; n2: no disk']]);
  assert.equal(answered(handed({ settled: false })), []);
});

test('what was asked to leave and came back is no success', () => {
  const drive = new GroupDrive().active();
  drive.ask('switchover', null);
  drive.surveyed({}, {}, ['n1']);
  while (drive.state.saga) drive.done();
  drive.hear({ kind: 'group-released', epoch: 9 });
  const record = ownerRecord({ node: 'n2', epoch: 9, state: 'released', to: 'n1', reason: 'planned' });
  drive.hear({ kind: 'group-owner', record });
  drive.now += 3000;
  drive.hear({ kind: 'group-vacant', silentMs: 3000 });
  assert.ok(takes(drive.surveyed({ reachable: false }, {}, [])));
  const told = [...drive.hear({ kind: 'group-took', epoch: 12, taken: 'planned', before: record })];
  while (drive.state.saga) told.push(...drive.done());
  assert.is(drive.state.role, 'active');
  assert.equal(answered(told), [['r1', false, 'it is in service on n2 again: no other node took it']]);
});

test('a request that ends in what cannot be taken back is answered, and not for ever waited for', () => {
  const drive = new GroupDrive().silent({ state: 'released', to: 'n2', reason: 'planned' });
  drive.ask('switchover', 'n2');
  drive.surveyed({}, {}, ['n1']);
  const before = ownerRecord({ state: 'released', to: 'n2' });
  const told = [...drive.hear({ kind: 'group-took', epoch: 12, taken: 'planned', before })];
  for (let turn = 0; turn < 60 && drive.state.role !== 'blocked'; turn++) {
    if (drive.state.saga?.acting) told.push(...drive.done(false));
    else {
      drive.now += 60_000;
      told.push(...drive.hear({ kind: 'group-woke' }));
    }
  }
  assert.is(drive.state.role, 'blocked');
  assert.equal(
    answered(told).map(([id, ok]) => [id, ok]),
    [['r1', false]],
  );
});

test('a request that is withdrawn while it is obeyed is forgotten after it', () => {
  const drive = new GroupDrive().active();
  drive.ask('switchover', 'n1');
  drive.surveyed({}, {}, ['n1']);
  drive.hear({ kind: 'group-request-gone', id: 'r1' });
  while (drive.state.saga) drive.done();
  drive.hear({ kind: 'group-released', epoch: 9 });
  assert.is(drive.state.request, null);
});

test.run();
