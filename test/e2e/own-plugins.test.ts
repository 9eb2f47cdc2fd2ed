// People's own plugins in a running daemon: there at the start, new ones by a reload, bad ones refused with the old
// configuration in force, and `-o nagios` for what they say.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allWell, liveDaemon, type LiveDaemon, until, watched, whole } from '../support/live-daemon.ts';
import { readNagios } from '../support/nagios-line.ts';

const PATIENCE_MS = 20_000;
let daemon: LiveDaemon;

/** A check that says well, with a metric. */
const say = (word: string): string => `
import { defineCheck, pass, z } from 'watchkeeper/define';
export const api = 1;
export default defineCheck({
  about: 'Says one word, and nothing else.',
  depth: 'both',
  options: z.strictObject({}),
  example: {},
  run: async () => pass('${word}', { metrics: [{ name: 'words', value: 1 }] }),
});
`;
const put = (name: string, text: string): void =>
  writeFileSync(daemon.at(`etc/plugins/checks/${name}.js`), text, { mode: 0o600 });
const detail = async (service: string): Promise<string> => (await daemon.cli('check', service)).out;

const test = suite('own plugins of a daemon');
test.before(async () => {
  daemon = liveDaemon('own');
  mkdirSync(daemon.at('etc/plugins/checks'), { recursive: true, mode: 0o700 });
  put('say-one', say('one'));
  daemon.write(whole(daemon, { one: watched({ type: 'say-one' }) }));
  await daemon.up();
  await allWell(daemon, ['one']);
});
test.after(() => daemon.end());

test('one that is there at the start is asked, and answers as a Nagios plugin too', async () => {
  assert.match(await detail('one'), /one: pass, one/);
  const { code, out } = await daemon.cli('check', 'one', '-o', 'nagios');
  assert.is(code, 0);
  const line = readNagios(out);
  assert.equal([line.service, line.state, line.text], ['ONE', 'OK', 'one']);
  assert.equal(line.data[0]?.label, 'words');
  const none = await daemon.cli('check', 'nobody', '-o', 'nagios');
  assert.is(none.code, 3, none.err);
  assert.is(readNagios(none.out).state, 'UNKNOWN');
});

test('a new one comes with a reload, a changed one stays as it is, and a bad one is refused', async () => {
  put('say-two', say('two'));
  daemon.write(whole(daemon, { one: watched({ type: 'say-one' }), two: watched({ type: 'say-two' }) }));
  await until('two', async () => (await daemon.status()).services.length === 2, PATIENCE_MS);
  await allWell(daemon, ['one', 'two']);
  assert.match(await detail('two'), /two: pass, two/);

  put('say-one', say('changed'));
  assert.is((await daemon.cli('reload')).code, 0);
  assert.match(await detail('one'), /one: pass, one/, 'changed code needs a restart');

  put('say-three', 'throw new Error("not today");');
  const refused = await daemon.cli('reload');
  assert.is.not(refused.code, 0);
  assert.match(refused.out + refused.err, /say-three\.js: it cannot be imported: not today/);
  assert.match(await detail('two'), /two: pass, two/, 'the old configuration is in force');
  rmSync(daemon.at('etc/plugins/checks/say-three.js'));
  assert.is((await daemon.cli('reload')).code, 0);
});

test.run();
