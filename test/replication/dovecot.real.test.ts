// Two Dovecots, and mail that goes from one to the other: by runs of our own, and by the replicator; the other side
// stopped, frozen, and not there.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import dovecot from '../../src/replication/dovecot.ts';
import { sourceContext } from '../support/replication.ts';
import { type Dovecot, freePorts, frozen, processTree, startDovecot, until } from '../support/servers.ts';
import { stepFolder } from '../support/step.ts';

const test = suite('replication dovecot on real servers');
const folder = stepFolder();
const [near = 0, far = 0] = await freePorts(2);
const [mine = 0, theirs = 0] = await freePorts(2);
const listening = (port: number): string => `service doveadm {
  inet_listener {
    port = ${port}
  }
}
doveadm_password = lab
`;
/** Both ways on one server would be in each other's way: each has its own pair. */
const replicating = (
  port: number,
  other: number,
): string => `${listening(port)}mail_plugins = $mail_plugins notify replication
service replicator {
  process_min_avail = 1
  unix_listener replicator-doveadm {
    mode = 0600
  }
}
service aggregator {
  fifo_listener replication-notify-fifo {
    mode = 0666
  }
  unix_listener replication-notify {
    mode = 0666
  }
}
plugin {
  mail_replica = tcp:127.0.0.1:${other}
}
`;
let one: Dovecot;
let two: Dovecot;
let first: Dovecot;
let second: Dovecot;
test.before(async () => {
  one = await startDovecot(listening(near), true);
  two = await startDovecot(listening(far), true);
  first = await startDovecot(replicating(mine, theirs), true);
  second = await startDovecot(replicating(theirs, mine), true);
});
test.after(async () => {
  for (const server of [one, two, first, second]) await server?.stop();
  folder.remove();
});

const conf = (of: Dovecot): string => join(of.folder, 'dovecot.conf');
const options = (of: Dovecot, more: object = {}): object => ({
  to: { n1: `tcp:127.0.0.1:${near}`, n2: `tcp:127.0.0.1:${far}` },
  ...{ users: 'u*', probe: { user: 'probe@lab.test' }, every: '1s', config: conf(of) },
  ...more,
});
type More = Parameters<typeof sourceContext>[2];
const active = (given: object = {}, more: More = {}) =>
  sourceContext(dovecot, options(one, given), { node: 'n1', active: true, stateDir: folder.path, ...more });
const standby = (given: object = {}, more: More = {}) =>
  sourceContext(dovecot, options(two, given), { stateDir: folder.path, source: 'other', ...more });

const save = (of: Dovecot, user: string, text: string): void =>
  void execFileSync('doveadm', ['-c', conf(of), 'save', '-u', `${user}@lab.test`], {
    input: `Subject: ${text}\n\nx\n`,
  });
const count = (of: Dovecot, user: string): number => {
  const path = join(of.mail, `${user}@lab.test`);
  return ['new', 'cur'].flatMap((name) => (existsSync(join(path, name)) ? readdirSync(join(path, name)) : [])).length;
};

test('own runs: all users come over, and it is remembered', async () => {
  save(one, 'u1', 'first');
  const memory = new Map<string, unknown>();
  const well = await dovecot.look(active({}, { memory }));
  assert.is(well.state, 'healthy', well.detail);
  assert.is(well.queue, 0);
  assert.ok((well.lagMs ?? -1) >= 0 && (well.lagMs ?? 1e9) < 60_000);
  assert.is(count(two, 'u1'), 1);
  save(one, 'u2', 'second');
  // Lost with the daemon is only the memory: the file has it.
  const flushed = await dovecot.flush?.(active());
  assert.is(flushed?.ok, true, flushed?.detail);
  assert.is(count(two, 'u2'), 1);
});

test('a proof arrives, one mail is kept, and the other side knows how old it is', async () => {
  assert.is((await dovecot.look(standby())).state, 'initializing');
  for (let n = 0; n < 2; n += 1) {
    const proof = await dovecot.prove?.(active());
    assert.is(proof?.ok, true, proof?.detail);
  }
  const seen = await dovecot.look(standby());
  assert.equal([seen.state, seen.queue], ['healthy', null], seen.detail);
  assert.ok(seen.lagMs !== null && seen.lagMs < 60_000);
  const box = join(one.mail, 'probe@lab.test', '.Watchkeeper');
  assert.is(['new', 'cur'].flatMap((name) => readdirSync(join(box, name))).length, 1);
  const blind = await dovecot.look(standby({ probe: undefined }));
  assert.equal([blind.state, blind.queue, blind.lagMs], ['synchronizing', null, null]);
});

