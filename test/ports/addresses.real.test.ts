// Addresses through a real ip(8), in a network namespace of the test's own: what came too late is not done.
import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type IpChild, openAddresses, TOO_LATE } from '../../src/ports/addresses.ts';

const test = suite('ports/addresses');
const space = `wkp${process.pid}`;
let addresses: IpChild;

test.before(() => {
  execFileSync('ip', ['netns', 'add', space]);
  addresses = openAddresses(['ip', '-n', space]);
});
test.after(() => {
  addresses?.close();
  execFileSync('ip', ['netns', 'del', space]);
});

const has = async (ip: string): Promise<boolean> => (await addresses.list()).some((one) => one.ip === ip);

test('an address is set while it still may be', async () => {
  assert.is(await addresses.put('lo', '10.99.0.1', 32, 60, () => true), null);
  assert.ok(await has('10.99.0.1'));
  assert.is(await addresses.put('lo', '10.99.0.1', 32, 60), null, 'and without a question');
});

test('and not when it may not be any more', async () => {
  assert.is(await addresses.put('lo', '10.99.0.2', 32, 60, () => false), TOO_LATE);
  assert.not.ok(await has('10.99.0.2'));
});

test('who waited behind another command is asked when its turn has come', async () => {
  let may = true;
  const listed = addresses.list();
  const put = addresses.put('lo', '10.99.0.3', 32, 60, () => may);
  may = false;
  assert.is((await listed).length > 0, true);
  assert.is(await put, TOO_LATE);
  assert.not.ok(await has('10.99.0.3'));
  assert.is(await addresses.remove('lo', '10.99.0.1', 32), null, 'and those after it are served');
});

test.run();
