import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { files } from '../../src/ports/files.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';

const test = suite('files and secrets');
let folder = '';

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'wk-files-'));
});
test.after.each(() => rmSync(folder, { recursive: true }));

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as { code?: string }).code ?? 'no code';
  }
  return 'no error';
};

test('reads small files, and knows an absent one from an unreadable one', () => {
  const path = join(folder, 'a');
  writeFileSync(path, 'text');
  assert.is(files.readText(path, 10), 'text');
  assert.is(files.readText(path, 4), 'text');
  assert.is(
    codeOf(() => files.readText(path, 3)),
    'E2BIG',
  );
  assert.is(files.readText(join(folder, 'b'), 10), null);
  assert.is(files.readText(join(path, 'below-a-file'), 10), null);
  assert.is(
    codeOf(() => files.readText(folder, 10)),
    'EINVAL',
  );
  assert.match(files.readText('/proc/self/status', 100_000) ?? '', 'Name:');
});

test('a FIFO in the place of a file stops nobody', () => {
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  assert.is(
    codeOf(() => files.readText(path, 10)),
    'EINVAL',
  );
});

test('facts are of the link itself; realPath follows it', () => {
  writeFileSync(join(folder, 'a'), 'x', { mode: 0o640 });
  symlinkSync(join(folder, 'a'), join(folder, 'link'));
  assert.is(files.facts(join(folder, 'a'))?.kind, 'file');
  assert.is(files.facts(join(folder, 'a'))?.mode, 0o640);
  assert.is(files.facts(join(folder, 'link'))?.kind, 'link');
  assert.is(files.realPath(join(folder, 'link')), files.realPath(join(folder, 'a')));
  assert.is(files.realPath(join(folder, 'away')), null);
  assert.is(files.facts(join(folder, 'away')), null);
  assert.equal(files.list(folder), ['a', 'link']);
});

test('a secret comes from a file, a variable or a credential, without its newline', () => {
  const path = join(folder, 'secret');
  writeFileSync(path, 'hush\n', { mode: 0o600 });
  mkdirSync(join(folder, 'credentials'));
  writeFileSync(join(folder, 'credentials', 'one'), 'cred\n', { mode: 0o440 });
  const secrets = secretsFrom({ NAME: 'value', CREDENTIALS_DIRECTORY: join(folder, 'credentials') });
  assert.is(secrets.read(`file:${path}`), 'hush');
  assert.is(secrets.read('env:NAME'), 'value');
  assert.is(secrets.read('credential:one'), 'cred');
});

test('a secret that others may read or write is refused by name, and its value is never told', () => {
  const path = join(folder, 'secret');
  const secrets = secretsFrom({ EMPTY: '' });
  for (const mode of [0o644, 0o640, 0o660, 0o602, 0o604]) {
    writeFileSync(path, 'hush');
    chmodSync(path, mode);
    assert.throws(
      () => secrets.read(`file:${path}`),
      (error: Error) =>
        error.message.includes(path) && error.message.includes('refused') && !/hush/.test(error.message),
    );
  }
  for (const bad of ['env:AWAY', 'env:EMPTY', 'file:/no/such', `file:${folder}`, 'credential:x']) {
    assert.throws(
      () => secrets.read(bad),
      (error: Error) => error.message.includes(bad),
      bad,
    );
  }
  assert.throws(
    () => secrets.read('hunter2'),
    (error: Error) => !error.message.includes('hunter2'),
  );
  assert.throws(() => secretsFrom({ CREDENTIALS_DIRECTORY: folder }).read('credential:../secret'), /refused/);
});

test.run();
