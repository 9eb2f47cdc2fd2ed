import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/lifekeeper.ts';
import { runCheck } from '../support/check.ts';

const test = suite('check lifekeeper');
const folder = mkdtempSync(join(tmpdir(), 'wk-lifekeeper-'));
test.after(() => rmSync(folder, { recursive: true }));

const write = (name: string, body: string): void => {
  writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(folder, name), 0o755);
};

test('what the script says is told, and which script it was', async () => {
  const detail = async (depth: 'quick' | 'deep'): Promise<string> =>
    (await runCheck(check, { folder }, { depth })).detail;
  write('quickchk', 'exit 0');
  assert.is(await detail('quick'), 'quickchk finds nothing wrong');
  write('quickchk', 'echo "queue of 3 for $2"');
  assert.is(await detail('quick'), 'quickchk says "queue of 3 for test"');
  write('deepchk', 'echo "no\u0007 login" >&2; exit 4');
  assert.is(await detail('deep'), 'deepchk exits 4: "no\\x07 login"');
});

test.run();
