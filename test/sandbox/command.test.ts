// `watchkeeper sandbox …` as a user types it: exit codes, and what it says to do next.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runSandbox } from '../../src/commands/sandbox.ts';
import { makeSandbox } from '../support/sandbox.ts';

const test = suite('sandbox command');

async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const told = { out: '', err: '' };
  const io = {
    out: (text: string) => void (told.out += text),
    err: (text: string) => void (told.err += text),
  };
  return { code: await runSandbox(words, io), ...told };
}

test('usage errors exit 64 and say what is possible', async () => {
  const strange = await run('break', 'nothing', '--how', 'kill');
  assert.is(strange.code, 64);
  assert.match(strange.err, /Services are: store, mta, web\./);
  assert.is((await run('break', 'mta')).code, 64);
  assert.is((await run('break', 'mta', '--how', 'politely')).code, 64);
  assert.is((await run('break', 'web', '--how', 'no-space')).code, 64);
  assert.is((await run('break', 'mta', '--how', 'slow', '--delay', 'long')).code, 64);
  assert.is((await run('brake')).code, 64);
  assert.is((await run('--help')).code, 0);
});

test('break, list, heal, stop', async () => {
  const box = await makeSandbox();
  try {
    const early = await run('--dir', box.dir, 'break', 'mta', '--how', 'kill');
    assert.is(early.code, 1);
    assert.match(early.err, /mta: does not run; begin with: npm start/);
    await box.start('mta');
    const broken = await run('--dir', box.dir, 'break', 'mta', '--how', 'hang');
    assert.is(broken.code, 0, broken.err);
    assert.match(broken.out, /is stopped \(SIGSTOP\)/);
    assert.match(broken.out, /expect: .*cause hung/);
    assert.match(broken.out, 'npx watchkeeper sandbox heal mta');
    const listed = await run('--dir', box.dir, 'list');
    assert.match(listed.out, /^mta +\d+ +stopped +hang$/m);
    assert.match(listed.out, /^web +- +dead +-$/m);
    const json = JSON.parse((await run('--dir', box.dir, 'list', '-o', 'json')).out) as {
      services: { faults: string[] }[];
    };
    assert.equal(json.services[1]?.faults, ['hang']);
    const healed = await run('--dir', box.dir, 'heal');
    assert.is(healed.code, 0, healed.err);
    assert.match(healed.out, /mta: healed of hang; process \d+ runs/);
    const stopped = await run('--dir', box.dir, 'stop');
    assert.is(stopped.code, 0);
    assert.match(stopped.out, /mta: process \d+ ended/);
  } finally {
    await box.end();
  }
});

test.run();
