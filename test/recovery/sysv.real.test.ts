// Debian's own init script of nginx, its paths led to an nginx of the test's own; and Debian's OpenRC over the host's
// files, run with chroot(8), so that the host itself sees nothing of it. Needs root.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Recovery, RecoveryContext } from '../../src/define.ts';
import { exec } from '../../src/ports/exec.ts';
import { proc } from '../../src/ports/proc.ts';
import sysv from '../../src/recovery/sysv.ts';
import { type DebianRoot, debianRoot } from '../support/debian-root.ts';
import { until } from '../support/host.ts';
import { type OwnNginx, ownNginx } from '../support/own-nginx.ts';
import { recoveryContext } from '../support/recover.ts';
import { answers } from '../support/servers.ts';

const test = suite('sysv, real');
const recovery = sysv as unknown as Recovery;
let nginx: OwnNginx;
test.before(async () => {
  nginx = await ownNginx();
});
test.after(() => nginx.end());
const gone = (): Promise<boolean> => until(() => proc.byExe(nginx.exe).length === 0, 20_000);

test('Debian’s script of nginx: stopped, running, frozen, running again, stopped', async () => {
  const own: [string, string][] = [
    ['/usr/sbin/nginx', nginx.exe],
    ['/etc/nginx/nginx.conf', nginx.config],
    ['/etc/default/nginx', join(nginx.folder, 'defaults')],
  ];
  const text = own.reduce((all, [from, to]) => all.replaceAll(from, to), readFileSync('/etc/init.d/nginx', 'utf8'));
  writeFileSync(join(nginx.folder, 'defaults'), `DAEMON_OPTS="-c ${nginx.config}"\nSTOP_SCHEDULE="QUIT/30"\n`);
  mkdirSync(join(nginx.folder, 'init.d'));
  writeFileSync(join(nginx.folder, 'init.d', 'nginx'), text);
  chmodSync(join(nginx.folder, 'init.d', 'nginx'), 0o755);
  const context = (more: object = {}): RecoveryContext<never> =>
    recoveryContext(recovery, {
      ...{ name: 'nginx', folder: join(nginx.folder, 'init.d'), 'pid-file': nginx.pidFile, exe: [nginx.exe] },
      ...{ ports: [nginx.port], ...more },
    });
  assert.is((await recovery.inspect(context())).state, 'stopped');
  const started = await recovery.start(context());
  assert.is(started.ok, true, started.detail);
  assert.ok(await answers(nginx.port));
  assert.is((await recovery.inspect(context())).state, 'running');
  assert.is((await recovery.reload?.(context()))?.ok, true);
  for (const one of proc.byExe(nginx.exe)) proc.signal(one.pid, 'SIGSTOP');
  const stopped = await recovery.stop(context({ 'stop-timeout': '500ms' }), { force: false });
  assert.equal([stopped.ok, nginx.living()], [true, 0], stopped.detail);
  assert.match(stopped.detail, /did not end within \d+ ms; killed/);
  assert.ok(await gone());
  assert.is((await recovery.inspect(context())).state, 'failed', 'a pid file without a process');
  assert.is((await recovery.start(context())).ok, true);
  assert.ok(await answers(nginx.port));
  assert.is((await recovery.stop(context(), { force: false })).ok, true);
  assert.is(nginx.living(), 0);
});

/** OpenRC as it is after the machine came up, with one script. */
function bootOpenRc(root: string): string {
  const exe = join(root, 'opt', 'maild');
  const made = 'starting started stopping inactive wasinactive failed scheduled exclusive options daemons tmp';
  for (const name of made.split(' ')) mkdirSync(join(root, 'run', 'openrc', name), { recursive: true });
  writeFileSync(join(root, 'run', 'openrc', 'softlevel'), 'default\n');
  // The host's own scripts are none of this test's, and OpenRC would read them all.
  for (const name of readdirSync(join(root, 'etc', 'init.d'))) rmSync(join(root, 'etc', 'init.d', name));
  mkdirSync(join(root, 'opt'), { recursive: true });
  copyFileSync('/bin/sleep', exe);
  chmodSync(exe, 0o755);
  writeFileSync(
    join(root, 'etc', 'init.d', 'mail'),
    `#!/sbin/openrc-run
command=/opt/maild
command_args=300
command_background=true
pidfile=/run/mail.pid
`,
  );
  chmodSync(join(root, 'etc', 'init.d', 'mail'), 0o755);
  return exe;
}

test('OpenRC: started, killed and started again, stopped', async () => {
  const debian: DebianRoot = debianRoot(['openrc', 'librc1', 'libeinfo1', 'insserv']);
  const exe = bootOpenRc(debian.root);
  // Seen from outside of the root, where the processes are.
  const all = () => proc.byArgv(/^\/opt\/maild /).filter((one) => one.state !== 'Z');
  const inside: typeof exec = {
    run: (argv, how) => {
      const at = argv.indexOf('rc-service');
      return exec.run([...argv.slice(0, at), 'chroot', debian.root, ...argv.slice(at)], how);
    },
  };
  const byPath = { ...proc, byExe: (path: string) => (path === exe ? all() : proc.byExe(path)) };
  const options = { name: 'mail', system: 'openrc', exe: [exe] };
  const context = (): RecoveryContext<never> => recoveryContext(recovery, options, { exec: inside, proc: byPath });
  try {
    assert.is((await recovery.inspect(context())).state, 'stopped');
    const started = await recovery.start(context());
    assert.is(started.ok, true, started.detail);
    assert.ok(await until(() => all().length === 1));
    const seen = await recovery.inspect(context());
    assert.is(seen.state, 'running', seen.detail);
    assert.is((await recovery.stop(context(), { force: true })).ok, true);
    assert.is(all().length, 0);
    // OpenRC still believes in it, and a plain start would do nothing.
    assert.is((await recovery.inspect(context())).state, 'failed');
    assert.is((await recovery.start(context())).ok, true);
    assert.ok(await until(() => all().length === 1));
    assert.is((await recovery.stop(context(), { force: false })).ok, true);
    assert.is(all().length, 0);
    assert.is((await recovery.inspect(context())).state, 'stopped');
  } finally {
    for (const one of all()) proc.signal(one.pid, 'SIGKILL');
    debian.end();
  }
});

test.run();