test('the copy is as old as that of the user who came over last, whatever the probe says', async () => {
  const memory = new Map<string, unknown>();
  const users = { users: 'u3*' };
  // A mailbox over there that nothing can be brought to.
  const spoilt = join(two.mail, 'u3@lab.test');
  rmSync(spoilt, { recursive: true, force: true });
  writeFileSync(spoilt, '');
  const run = () => dovecot.look(active(users, { memory, source: 'u3' }));
  assert.is((await run()).state, 'failed');
  const never = await dovecot.prove?.(active(users, { memory, source: 'u3' }));
  assert.is(never?.ok, false, never?.detail);
  rmSync(spoilt);
  assert.is((await run()).state, 'healthy');
  const proof = await dovecot.prove?.(active(users, { memory, source: 'u3' }));
  assert.is(proof?.ok, true, proof?.detail);
  const last = Date.now();
  rmSync(spoilt, { recursive: true, force: true });
  writeFileSync(spoilt, '');
  await new Promise((resolve) => setTimeout(resolve, 4000));
  await run();
  const later = await dovecot.prove?.(active(users, { memory, source: 'u3' }));
  assert.is(later?.ok, true, later?.detail);
  const age = Date.now() - last;
  const seen = await dovecot.look(standby(users));
  assert.ok((seen.lagMs ?? 0) >= age, `${seen.detail}, and it is ${age} ms`);
  rmSync(spoilt);
});

test('nobody there: failed, and never ok', async () => {
  const [closed = 0] = await freePorts(1);
  const gone = { to: { n2: `tcp:127.0.0.1:${closed}` }, every: '0s' };
  const facts = await dovecot.look(active(gone));
  assert.is(facts.state, 'failed', facts.detail);
  assert.is((await dovecot.prove?.(active(gone)))?.ok, false);
  assert.is((await dovecot.flush?.(active(gone)))?.ok, false);
});

test('suspended is suspended until it is resumed', async () => {
  const memory = new Map<string, unknown>();
  assert.is((await dovecot.suspend?.(active({}, { memory })))?.ok, true);
  assert.is((await dovecot.look(active())).state, 'suspended');
  assert.is((await dovecot.flush?.(active()))?.ok, false);
  assert.is((await dovecot.resume?.(active({}, { memory })))?.ok, true);
  assert.is((await dovecot.look(active())).state, 'healthy');
});

test('the other side frozen: it ends with its signal, and is not well', async () => {
  const memory = new Map<string, unknown>();
  await frozen(processTree(two.pid()), async () => {
    const facts = await dovecot.look(active({ every: '500ms' }, { memory, signal: AbortSignal.timeout(3000) }));
    // What arrived a moment before the freeze is here, and how old that is is said: more is not claimed.
    if (facts.state === 'healthy') assert.ok(facts.lagMs !== null && facts.lagMs < 10_000, facts.detail);
    const proof = await dovecot.prove?.(active({}, { signal: AbortSignal.timeout(3000) }));
    assert.is(proof?.ok, false);
    const flushed = await dovecot.flush?.(active({}, { signal: AbortSignal.timeout(3000) }));
    assert.is(flushed?.ok, false);
  });
});

test('the replicator: asked, flushed, proved, and caught when it fails', async () => {
  const more = { way: 'replicator', users: '*', config: conf(first), to: { n2: `tcp:127.0.0.1:${theirs}` } };
  execFileSync('doveadm', ['-c', conf(first), 'replicator', 'add', '*@lab.test']);
  save(first, 'u1', 'by itself');
  const flushed = await dovecot.flush?.(active(more));
  assert.is(flushed?.ok, true, flushed?.detail);
  assert.is(count(second, 'u1'), 1);
  await until('a replicator at rest', async () => {
    const { state, queue, lagMs } = await dovecot.look(active(more));
    return state === 'healthy' && queue === 0 && lagMs === 0;
  });
  await second.stop();
  save(first, 'u5', 'nobody takes it');
  await until(
    'a replicator that sees it',
    async () => {
      const { state, queue } = await dovecot.look(active(more));
      return state !== 'healthy' && queue !== 0;
    },
    30_000,
  );
  assert.is((await dovecot.look(standby({ config: conf(second) }))).state === 'healthy', false);
  await first.stop();
  assert.is.not((await dovecot.look(active(more))).state, 'healthy');
});

test.run();
