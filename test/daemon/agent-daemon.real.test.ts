// The daemon as users run it, polled through snmpd: while a check hangs, over a reload, and to the end of both.
import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ask, body } from '../../src/commands/client.ts';
import { hostile } from '../support/hostile.ts';
import { type LiveDaemon, liveDaemon, until, watched, whole } from '../support/live-daemon.ts';
import { startPostfix } from '../support/postfix.ts';
import { freePorts } from '../support/server.ts';
import { type Snmpd, snmpd } from '../support/snmpd.ts';

const test = suite('daemon polled through snmpd');

const walk = (master: Snmpd, name: string): Promise<readonly string[]> =>
  master.ask('snmpbulkwalk', [`WATCHKEEPER-MIB::${name}`]);

async function within(use: (daemon: LiveDaemon, master: Snmpd) => Promise<void>): Promise<void> {
  const daemon = liveDaemon('agent');
  const [port = 0] = await freePorts(1);
  const master = await snmpd([], `tcp:127.0.0.1:${port}`);
  try {
    await use(daemon, master);
  } finally {
    await daemon.end();
    await master.remove();
  }
}

test('it starts without its master, answers while a check hangs, and forgets what a reload takes away', () =>
  within(async (daemon, master) => {
    const silent = await hostile('silent');
    const hangs = watched(
      { type: 'tcp', port: silent.port, expect: '220' },
      { quick: { every: '40s', timeout: '30s' }, deep: { every: '1m', timeout: '50s' } },
    );
    const well = watched({ type: 'tcp', port: silent.port });
    const agent = { master: master.socket, reconnect: '1s' };
    daemon.write(whole(daemon, { hangs, well }, { agent }));
    await daemon.up();
    await master.start();
    const health = async (name: string): Promise<string> =>
      (await master.ask('snmpget', [`WATCHKEEPER-MIB::wkServiceHealth.'${name}'`])).join();
    await until('it answers', async () => /ok\(1\)/.test(await health('well')), 30_000);
    assert.match(await health('hangs'), /unknown\(4\)/);
    for (const table of [
      'wkServiceTable',
      'wkCheckTable',
      'wkAlarmTable',
      'wkNodeTable',
      'wkChannelTable',
      'wkDaemon',
    ]) {
      const started = performance.now();
      const lines = await walk(master, table);
      assert.ok(performance.now() - started < 5000, `${table} took ${performance.now() - started} ms`);
      if (table === 'wkAlarmTable') assert.match(lines.join(), /No Such/);
      else assert.match(lines[0] ?? '', /^WATCHKEEPER-MIB::/);
    }
    assert.match((await walk(master, 'wkNodeRole')).join(), /'n1' = INTEGER: standalone\(1\)/);
    assert.match((await walk(master, 'wkCheckOutcome')).join(), /quick\.'tcp' = INTEGER: pass\(1\)/);

    daemon.write(whole(daemon, { well }, { agent }));
    assert.is((await daemon.cli('reload')).code, 0);
    await until('it is gone', async () => /No Such Instance/.test(await health('hangs')), 20_000);
    daemon.write(whole(daemon, { well }));
    assert.is((await daemon.cli('reload')).code, 0);
    await until('all are gone', async () => /No Such/.test((await walk(master, 'wkTables')).join()), 20_000);
    await silent.stop();
  }));

test('an alarm is in its table, with who was told and who took it on', () =>
  within(async (daemon, master) => {
    const [nobody = 0] = await freePorts(1);
    await master.start();
    const mta = watched({ type: 'tcp', port: nobody });
    daemon.write(whole(daemon, { mta }, { agent: { master: master.socket } }));
    const life = await daemon.up();
    const column = async (name: string): Promise<string> => (await walk(master, name)).join('\n');
    await until('it fails', async () => /given-up/.test(await column('wkAlarmEvent')), 30_000);
    assert.match(await column('wkAlarmNotified'), /STRING: n1\/service\/mta\/failing$/m);
    assert.match(await column('wkAlarmsHighest'), /critical\(3\)/);
    await until('it is told', async () => /STRING: log$/m.test(await column('wkAlarmTold')), 20_000);
    await body(ask(daemon.socket, 'POST', '/api/v1/ack', { what: 'mta', by: 'ann' }));
    await until('somebody took it on', async () => /STRING: ann$/m.test(await column('wkAlarmAcknowledgedBy')), 20_000);
    const appl = (await master.ask('snmpwalk', ['.1.3.6.1.2.1.27.1.1.6'], ['-On'])).join();
    assert.match(appl, /INTEGER: 2$/);
    const started = performance.now();
    assert.is((await daemon.stop(life)).code, 0);
    assert.ok(performance.now() - started < 10_000);
    await until('all are gone', async () => /No Such/.test(await column('wkTables')), 20_000);
  }));

test('a minute without a master: an alarm, which ends when there is one', () =>
  within(async (daemon, master) => {
    const [port = 0] = await freePorts(1);
    daemon.write(whole(daemon, { mta: watched({ type: 'tcp', port }) }, { agent: { master: master.socket } }));
    await daemon.up();
    const told = (kind: string): boolean =>
      daemon.alerts().some((alert) => alert.event === 'agent-trouble' && alert.kind === kind);
    await new Promise((done) => setTimeout(done, 20_000));
    assert.not.ok(told('raise'));
    await until('it is told', () => told('raise'), 90_000);
    await master.start();
    await until('it is over', () => told('clear'), 60_000);
  }));

test('mail that waits in Postfix, by the standard numbers', () =>
  within(async (daemon, master) => {
    const postfix = await startPostfix({ parameters: { minimal_backoff_time: '1h', maximal_backoff_time: '1h' } });
    try {
      await master.start();
      const send = ['sendmail', '-C', postfix.config, '-f', 'u1@lab.test', 'u2@lab.test'];
      for (let mail = 0; mail < 3; mail++) execFileSync(send[0] ?? '', send.slice(1), { input: 'Subject: x\n\nx\n' });
      const checks = [
        { type: 'smtp', port: postfix.smtp },
        { type: 'postfix-queue', config: postfix.config },
      ];
      daemon.write(whole(daemon, { mta: watched({}, { checks }) }, { agent: { master: master.socket } }));
      await daemon.up();
      const column = async (oid: string): Promise<string> =>
        (await master.ask('snmpbulkwalk', [`.1.3.6.1.2.1.${oid}`], ['-On'])).join('\n');
      // A mail is active before it is deferred: until all three are there.
      const deferred = async (): Promise<string> =>
        /25\.(\d+\.\d+) = STRING: "deferred"$/m.exec(await column('28.2.1.25'))?.[1] ?? 'none';
      await until(
        'three mails wait',
        async () => (await column(`28.2.1.4.${await deferred()}`)).endsWith(' 3'),
        30_000,
      );
      assert.match(await column('28.1.1.2'), /Gauge32: 3$/);
      assert.match(await column('28.1.1.5'), /Gauge32: [1-9]\d*$/);
      assert.match(await column(`28.2.1.12.${await deferred()}`), /INTEGER: \d+$/);
    } finally {
      await postfix.stop();
    }
  }));

test.run();
