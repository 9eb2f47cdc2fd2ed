// Moves of groups as stories: what a node heard, decided and did, to be read by people (`npm run golden`).
import { suite } from 'uvu';
import { golden } from '../support/golden.ts';
import { GroupDrive } from '../support/group-drive.ts';

const test = suite('stories of groups');

const told = (name: string, drive: GroupDrive): void => golden(`groups/${name}.txt`, `${drive.lines.join('\n')}\n`);

test('a failover, and a way back on which an address does not go gently', () => {
  const drive = new GroupDrive().active();
  drive.now += 60_000;
  drive.ask('switchover', 'n1');
  drive.surveyed({}, {}, ['n1']);
  drive.done();
  drive.done(false, 'it does not go');
  while (drive.state.saga) drive.done();
  drive.hear({ kind: 'group-released', epoch: 9 });
  told('failover-and-back', drive);
});

test('a move that is taken back because the copies could not be flushed', () => {
  const drive = new GroupDrive({ sources: ['copy'] }).active();
  drive.ask('switchover', 'n1');
  const able = { dataEpoch: 9, replication: { state: 'healthy', queue: 4, lagMs: 20, detail: '' } } as const;
  drive.surveyed(able, {}, ['n1']);
  drive.done();
  drive.done(false, 'the other side does not answer');
  while (drive.state.saga) drive.done();
  told('flush-failed', drive);
});

test('a right that falls silent, and a service that hangs', () => {
  const drive = new GroupDrive().active();
  drive.hear({ kind: 'group-lost', epoch: 9, reason: 'silence' });
  drive.done();
  for (let n = 0; n < 3; n++) {
    drive.done(false, 'it hangs');
    drive.now += 8000;
    drive.hear({ kind: 'group-woke' });
  }
  drive.done();
  told('silent-and-stuck', drive);
});

test.run();
