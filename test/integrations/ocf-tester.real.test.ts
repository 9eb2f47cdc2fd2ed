// The OCF agent by resource-agents' own tester. It asks a lot, and each time two programs start: a file of its own.
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { call, integration, startWeb, watchkeeper, type Web } from '../support/guest.ts';

const test = suite('ocf-tester');
let web: Web;
test.before(async () => {
  web = await startWeb();
});
test.after(async () => web?.stop());

test('ocf-tester finds nothing', async () => {
  const words = ['-n', 'web', '-o', `binary=${watchkeeper}`, '-o', `kit=${web.kit}`];
  const env = { OCF_ROOT: '/usr/lib/ocf', HA_RSCTMP: join(web.folder, 'marks') };
  const { code, out, err } = await call(['ocf-tester', ...words, integration('ocf/service')], env, 160_000);
  assert.is(code, 0, `${out}\n${err}`);
  assert.match(out, /passed all tests/);
  assert.not.ok(web.lives(), 'it ends with a stop');
});

test.run();
