// What Cyrus' programs write, as the check reads it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  connectionsOf,
  fullQuotas,
  limitsOf,
  mailboxList,
  placesOf,
  replicationLogs,
  roomOf,
  settingsOf,
} from '../../src/dialogues/cyrus.ts';

const test = suite('cyrus');

/** As Cyrus 3.6 writes it. */
const CONF = `configdirectory: /var/lib/cyrus
cyrus_user: 
metapartition_files:
partition_select_mode: freespace-most
proc_path: /run/cyrus/proc
sync_log: yes
sync_log_channels: far squatter
partition-x: /n on/with space 
partition-default: /var/spool/cyrus/mail
archivepartition-default: /var/spool/arch
`;
const DUMP = `{
"user.u1": {"name": "user.u1", "mtime": "1", "mbtype": "e", "partition": "default", "acl": {"u1": "lrs"}},
"user.q\\", \\"partition\\": \\"no\\"": {"name": "x", "mbtype": "e", "partition": "default", "acl": {}},
"user.u2": {"name": "user.u2", "mtime": "1", "mbtype": "e", "partition": "gone", "acl": {"u1": "lrs"}},
"user.far": {"name": "user.far", "mtime": "1", "mbtype": "r", "partition": "other", "acl": {"u1": "lrs"}},
"user.u3": {"name": "user.u3", "mtime": "1", "mbtype": "e", "partition": "gone", "acl": {"u1": "lrs"}}
}
`;

test('settings, and the folders that they name', () => {
  const settings = settingsOf(CONF);
  assert.is(settings.get('cyrus_user'), '');
  assert.is(settings.get('partition-x'), '/n on/with space');
  assert.equal(
    placesOf(settings).map(({ key, made }) => `${key}${made ? '*' : ''}`),
    ['configdirectory', 'proc_path*', 'partition-x', 'partition-default', 'archivepartition-default'],
  );
  assert.equal(replicationLogs(settings), ['/var/lib/cyrus/sync/far/log']);
  assert.equal(replicationLogs(settingsOf('configdirectory: /c\nsync_log: 1\n')), ['/c/sync/log']);
  assert.equal(replicationLogs(settingsOf('configdirectory: /c\nsync_log: no\n')), []);
  const many = Array.from({ length: 10_000 }, (_, at) => `partition-${at}: /x\n`).join('');
  assert.ok(placesOf(settingsOf(many)).length <= 64);
});

test('the list of mailboxes, in whatever pieces', () => {
  for (const size of [1, 7, 10_000]) {
    const reader = mailboxList(settingsOf(CONF));
    for (let at = 0; at < DUMP.length; at += size) reader.add(Buffer.from(DUMP.slice(at, at + size)));
    const lost = { mailbox: 'user.u2', partition: 'gone', count: 2 };
    assert.equal(reader.end(), { count: 5, lost, whole: true }, `pieces of ${size}`);
  }
  const cut = mailboxList(settingsOf(CONF));
  cut.add(Buffer.from(DUMP.slice(0, -3)));
  assert.is(cut.end().whole, false);
});

test('connections, limits, room, quotas', () => {
  const proc = '25363 imap localhost [127.0.0.1] cyrus  \n7 imaps h [::1] u user.u\n8 imap h [1.2.3.4]   \nx\n';
  assert.equal([...connectionsOf(proc)].flat(), ['imap', 2, 'imaps', 1]);
  const services = `SERVICES {
  imap		cmd="imapd -U 30" listen="imap" prefork=0 maxchild=100
  # pop3 cmd="pop3d" maxchild=5
  sieve cmd="timsieved" listen="localhost:sieve" maxchild=-1
  nntp cmd="nntpd" # maxchild=3
}`;
  assert.equal([...limitsOf(services)].flat(), ['imap', 100]);
  const table = `Partition       1k-blocks         Used    Available Use% Location
default           1536000        27340      1508660   2% /var/spool/cyrus/mail
full              1536000      1536000            0 100% /n
`;
  assert.equal(
    roomOf(table).map(({ partition, usedPercent }) => `${partition} ${usedPercent}`),
    ['default 2', 'full 100'],
  );
  const quota = fullQuotas();
  const lines = `   Quota   % Used     Used             Resource Root
      10      120       12              STORAGE user.u1
      10        0        0              STORAGE user.u2
      10      200        0              MESSAGE user.u2
                         0              MESSAGE user.u1
`;
  quota.add(Buffer.from(lines));
  assert.is(quota.end(), 1);
});

test.run();
