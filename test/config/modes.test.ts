// Whose files are read: owner, mode and links. Where a test needs another owner, it gives the loader another user.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Files } from '../../src/ports/files.ts';
import { files } from '../../src/ports/files.ts';
import { type ConfigFolder, configFolder, good } from '../support/config-folder.ts';

const GOOD = 'services: { a: { checks: [{ type: tcp, port: 1 }] } }\n';
const MORE = 'services: { b: { checks: [{ type: tcp, port: 1 }] } }\n';

const test = suite<{ folder: ConfigFolder }>('config modes');
test.before.each((context) => {
  context.folder = configFolder();
  context.folder.write('wk.yaml', GOOD, 0o640);
});
test.after.each(({ folder }) => folder.remove());

/** Facts as they would be if these paths belonged to others. */
const owned = (owners: Readonly<Record<string, { uid?: number; gid?: number }>>): Files => ({
  ...files,
  facts(path) {
    const found = files.facts(path);
    const other = owners[path];
    return found && other ? { ...found, ...other } : found;
  },
});

test('a file that anybody may write to is refused, and not read', ({ folder }) => {
  folder.write('wk.yaml', 'nonsense: 1\n', 0o646);
  assert.is(
    folder.report(folder.load()),
    'wk.yaml: error: anybody may write to it (mode 0646); chmod o-w wk.yaml [unsafe-mode]\n',
  );
});

test('so is one in conf.d, conf.d itself, and the folder', ({ folder }) => {
  folder.write('conf.d/b.yaml', MORE, 0o602);
  assert.match(folder.report(folder.load()), 'conf.d/b.yaml: error: anybody may write to it (mode 0602)');
  chmodSync(join(folder.path, 'conf.d/b.yaml'), 0o600);
  good(folder.load());
  chmodSync(join(folder.path, 'conf.d'), 0o777);
  assert.match(folder.report(folder.load()), 'conf.d: error: anybody may write to it (mode 0777)');
  chmodSync(join(folder.path, 'conf.d'), 0o755);
  chmodSync(folder.path, 0o1777);
  assert.match(folder.report(folder.load()), '.: error: anybody may write to it (mode 1777)');
});

test('an open folder further up is refused, a sticky one is not', ({ folder }) => {
  folder.write('open/etc/wk.yaml', GOOD);
  chmodSync(join(folder.path, 'open'), 0o777);
  assert.is(
    folder.report(folder.load('open/etc/wk.yaml')),
    'open: error: anybody may write to this folder above the configuration [unsafe-mode]\n',
  );
  chmodSync(join(folder.path, 'open'), 0o1777);
  good(folder.load('open/etc/wk.yaml'));
});

test('files and folders of others are refused; root and oneself are not others', ({ folder }) => {
  const file = join(folder.path, 'wk.yaml');
  const mine = process.getuid?.() ?? 0;
  const asOther = { uid: mine + 1, files: owned({ [file]: { uid: 4321 }, [folder.path]: { uid: mine + 1 } }) };
  assert.match(
    folder.report(folder.load('wk.yaml', asOther)),
    `wk.yaml: error: belongs to user 4321, not to root or user ${mine + 1}`,
  );
  const folderOfOther = { uid: mine, files: owned({ [folder.path]: { uid: 4321 } }) };
  assert.match(folder.report(folder.load('wk.yaml', folderOfOther)), '.: error: belongs to user 4321');
  const ofRoot = { uid: 1000, files: owned({ [file]: { uid: 0 }, [folder.path]: { uid: 1000 } }) };
  good(folder.load('wk.yaml', ofRoot));
  good(folder.load('wk.yaml', { ...folderOfOther, modes: false }));
});

test('for root, a group that may write is worth a warning', ({ folder }) => {
  const file = join(folder.path, 'wk.yaml');
  chmodSync(file, 0o660);
  const asRoot = { uid: 0, files: owned({ [file]: { uid: 0, gid: 33 }, [folder.path]: { uid: 0, gid: 0 } }) };
  const loaded = folder.load('wk.yaml', asRoot);
  assert.equal(
    good(loaded).warnings.map((problem) => problem.text),
    ['group 33 may write to it (mode 0660)'],
  );
});

test('a link may stay in the folder and may not leave it', ({ folder }) => {
  mkdirSync(join(folder.path, 'conf.d'));
  folder.write('parts/b.yaml', MORE);
  symlinkSync('../parts/b.yaml', join(folder.path, 'conf.d/b.yaml'));
  assert.equal(Object.keys(good(folder.load()).config.services), ['a', 'b']);
  const outside = mkdtempSync(join(tmpdir(), 'wk-outside-'));
  symlinkSync(outside, join(folder.path, 'conf.d/c.yaml'));
  symlinkSync('/etc/hostname', join(folder.path, 'conf.d/d.yaml'));
  symlinkSync('nowhere', join(folder.path, 'conf.d/e.yaml'));
  const report = folder.report(folder.load());
  rmSync(outside, { recursive: true });
  assert.is(
    report,
    [
      'conf.d/c.yaml: error: a link that leaves the configuration folder [unsafe-link]',
      'conf.d/d.yaml: error: a link that leaves the configuration folder [unsafe-link]',
      'conf.d/e.yaml: error: a link to nowhere [no-file]',
      '',
    ].join('\n'),
  );
});

test('the folder itself may be reached by a link; conf.d may not lead away', ({ folder }) => {
  symlinkSync(folder.path, `${folder.path}-link`);
  try {
    good(folder.load('../' + `${folder.path}-link/wk.yaml`.split('/').slice(-2).join('/')));
  } finally {
    rmSync(`${folder.path}-link`);
  }
  const outside = mkdtempSync(join(tmpdir(), 'wk-outside-'));
  symlinkSync(outside, join(folder.path, 'conf.d'));
  const report = folder.report(folder.load());
  rmSync(outside, { recursive: true });
  assert.is(report, 'conf.d: error: a link that leaves the configuration folder [unsafe-link]\n');
});

test('what is no file is not opened', ({ folder }) => {
  mkdirSync(join(folder.path, 'conf.d/x.yaml'), { recursive: true });
  assert.is(folder.report(folder.load()), 'conf.d/x.yaml: error: a directory, not a file [no-file]\n');
  assert.is(folder.report(folder.load('no.yaml')), 'no.yaml: error: there is no such file [no-file]\n');
  rmSync(join(folder.path, 'conf.d'), { recursive: true });
  assert.is(folder.report(folder.load('kits')), 'kits: error: a directory, not a file [no-file]\n');
  assert.match(folder.report(folder.load('wk.yaml/x.yaml')), 'error');
});

test('a file that cannot be read is a problem, not a throw', ({ folder }) => {
  const broken: Files = {
    ...files,
    readText() {
      throw Object.assign(new Error('no'), { code: 'EACCES' });
    },
  };
  assert.is(
    folder.report(folder.load('wk.yaml', { files: broken })),
    'wk.yaml: error: cannot be read: EACCES [unreadable]\n',
  );
});

test.run();
