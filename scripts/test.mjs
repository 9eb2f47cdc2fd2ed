// `npm test`: sets everything up and runs every test that this machine and user can run, then says what was left out.
// As root on Debian it also installs what the tests need from Debian (servers, the lab). Without root: the rest.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setup } from './setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
setup();
const words = process.argv.slice(2);
let kind = 'all';
if (process.getuid?.() === 0 && process.platform === 'linux') {
  const prepared = spawnSync('bash', [join(root, 'test/lab/packages.sh')], { cwd: root, stdio: ['ignore', 2, 2] });
  if (prepared.status !== 0) process.exit(1);
} else {
  kind = 'unit,live';
  console.log('not root: left out are the tests on real servers (*.real.test.ts) and the lab (test/lab)');
}
const run = spawnSync(process.execPath, [join(root, 'dist/test/run.js'), kind, ...words], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(run.status ?? 1);
