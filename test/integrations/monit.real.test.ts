// A real monit that asks by our guest command in short cycles, and starts a real nginx again by `manage`.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { call, integration, startWeb, watchkeeper, type Web } from '../support/guest.ts';
import { processTree } from '../support/pids.ts';
import { answers, readLog, until } from '../support/server.ts';

const test = suite('monit');
let web: Web;
test.before(async () => {
  web = await startWeb();
});
test.after(async () => web?.stop());

test('the example is good, by monit itself', async () => {
  const file = join(web.folder, 'example.monitrc');
  const example = readFileSync(integration('monit/watchkeeper.monitrc'), 'utf8');
  // monit wants to see the program that it is to run.
  writeFileSync(file, `set daemon 5\n${example.replaceAll('/usr/bin/watchkeeper', watchkeeper)}`, { mode: 0o600 });
  const { code, out, err } = await call(['monit', '-t', '-c', file]);
  assert.is(code, 0, out + err);
});

test('a server that was killed is noticed and started again', async () => {
  const file = join(web.folder, 'monitrc');
  const at = (name: string): string => join(web.folder, name);
  // Its programs find no node on monit's own PATH where node is somewhere else.
  const program = at('watchkeeper');
  writeFileSync(program, `#!/bin/sh\nPATH=${dirname(process.execPath)}:$PATH exec ${watchkeeper} "$@"\n`, {
    mode: 0o755,
  });
  writeFileSync(
    file,
    `set daemon 1
set log ${at('monit.log')}
set pidfile ${at('monit.pid')}
set idfile ${at('monit.id')}
set statefile ${at('monit.state')}
check program web with path "${program} check --kit ${web.kit} -o nagios" timeout 20 seconds
  start program = "${program} manage start --kit ${web.kit}" with timeout 60 seconds
  stop program = "${program} manage stop --kit ${web.kit}" with timeout 60 seconds
  if status = 2 for 2 cycles then restart
`,
    { mode: 0o600 },
  );
  const monit = spawn('monit', ['-I', '-c', file], { stdio: 'ignore' });
  try {
    const log = readLog(at('monit.log'));
    await until('monit', () => log().includes('Starting Monit'), 20_000);
    const first = web.pid();
    // With its worker, which would go on answering.
    for (const pid of processTree(first)) process.kill(pid, 'SIGKILL');
    const back = async (): Promise<boolean> => web.lives() && web.pid() !== first && (await answers(web.http));
    await until('another nginx', back, 90_000).catch((error: Error) => {
      throw new Error(`${error.message}\n${log()}`);
    });
    assert.match(log(), /'web' .*CRITICAL|'web' status failed \(2\)/);
    assert.match(log(), /WEB CRITICAL \((refusing|dead)\) - /);
  } finally {
    const gone = new Promise((done) => monit.once('exit', done));
    monit.kill('SIGTERM');
    await Promise.race([gone, new Promise((late) => setTimeout(late, 10_000))]);
    monit.kill('SIGKILL');
  }
});

test.run();
