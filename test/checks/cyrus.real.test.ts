// The check of Cyrus' own view against a Cyrus, well and broken in the ways that happen.
import { execFileSync, spawn } from 'node:child_process';
import {
  chownSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/cyrus.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { type RunOptions, runCheck } from '../support/check.ts';
import { type Cyrus, unpackCyrus } from '../support/cyrus.ts';
import { until } from '../support/server.ts';

const test = suite('cyrus on a real server');
let cyrus: Cyrus;
test.before(async () => {
  cyrus = await unpackCyrus();
  cyrus.list(['user.u1', 'user.u1.Sent', 'user.u2']);
  await cyrus.start();
});
test.after(() => cyrus?.stop());

const deep: RunOptions = { depth: 'deep' };
const inside = (...parts: readonly string[]): string => join(cyrus.folder, ...parts);
const run = (more: object = {}, how: RunOptions = deep): Promise<CheckResult> => {
  const wide = { 'used-warn': 100, 'used-crit': 100 };
  return runCheck(check as unknown as Check, { ...cyrus.options, ...wide, ...more }, { timeoutMs: 20_000, ...how });
};
const short = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const expect = async (wanted: string, words: RegExp, more: object = {}, how: RunOptions = deep): Promise<void> => {
  const result = await run(more, how);
  assert.is(short(result), wanted, result.detail);
  assert.match(result.detail, words);
};
const metric = (result: CheckResult, name: string): number | undefined =>
  result.metrics?.find((one) => one.name === name)?.value;
/** Breaks something, looks, and mends it. */
async function broken(change: () => void, look: () => Promise<void>, mend: () => void): Promise<void> {
  change();
  try {
    await look();
  } finally {
    mend();
  }
  await expect('pass/-', /3 mailboxes/);
}

test('well: quick and deep', async () => {
  await expect('pass/-', /can read its settings$/, {}, {});
  const result = await run();
  assert.is(short(result), 'pass/-', result.detail);
  assert.is(metric(result, 'mailboxes'), 3);
  assert.is(metric(result, 'connections'), 0);
  assert.ok((metric(result, 'partition-used') ?? -1) >= 0);
});

test('settings that no new process can read', async () => {
  const bad: readonly [string, RegExp][] = [
    ['umask: 077\numask: 077\n', /'umask' was specified twice/],
    ['nonsense\n', /invalid option name on line/],
    ['expunge_mode: sometimes\n', /invalid value 'sometimes'/],
    ['@include: /nonexistent/file\n', /can't open configuration file/],
  ];
  for (const [text, words] of bad) {
    const quick = () => expect('fail/misconfigured', words, {}, {});
    await broken(
      () => cyrus.settings(text),
      quick,
      () => cyrus.settings(),
    );
  }
  const away = inside('away.conf');
  await broken(
    () => renameSync(inside('imapd.conf'), away),
    () => expect('fail/misconfigured', /can't open configuration file/, {}, {}),
    () => renameSync(away, inside('imapd.conf')),
  );
});

test('keys that Cyrus does not know', async () => {
  await broken(
    () => cyrus.settings('autocreate_qouta: 5\nnewsspool: /x\nimap_umask: 077\n'),
    () => expect('degraded/misconfigured', /of \S+imapd.conf: "autocreate_qouta"$/),
    () => cyrus.settings(),
  );
});

test('clients are sent away by hand', async () => {
  const path = inside('state/msg/shutdown');
  await broken(
    () => writeFileSync(path, 'back at noon\u001b[2J\n'),
    () => expect('fail/misconfigured', /sent away while .*which says "back at noon[^\u001b]*"$/, {}, {}),
    () => rmSync(path),
  );
});

test('a list of mailboxes that is away, damaged, another user’s, empty', async () => {
  const [path, kept] = [inside('state/mailboxes.db'), inside('kept.db')];
  copyFileSync(path, kept);
  const restore = (): void => {
    copyFileSync(kept, path);
    chownSync(path, 65_534, 65_534);
    chmodSync(path, 0o600);
  };
  await broken(
    () => rmSync(path),
    () => expect('fail/misconfigured', /mailboxes.db" is not there/),
    restore,
  );
  await broken(
    () => writeFileSync(path, 'garbage'.repeat(200)),
    () => expect('fail/misconfigured', /cannot be read: it is damaged/),
    restore,
  );
  await broken(
    () => chownSync(path, 0, 0),
    () => expect('fail/misconfigured', /not the property of Cyrus/),
    restore,
  );
  const memory = new Map<string, unknown>();
  await run({}, { ...deep, memory });
  await broken(
    () => truncateSync(path, 0),
    () => expect('fail/misconfigured', /is empty; it had 3/, {}, { ...deep, memory }),
    restore,
  );
});

test('a lock on the list that nobody lets go is a hang', async () => {
  // As Cyrus does it, by fcntl(2).
  const perl = `use Fcntl; open(F, "+<", $ARGV[0]) or die; my $l = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0);
    fcntl(F, F_SETLKW, $l) or die "$!"; $| = 1; print "held\\n"; sleep 600;`;
  const holder = spawn('perl', ['-e', perl, inside('state/mailboxes.db')], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise((done) => holder.stdout.once('data', done));
    await expect('fail/hung', /nobody can read the list of mailboxes/, {}, { ...deep, timeoutMs: 4000 });
  } finally {
    holder.kill('SIGKILL');
  }
  await expect('pass/-', /3 mailboxes/);
});

test('folders that are away or not its own, and a partition that no setting names', async () => {
  await broken(
    () => renameSync(inside('spool'), inside('spool.away')),
    () => expect('fail/misconfigured', /partition-default \(.*\) is not there/),
    () => renameSync(inside('spool.away'), inside('spool')),
  );
  await broken(
    () => chownSync(inside('state'), 0, 0),
    () => expect('fail/misconfigured', /may not read and write configdirectory/),
    () => chownSync(inside('state'), 65_534, 65_534),
  );
  await broken(
    () => execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,mode=777', 'wk-cyrus', inside('spool')]),
    () => expect('fail/no-space', /partition-default .* is on a file system that is read-only/),
    () => execFileSync('umount', [inside('spool')]),
  );
  mkdirSync(inside('other'));
  chownSync(inside('other'), 65_534, 65_534);
  await broken(
    () => {
      cyrus.settings(`partition-far: ${inside('other')}\n`);
      cyrus.list(['user.far'], 'far');
      cyrus.settings();
    },
    () => expect('degraded/misconfigured', /1 mailboxes are on a partition .*: "user.far" on "far"$/),
    () => cyrus.list(['user.u1', 'user.u1.Sent', 'user.u2']),
  );
});

test('room, and a service at its limit', async () => {
  await expect('fail/no-space', /of the partition default is used/, { 'used-warn': 0, 'used-crit': 0 });
  await expect('degraded/no-space', /of the partition default is used/, { 'used-warn': 0 });
  const sockets: Socket[] = [];
  try {
    const full = async (): Promise<boolean> => {
      if (sockets.length < 4) {
        const socket = connect({ host: '127.0.0.1', port: cyrus.port });
        socket.on('error', () => undefined);
        socket.resume();
        sockets.push(socket);
      }
      return short(await run()) === 'degraded/overloaded';
    };
    await until('a service at its limit', full, 60_000);
    await expect('degraded/overloaded', /imap has 4 connections, its maxchild is 4/);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  await until('the end of the connections', async () => short(await run()) === 'pass/-', 60_000);
});

test('replication that stands still', async () => {
  mkdirSync(inside('state/sync/far'), { recursive: true });
  const logged = 'sync_log: yes\nsync_log_channels: far squatter\n';
  await broken(
    () => {
      cyrus.settings(`${logged}sync_shutdown_file: ${inside('latch')}\n`);
      writeFileSync(inside('state/sync/far/log'), 'USER u1\n'.repeat(1000));
    },
    async () => {
      await expect('pass/-', /3 mailboxes/);
      await expect('degraded/dependency', /replication falls behind/, { 'replication-log': '4K' });
      writeFileSync(inside('latch'), '');
      await expect('degraded/misconfigured', /replication is shut off/);
    },
    () => cyrus.settings(),
  );
});

test.run();
