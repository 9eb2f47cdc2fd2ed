// A planned move of a group whose data goes one way: it is brought up to date twice, the second time when the service
// has been stopped and its disk is there still. So nothing that it took in at the last moment is left behind.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/live-daemon.ts';
import { livePair, type Pair } from '../support/live-pair.ts';

const test = suite('a copy that goes one way');
const LIMIT_MS = 30_000;
let pair: Pair;

test('two nodes, and the copy is well', async () => {
  pair = await livePair({ copied: 'command' });
  await pair.begin();
  let seen = '';
  const ready = async (): Promise<boolean> => {
    const mail = await pair.group('n2', 'mail').catch(() => null);
    seen = JSON.stringify(mail);
    return mail?.owner === 'n1' && mail.health === 'ok' && mail.nodes.every((one) => one.owner || one.ready);
  };
  await until('mail on n1', ready, LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}: ${seen}`);
  });
});
test.after(() => pair?.end());

test('a planned move brings it up to date while all runs, and once more when nothing is taken in any more', async () => {
  const foreseen = await pair.daemon('n1').cli('switchover', 'mail', '--dry-run');
  const lines = foreseen.out.split('\n').filter((line) => /n1: /.test(line));
  assert.match(
    lines.join('\n'),
    /bring up to date replication\n.*undo service\n.*bring up to date replication\n.*undo disk/,
  );
  const moved = await pair.daemon('n1').cli('switchover', 'mail', '--yes');
  assert.is(moved.code, 0, `${moved.out}\n${moved.err}`);
  const flushed = readFileSync(join(pair.folder, 'flushed'), 'utf8').trim().split('\n');
  assert.equal(flushed, ['app up, disk up', 'app gone, disk up']);
  assert.equal([pair.placed('app'), pair.placed('disk')], [['n2'], ['n2']]);
  assert.equal(pair.seen.doubles, []);
});

test.run();
