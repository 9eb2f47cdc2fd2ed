// The floating address between two real network namespaces and a client, as neighbours see it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import address from '../../src/switchover/address.ts';
import { childrenOf, nameOf } from '../support/pids.ts';

const test = suite('switchover/address');
const id = `wka${process.pid}`;
const agent = fileURLToPath(new URL('../support/address-agent.js', import.meta.url));
const ip = (...words: string[]): string =>
  execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const ns = (name: string): string => `${id}-${name}`;

/** One node: its namespace, and the step at work in it. */
class Agent {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** `before`: what runs it, with less than all rights. */
  constructor(name: string, before: readonly string[] = []) {
    this.#child = spawn('ip', ['netns', 'exec', ns(name), ...before, process.execPath, agent], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface({ input: this.#child.stdout ?? process.stdin })[Symbol.asyncIterator]();
  }

  async ask(
    op: string,
    forMs: number,
    options: object = {},
    planned = false,
  ): Promise<{ ok?: boolean; state?: string; detail: string }> {
    this.tell(op, forMs, options, planned);
    return this.answer();
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Asks, and does not wait: its answer is the next one. */
  tell(op: string, forMs: number, options: object = {}, planned = false): void {
    const order = { op, forMs, planned, options: { ip: '10.77.0.5/24', interfaces: ['eth0', 'eth1'], ...options } };
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  async answer(): Promise<{ ok?: boolean; detail: string }> {
    const { value } = (await this.#lines.next()) as { value: string };
    return JSON.parse(value) as { detail: string };
  }

  /** The child of this name that it works through. */
  child(name: string): number {
    const { pid } = this.#child;
    const all = childrenOf(pid ?? 0);
    const found = all.find((one) => nameOf(one) === name);
    if (found === undefined) throw new Error(`no ${name} among ${all.join(' ')}`);
    return found;
  }

  close(): void {
    this.#child.kill('SIGCONT');
    this.#child.kill('SIGKILL');
  }
}

const shown = (name: string): string => ip('-n', ns(name), '-o', 'addr', 'show');
const has = (name: string, what = '10.77.0.5'): boolean => shown(name).includes(` ${what}/`);
const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
/** Either interface: both are on one switch, and both answer. */
const macs = (name: string): RegExp => {
  const one = (device: string): string =>
    ip('netns', 'exec', ns(name), 'cat', `/sys/class/net/${device}/address`).trim();
  return new RegExp(`${one('eth0')}|${one('eth1')}`);
};
const neighbour = (what: string): string => ip('-n', ns('client'), 'neigh', 'show', what);

const agents: Agent[] = [];
const make = (name: string, before: readonly string[] = []): Agent => {
  const made = new Agent(name, before);
  agents.push(made);
  return made;
};

test.before(() => {
  ip('netns', 'add', ns('sw'));
  ip('-n', ns('sw'), 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0');
  ip('-n', ns('sw'), 'link', 'set', 'br0', 'up');
  for (const [index, name] of ['n1', 'n2', 'client'].entries()) {
    ip('netns', 'add', ns(name));
    ip('-n', ns(name), 'link', 'set', 'lo', 'up');
    for (const device of ['eth0', 'eth1']) {
      const port = `${name}-${device}`;
      ip('-n', ns('sw'), 'link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', ns(name));
      ip('-n', ns('sw'), 'link', 'set', port, 'master', 'br0', 'up');
      ip('-n', ns(name), 'link', 'set', device, 'up');
    }
    ip('-n', ns(name), 'addr', 'add', `10.77.0.${11 + index}/24`, 'dev', 'eth0');
    ip('-n', ns(name), 'addr', 'add', `fd77::${11 + index}/64`, 'dev', 'eth0', 'nodad');
  }
});
test.after.each(() => {
  for (const one of agents.splice(0)) one.close();
  for (const name of ['n1', 'n2'])
    for (const device of ['eth0', 'eth1']) {
      for (const what of ['10.77.0.5/24', 'fd77::5/64'])
        try {
          ip('-n', ns(name), 'addr', 'del', what, 'dev', device);
        } catch {
          // It was not there.
        }
      ip('-n', ns('sw'), 'link', 'set', `${name}-${device}`, 'up');
    }
});
test.after(() => {
  for (const name of ['n1', 'n2', 'client', 'sw'])
    try {
      ip('netns', 'del', ns(name));
    } catch {
      // It was not made.
    }
});

test('it comes with an end, and the kernel takes it away when nobody extends it', async () => {
  const n1 = make('n1');
  assert.equal(await n1.ask('probe', 3000), { state: 'undone', detail: 'it is not here' });
  const done = await n1.ask('do', 3000);
  assert.ok(done.ok, done.detail);
  assert.match(shown('n1'), /10\.77\.0\.5\/24 .*valid_lft [12]sec/);
  const began = performance.now();
  n1.signal('SIGSTOP');
  for (let n = 0; n < 600 && has('n1'); n++) await wait(10);
  const ms = performance.now() - began;
  assert.not(has('n1'));
  assert.ok(ms < 3000, `${Math.round(ms)} ms`);
});

test('it is extended while the right lasts, and never beyond', async () => {
  const n1 = make('n1');
  await n1.ask('do', 3000);
  for (let n = 0; n < 15; n++) {
    await wait(200);
    const held = await n1.ask('hold', 3000);
    assert.ok(held.ok, held.detail);
  }
  assert.ok(has('n1'));
  const late = await n1.ask('hold', 900);
  assert.is(late.ok, false);
  assert.match(late.detail, /ends too soon/);
  await wait(3000);
  assert.not(has('n1'), 'it ends with what was set before');
});

test('no raw socket: it is not ready, and says what does without; without the question it comes all the same', async () => {
  assert.ok((await make('n2').ask('ready', 3000)).ok);
  const mute = make('n1', ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw']);
  const asked = await mute.ask('ready', 3000);
  assert.is(asked.ok, false);
  assert.match(asked.detail, /no raw socket is to be had on eth0.*probe: 0ms/);
  assert.ok((await mute.ask('ready', 3000, { probe: '0ms' })).ok);
  // Nobody can be told either: neighbours ask anew when their own entry is old.
  const done = await mute.ask('do', 3000, { probe: '0ms' });
  assert.ok(done.ok, done.detail);
  assert.ok(has('n1'));
  assert.is((await mute.ask('undo', 3000)).ok, true);
});

test('somebody who has it already is seen, and nothing is added', async () => {
  ip('-n', ns('n2'), 'addr', 'add', '10.77.0.5/24', 'dev', 'eth0');
  const n1 = make('n1');
  const done = await n1.ask('do', 5000, { probe: '300ms' });
  assert.is(done.ok, false);
  assert.match(done.detail, macs('n2'));
  assert.not(has('n1'));
});

test('IPv6: a holder is seen; alone it comes usable at once', async () => {
  const six = { ip: 'fd77::5/64', probe: '300ms' };
  ip('-n', ns('n2'), 'addr', 'add', 'fd77::5/64', 'dev', 'eth0', 'nodad');
  await wait(100);
  const n1 = make('n1');
  const refused = await n1.ask('do', 5000, six);
  assert.is(refused.ok, false, refused.detail);
  assert.match(refused.detail, macs('n2'));
  ip('-n', ns('n2'), 'addr', 'del', 'fd77::5/64', 'dev', 'eth0');
  const done = await n1.ask('do', 5000, six);
  assert.ok(done.ok, done.detail);
  assert.not(/fd77::5\/64 .*tentative/.test(shown('n1')));
  execFileSync('ip', ['netns', 'exec', ns('client'), 'ping', '-6', '-c', '1', '-W', '2', 'fd77::5'], {
    stdio: 'ignore',
  });
  const gone = await n1.ask('undo', 5000, six);
  assert.ok(gone.ok, gone.detail);
  assert.not(has('n1', 'fd77::5'));
});

test('neighbours learn at once who has it now', async () => {
  const [n1, n2] = [make('n1'), make('n2')];
  await n1.ask('do', 5000);
  execFileSync('ip', ['netns', 'exec', ns('client'), 'ping', '-c', '1', '-W', '2', '10.77.0.5'], { stdio: 'ignore' });
  assert.match(neighbour('10.77.0.5'), macs('n1'));
  await n1.ask('undo', 5000);
  await n2.ask('do', 5000, {}, true);
  for (let n = 0; n < 200 && !macs('n2').test(neighbour('10.77.0.5')); n++) await wait(10);
  assert.match(neighbour('10.77.0.5'), macs('n2'));
});

test('a link that goes down: another interface of the node has it', async () => {
  const n1 = make('n1');
  await n1.ask('do', 5000);
  assert.match(shown('n1'), /eth0 .*10\.77\.0\.5/);
  ip('-n', ns('sw'), 'link', 'set', 'n1-eth0', 'down');
  await wait(100);
  const held = await n1.ask('hold', 5000);
  assert.ok(held.ok, held.detail);
  assert.match(shown('n1'), /eth1 .*10\.77\.0\.5/);
  assert.not(/eth0 .*10\.77\.0\.5/.test(shown('n1')));
  assert.ok((await n1.ask('undo', 5000)).ok);
});

const tables = (): string =>
  execFileSync('ip', ['netns', 'exec', ns('n1'), 'nft', 'list', 'ruleset'], { encoding: 'utf8' });
/** Does the client get an answer from it, or even its hardware address? */
function answers(what: string): boolean {
  const six = what.includes(':') ? ['-6'] : ['-4'];
  ip('-n', ns('client'), 'neigh', 'flush', 'to', what);
  try {
    execFileSync('ip', ['netns', 'exec', ns('client'), 'ping', ...six, '-c', '1', '-W', '0.4', what], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return /lladdr/.test(neighbour(what));
  }
}

/** All of it stands still in the moment in which ip has been told and has not done it yet: longer than the address
 *  lasts. Then ip goes on first. True: somebody who asks in that moment is answered. */
async function frozenOnItsWay(what: string, options: object): Promise<boolean> {
  const host = what.replace(/\/.*/, '');
  const folder = mkdtempSync(join(tmpdir(), 'wk-address-'));
  try {
    const waits = join(folder, 'waits');
    const n1 = make('n1', ['env', `IP_WAITS=${waits}`]);
    const all = { ip: what, probe: '0ms', ...options };
    const done = await n1.ask('do', 1700, all);
    assert.ok(done.ok, done.detail);
    writeFileSync(waits, '');
    n1.tell('hold', 1700, all);
    await wait(150);
    n1.signal('SIGSTOP');
    for (let n = 0; n < 400 && has('n1', host); n++) await wait(10);
    assert.not.ok(has('n1', host), 'the kernel has taken it away');
    // Until the right has ended that was in force when it was told.
    await wait(1000);
    rmSync(waits);
    for (let n = 0; n < 100 && !has('n1', host); n++) await wait(5);
    assert.ok(has('n1', host), 'and the late command brings it back');
    const answered = answers(host);
    assert.ok(has('n1', host), 'it was there all the time');
    n1.signal('SIGCONT');
    const told = await n1.answer();
    assert.is(told.ok, false, told.detail);
    return answered;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const what of ['10.77.0.5/24', 'fd77::5/64']) {
  test(`${what}: a command that froze on its way brings the address back, and nobody gets an answer from it`, async () => {
    assert.not.ok(await frozenOnItsWay(what, {}));
  });
  test(`${what}: without the filter somebody would`, async () => {
    assert.ok(await frozenOnItsWay(what, { filter: 'off' }));
  });
}

test('the filter lets the right ones through for as long as they may, and goes with the address', async () => {
  const n1 = make('n1');
  assert.ok((await n1.ask('do', 5000)).ok);
  assert.match(tables(), /table inet watchkeeper_.*\n\tflags owner/);
  assert.ok(answers('10.77.0.5'));
  for (let n = 0; n < 8; n++) {
    assert.ok((await n1.ask('hold', 1700)).ok);
    await wait(200);
  }
  assert.ok(answers('10.77.0.5'), 'extended in time');
  assert.ok((await n1.ask('undo', 5000)).ok);
  await wait(200);
  assert.not.ok(/10\.77\.0\.5/.test(tables()), tables());
});

test('nothing of the filter is left when who made it is killed', async () => {
  const n1 = make('n1');
  assert.ok((await n1.ask('do', 5000)).ok);
  assert.match(tables(), /watchkeeper/);
  n1.close();
  for (let n = 0; n < 200 && /watchkeeper/.test(tables()); n++) await wait(10);
  assert.is(tables().trim(), '');
});

test('somebody kills nft: the next renewal makes the filter anew', async () => {
  const n1 = make('n1');
  assert.ok((await n1.ask('do', 5000)).ok);
  process.kill(n1.child('nft'), 'SIGKILL');
  await wait(100);
  const held = await n1.ask('hold', 5000);
  assert.ok(held.ok);
  assert.not.match(held.detail, /unfiltered/);
  assert.match(tables(), /elements = \{ ip timeout/);
  assert.ok(answers('10.77.0.5'));
});

for (const [name, program] of [
  ['nft is not there', '/dev/null'],
  ['nft hangs', '/usr/bin/yes'],
] as const)
  test(`${name}: the address comes all the same, and says that it is not filtered`, async () => {
    const hidden = `mount --bind ${program} /usr/sbin/nft && exec "$@"`;
    const n1 = make('n1', ['unshare', '-m', 'sh', '-c', hidden, 'sh']);
    const ready = await n1.ask('ready', 5000);
    assert.ok(ready.ok);
    assert.match(ready.detail, /unfiltered: /);
    const done = await n1.ask('do', 5000);
    assert.ok(done.ok, done.detail);
    assert.match(done.detail, /unfiltered: /);
    assert.ok(answers('10.77.0.5'));
  });

test('nft is slow, again and again: the address goes without it', async () => {
  const slow = `#!/bin/sh
while read -r line; do
  case $line in describe*) sleep 0.13; echo 'meta expression' ;; esac
done
`;
  const folder = mkdtempSync(join(tmpdir(), 'wk-address-'));
  try {
    writeFileSync(join(folder, 'nft'), slow, { mode: 0o755 });
    const hidden = `mount --bind ${join(folder, 'nft')} /usr/sbin/nft && exec "$@"`;
    const n1 = make('n1', ['unshare', '-m', 'sh', '-c', hidden, 'sh']);
    const held: string[] = [];
    for (const op of ['do', 'hold', 'hold', 'hold']) {
      const done = await n1.ask(op, 3000);
      assert.ok(done.ok, done.detail);
      held.push(/unfiltered: (.*)/.exec(done.detail)?.[1] ?? '');
    }
    // On a busy machine a renewal may count more than once.
    assert.is(held[0], '', 'not for a first time');
    assert.match(held.join(), /^,?,nft is slow(,nft is slow)+$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('without a right nothing is added; what cannot be an address is refused', async () => {
  const n1 = make('n1');
  const done = await n1.ask('do', 1000);
  assert.is(done.ok, false);
  assert.not(has('n1'));
  for (const bad of ['10.0.0.5', '10.0.0.500/24', 'x/24', '::/0; reboot', '10.0.0.5/0'])
    assert.not(address.options.safeParse({ ip: bad, interfaces: ['eth0'] }).success, bad);
});

test.run();
