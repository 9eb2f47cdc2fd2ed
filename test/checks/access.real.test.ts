import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import access from '../../src/checks/access.ts';
import { runCheck } from '../support/check.ts';

const test = suite('access');
const NOBODY = 65534;
let home = '';

test.before.each(() => {
  home = mkdtempSync(join(tmpdir(), 'wk-access-'));
  chmodSync(home, 0o755);
  mkdirSync(join(home, 'queue'), { mode: 0o700 });
  chownSync(join(home, 'queue'), NOBODY, NOBODY);
});
test.after.each(() => rmSync(home, { recursive: true, force: true }));

const ask = (options: object) =>
  runCheck(access as never, { path: join(home, 'queue'), ...options }, { depth: 'deep' });

test('the owner may', async () => {
  for (const user of ['nobody', String(NOBODY)])
    assert.is((await ask({ user, group: 'nogroup' })).outcome, 'pass', user);
});

test('what is missing is named, with the mode', async () => {
  chmodSync(join(home, 'queue'), 0o500);
  const got = await ask({ user: 'nobody', group: 'nogroup' });
  assert.equal([got.outcome, got.cause], ['fail', 'misconfigured']);
  assert.match(got.detail, /^nobody may not write .*\/queue \(mode 500, owner 65534\): permission denied$/);
  assert.is((await ask({ user: 'nobody', group: 'nogroup', needs: ['enter', 'read'] })).outcome, 'pass');
  chmodSync(home, 0o700);
  assert.match(
    (await ask({ user: 'nobody', group: 'nogroup' })).detail,
    /may not enter, read, write/,
    'a folder above',
  );
});

test('a folder that is not there is a fault; a user that is not there is our own', async () => {
  const gone = await ask({ user: 'nobody', group: 'nogroup', path: join(home, 'gone') });
  assert.match(gone.detail, /it is not there/);
  assert.is((await ask({ user: 'no-such-user-here' })).outcome, 'unknown');
});

test.run();
