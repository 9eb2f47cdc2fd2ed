// A planned move while the other node is still pulling: that ends first. Else it would put what it read from the old
// node over what is written on the new one, after the move.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/live-daemon.ts';
import { livePair, type Pair } from '../support/live-pair.ts';

const test = suite('a pull that is under way');
const LIMIT_MS = 30_000;
/** As long as n2 needs for the large files. */
const PULL_MS = 15_000;
let pair: Pair;

const data = (name: string, file = ''): string => join(pair.folder, `data-${name}`, file);
/** rsync writes into a file with a name of its own, and renames it when it is whole. */
const isPulling = (): boolean => readdirSync(data('n2')).some((name) => name.startsWith('.large-'));

test('two nodes, and a planned move may go', async () => {
  pair = await livePair({ copied: 'rsync' });
  writeFileSync(data('n1', 'small'), 'of n1');
  await pair.begin();
  let seen = '';
  // The gate is the usual one, of units: a failover is refused, for rsync knows none of them; a planned move is not.
  const able = async (): Promise<boolean> => {
    const asked = await pair.daemon('n1').cli('switchover', 'mail', '--dry-run');
    seen = asked.out + asked.err;
    return asked.code === 0;
  };
  await until('n2 may have it', able, LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}: ${seen}`);
  });
  await until('the copy', () => readdirSync(data('n2')).includes('small'), LIMIT_MS);
});
test.after(() => pair?.end());

test('it ends before the move, and what n2 writes afterwards stays', async () => {
  // rsync asks for both at once; the second one comes when the first is there.
  writeFileSync(data('n1', 'large-1'), Buffer.alloc(500_000, 'x'));
  writeFileSync(data('n1', 'large-2'), Buffer.alloc(900_000, 'x'));
  await until('a pull of the first', isPulling, LIMIT_MS);
  writeFileSync(data('n1', 'late'), 'of n1');
  const moved = await pair.daemon('n1').cli('switchover', 'mail', '--yes');
  assert.is(moved.code, 0, `${moved.out}\n${moved.err}`);
  assert.equal(pair.placed('app'), ['n2']);
  assert.not.ok(isPulling(), 'nothing is written there any more but by n2');
  assert.equal([...readdirSync(data('n2'))].sort(), ['large-1', 'large-2', 'late', 'small']);
  writeFileSync(data('n2', 'large-2'), 'of n2');
  await sleep(PULL_MS);
  assert.is(readFileSync(data('n2', 'large-2'), 'utf8'), 'of n2');
  const back = (): boolean => readFileSync(data('n1', 'large-2'), 'utf8') === 'of n2';
  await until('what n2 writes is copied to n1', back, LIMIT_MS);
});

test.run();
