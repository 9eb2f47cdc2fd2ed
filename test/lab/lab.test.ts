// The lab itself: its nodes are machines as far as anybody in them can tell, and nothing of it stays behind.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, must, poll } from './command.ts';
import { judge, WELL } from './judge.ts';
import { Lab } from './lab.ts';
import { awaitServices, makeMailNode, masterOf, membersOf, UNITS } from './mail-node.ts';
import { repository } from './repository.ts';

const test = suite('lab');
let lab: Lab;

test.before(async () => {
  lab = await Lab.up({ nodes: ['one', 'two'] });
});
test.after(() => lab.close());

/** What a lab of this owner has left on the machine. */
async function traces(owner: number): Promise<readonly string[]> {
  const loops = await must(['losetup', '-ln', '-O', 'NAME,BACK-FILE']);
  const spaces = await must(['ip', 'netns', 'list']);
  const mounts = readFileSync('/proc/self/mounts', 'utf8');
  const control = /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1];
  const groups = control ? readdirSync(control) : [];
  const lines = [
    ...loops.split('\n'),
    ...mounts.split('\n'),
    ...spaces.split('\n'),
    ...groups,
    ...readdirSync(tmpdir()),
  ];
  return lines.filter((line) => line.includes(`wkl-${owner}-`) || line.startsWith(`wkl${owner}-`));
}

test('a node boots real systemd, in a network and a root of its own', async () => {
  const node = lab.node('one');
  const ms = await node.boot();
  assert.ok(ms < 5000, `${ms} ms`);
  assert.is((await node.exec(['systemctl', 'is-system-running'])).trim(), 'running');
  assert.is((await node.exec(['cat', '/proc/1/comm'])).trim(), 'systemd');
  assert.is((await node.exec(['hostname'])).trim(), 'one');
  assert.match(await node.exec(['ip', '-o', '-4', 'addr']), node.address);
  node.put('/etc/only-here', 'x', { mode: 0o600 });
  assert.is((await node.exec(['stat', '-c', '%a', '/etc/only-here'])).trim(), '600');
  assert.not.ok(existsSync('/etc/only-here'), 'the host has none of it');
});

test('nodes and the client reach each other, until a cable is out', async () => {
  const [one, two] = [lab.node('one'), lab.node('two')];
  await two.boot();
  const ping = (address: string): string[] => ['ping', '-n', '-c', '1', '-W', '1', address];
  assert.is((await one.attempt(ping(two.address))).code, 0);
  assert.is((await lab.client(ping(two.address))).code, 0);
  await two.network(false);
  assert.is((await lab.client(ping(two.address))).code, 1);
  await two.network(true);
  assert.is((await lab.client(ping(two.address))).code, 0);
});

test('a power cut ends every process at once, and the disk is there after the next boot', async () => {
  const node = lab.node('one');
  await node.exec(['systemd-run', '--quiet', 'sleep', '1000']);
  await eventually('sleep', () => node.processes().some((each) => each.command.endsWith('/sleep 1000')), 3000);
  node.put('/srv/kept', 'still here');
  const first = node.first ?? 0;
  await node.kill({ unplug: true });
  assert.not.ok(existsSync(`/proc/${first}`));
  assert.is(node.processes().length, 0);
  await node.boot();
  assert.is(node.read('/srv/kept'), 'still here');
  assert.not.ok(node.processes().some((each) => each.command.endsWith('/sleep 1000')));
});

test('a frozen node answers nobody and goes on when it thaws', async () => {
  const node = lab.node('one');
  await node.exec(['systemd-run', '--quiet', 'socat', 'TCP-LISTEN:99,fork,reuseaddr', 'SYSTEM:echo hello']);
  const hello = async (): Promise<boolean> =>
    (await lab.client(['timeout', '1', 'socat', '-u', `TCP:${node.address}:99`, '-'])).stdout === 'hello\n';
  await eventually('hello', hello, 3000);
  node.freeze(true);
  assert.is(await hello(), false);
  node.freeze(false);
  await eventually('hello again', hello, 3000);
});

test('a mail node takes a mail, gives it back, and knows its own processes', async () => {
  await lab.node('two').kill();
  const mail = await makeMailNode(lab.node('two'));
  await mail.node.boot();
  await awaitServices(mail.node);
  assert.equal(await judge(lab, mail), WELL);
  for (const unit of UNITS) {
    const master = masterOf(mail.node, unit);
    assert.ok(master, `${unit} has a master`);
    const members = membersOf(mail.node, unit);
    assert.ok(members.some((each) => each.pid === master?.pid && each.startTicks === master.startTicks));
  }
  assert.is(membersOf(mail.node, 'nginx').length, 2);
});

test('this repository and its packages are in a node, for the same Node', async () => {
  const node = lab.node('one');
  const script = "await import('/opt/watchkeeper/dist/src/define.js'); console.log(process.version)";
  const got = await node.attempt(['node', '--input-type=module', '-e', script], { timeoutMs: 10_000 });
  assert.is(got.stdout.trim(), process.version, got.stderr);
  assert.is((await node.attempt(['sh', '-c', 'command -v watchkeeper'])).code, 0);
});

/** A process that has a lab with a node up, and waits. */
async function owner(): Promise<ReturnType<typeof spawn>> {
  const script = `import { Lab } from ${JSON.stringify(join(repository, 'dist/test/lab/lab.js'))};
    const lab = await Lab.up({ nodes: ['x'] }); await lab.node('x').boot(); console.log('up'); setInterval(() => 0, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
  });
  await eventually('the other lab', () => said.includes('up'), 15_000);
  return child;
}

test('an interrupted owner takes its lab with it', async () => {
  const child = await owner();
  assert.ok((await traces(child.pid ?? 0)).length > 4);
  child.kill('SIGINT');
  await eventually('its end', () => child.exitCode !== null, 10_000);
  assert.is(child.exitCode, 130);
  assert.equal(await traces(child.pid ?? 0), []);
});

test('the lab of a killed owner goes when the next one comes; a living one is left alone', async () => {
  const [dead, living] = [await owner(), await owner()];
  dead.kill('SIGKILL');
  await eventually('its end', () => dead.signalCode !== null, 5000);
  assert.ok((await traces(dead.pid ?? 0)).length > 0);
  const next = await owner();
  assert.equal(await traces(dead.pid ?? 0), []);
  assert.ok((await traces(living.pid ?? 0)).length > 4);
  for (const child of [living, next]) {
    child.kill('SIGTERM');
    await poll(() => child.exitCode !== null, 10_000);
    assert.equal(await traces(child.pid ?? 0), []);
  }
});

test('close leaves nothing', async () => {
  assert.ok((await traces(process.pid)).length > 0);
  lab.close();
  assert.equal(await traces(process.pid), []);
});

test.run();
