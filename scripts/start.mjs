// `npm start`: makes the clone ready and runs the daemon on the sandbox: three small services on loopback, no root.
// They end with it. Exit code: the daemon's own; 69 when a port of the sandbox is taken.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setup } from './setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
setup();
const load = (file) => import(`../dist/src/sandbox/${file}.js`);
const [{ defaultDir }, { preflight }, { stopAll }] = await Promise.all(['places', 'preflight', 'break'].map(load));

const say = (text) => process.stderr.write(`${text}\n`);
const problems = await preflight(defaultDir);
if (problems.length > 0) {
  for (const problem of problems) say(`watchkeeper: ${problem}`);
  process.exit(69);
}
say('Three small services run on this machine, and Watchkeeper keeps them working. In a second terminal, try:');
say('  npx watchkeeper sandbox break mta --how hang     also: kill refuse slow no-space misconfigure loop; heal');
say('  npx watchkeeper explain mta                      what was seen, why it was decided, what comes next');

const argv = ['run', '--config', 'config/watchkeeper.yaml', '--live', ...process.argv.slice(2)];
const daemon = spawn(process.execPath, [join(root, 'bin/watchkeeper.js'), ...argv], { cwd: root, stdio: 'inherit' });
// Ctrl-C reaches the daemon by the terminal too; what comes to us alone is passed on. A hangup would only make it load
// its configuration anew, and here it means that the terminal is gone.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => daemon.kill(signal));
process.on('SIGHUP', () => daemon.kill('SIGTERM'));
const [code, signal] = await new Promise((resolve) => daemon.once('exit', (...how) => resolve(how)));
// 75: another daemon runs on this sandbox already, and its services are not ours to end.
if (code !== 75) for (const told of await stopAll(defaultDir)) say(told.text);
process.exit(code ?? (signal ? 128 : 1));
