import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab } from './lab.ts';
import { awaitServices, makeMailNode, masterOf, membersOf, UNITS, type MailNode } from './mail-node.ts';
import { join } from 'node:path';
import { repository } from './repository.ts';

const test = suite('lab');
let lab: Lab;
let mail: MailNode;
test.before(async () => {
  lab = await Lab.up({ nodes: ['mail'] });
  const t = performance.now();
  mail = await makeMailNode(lab.node('mail'));
  console.log('made', performance.now() - t);
});
test.after(() => lab.close());

test('boots', async () => {
  const ms = await lab.node('mail').boot();
  console.log('boot ms', ms);
  assert.ok(ms < 10_000);
  const t = performance.now();
  try {
    await awaitServices(mail.node, 4000);
  } catch (e) {
    console.log(String(e));
    console.log(
      await mail.node.exec([
        'sh',
        '-c',
        'ls -la /var/spool/postfix; systemctl restart dovecot; systemctl status dovecot; nsenter -t $(pidof dovecot) -m ls -la /var/spool/postfix/private; journalctl|tail -60',
      ]),
    );
  }
  console.log('services', performance.now() - t);
  const got = await lab.client([
    process.execPath,
    join(repository, 'dist/test/lab/truth.js'),
    mail.node.address,
    mail.authority,
    '5000',
  ]);
  console.log(got.stdout, got.stderr, got.ms);
  for (const u of UNITS)
    console.log(
      u,
      masterOf(mail.node, u),
      membersOf(mail.node, u).map((p) => p.command),
    );
  console.log(
    await lab.node('mail').exec(['systemctl', '--failed']),
    await lab.node('mail').exec(['systemd-analyze', 'blame']),
  );
  console.log(await lab.node('mail').exec(['sh', '-c', 'tail -5 /var/log/mail.log /var/log/dovecot.log; df']));
});
test.run();
