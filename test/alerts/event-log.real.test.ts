// The event log on the real readers: rsyslogd on a socket of its own, and journald in a mount namespace of its own.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import eventLog from '../../src/alerts/event-log.ts';
import { bareContext } from '../../src/contract/trial.ts';
import { catalogue } from '../../src/core/catalogue.ts';
import type { Ports, SendResult } from '../../src/define.ts';
import { openSystemLog } from '../../src/ports/syslog.ts';
import { makeAlert } from '../support/alert.ts';
import { TEMPLATE } from '../support/rsyslogd.ts';

const test = suite('event-log real');
const hostile = 'said "220 x]"\n<0>forged \\ grüße';

async function until(what: () => boolean, text: string): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    if (what()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.unreachable(text);
}

function send(options: object): Promise<SendResult> {
  return eventLog.send(makeAlert({ summary: hostile }), {
    options: eventLog.options.parse(options) as never,
    ports: { systemLog: openSystemLog({ pid: process.pid, underSystemd: false, out: new PassThrough() }) } as Ports,
    signal: new AbortController().signal,
    ...bareContext(),
  });
}

/** rsyslogd reading two sockets: one as RFC 5424, one as it comes by default. */
function rsyslogConfig(dir: string): string {
  return `
module(load="imuxsock" SysSock.Name="${dir}/local")
input(type="imuxsock" Socket="${dir}/rfc5424" UseSpecialParser="off")
${TEMPLATE}
*.* action(type="omfile" file="${dir}/out" template="json")
`;
}

test('rsyslogd reads both forms as they are meant', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'wk-rsyslog-'));
  writeFileSync(join(dir, 'conf'), rsyslogConfig(dir));
  const server = spawn('/usr/sbin/rsyslogd', ['-n', '-f', join(dir, 'conf'), '-i', join(dir, 'pid')], {
    stdio: 'ignore',
  });
  const ended = new Promise((done) => server.on('exit', done));
  try {
    await until(() => existsSync(join(dir, 'local')) && existsSync(join(dir, 'rfc5424')), 'rsyslogd does not start');
    assert.is(await send({ target: 'syslog', facility: 'mail', socket: join(dir, 'rfc5424') }), 'sent');
    assert.is(await send({ target: 'syslog', socket: join(dir, 'local'), format: 'local' }), 'sent');
    const read = (): string[] =>
      (existsSync(join(dir, 'out')) ? readFileSync(join(dir, 'out'), 'utf8') : '').split('\n');
    await until(() => read().filter((line) => line.includes('"app":"watchkeeper"')).length === 2, read().join('\n'));
    // Two sockets: which is read first is rsyslogd's affair.
    const [full, local] = read()
      .filter((line) => line.includes('watchkeeper'))
      .map((line) => JSON.parse(line) as Record<string, string>)
      .sort((a, b) => Number(b['msgid'] === 'service-failing') - Number(a['msgid'] === 'service-failing'));
    const text = 'major: mta: said "220 x]"\\n<0>forged \\ grüße (a restart is tried)';
    assert.equal([full?.['facility'], full?.['severity'], full?.['host']], ['mail', 'crit', 'n1']);
    assert.equal([full?.['msgid'], full?.['text']?.trim()], ['service-failing', text]);
    assert.match(
      full?.['data'] ?? '',
      /^\[alarm resource="mta" probableCause="timeoutExpired" .*\]\[watchkeeper@32473 /,
    );
    assert.equal([local?.['facility'], local?.['severity']], ['daemon', 'crit']);
    assert.ok(local?.['text']?.trim().startsWith(text), local?.['text']);
  } finally {
    server.kill('SIGKILL');
    await ended;
    rmSync(dir, { recursive: true });
  }
});

/** Within the namespace: an alert through the plugin, and a log line through `<PRI>` on a stream to journald. */
function inNamespace(dir: string): string {
  const at = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  writeFileSync(
    join(dir, 'send.mjs'),
    `const { default: eventLog } = await import(${at('../../src/alerts/event-log.js')});
     const { openSystemLog } = await import(${at('../../src/ports/syslog.js')});
     const { isJournal, openLog } = await import(${at('../../src/ports/log.js')});
     const { makeAlert } = await import(${at('../support/alert.js')});
     const underSystemd = isJournal(process.env, process.pid, 2);
     const ports = { systemLog: openSystemLog({ pid: process.pid, underSystemd, out: process.stdout }) };
     const options = eventLog.options.parse({ facility: 'mail' });
     const alert = makeAlert({ summary: ${JSON.stringify(hostile)} });
     console.log(JSON.stringify(await eventLog.send(alert, { options, ports, node: 'n1' })));
     const log = openLog({ level: 'info', underSystemd, out: process.stderr });
     log.error('from the log');
     await log.close();`,
  );
  return `
    mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal
    /lib/systemd/systemd-journald & J=$!
    for turn in $(seq 100); do test -S /run/systemd/journal/stdout && break; sleep 0.05; done
    systemd-cat /bin/bash -c \\
      'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec ${process.execPath} ${dir}/send.mjs'
    for turn in $(seq 100); do
      journalctl -D /run/log/journal -o json SYSLOG_IDENTIFIER=watchkeeper + PRIORITY=3 > ${dir}/out
      grep -q 'from the log' ${dir}/out && grep -q service-failing ${dir}/out && break; sleep 0.05
    done
    kill -9 $J`;
}

test('journald keeps the native fields, and reads the priority of log lines', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wk-journald-'));
  try {
    const ran = spawnSync('/usr/bin/unshare', ['-m', '/bin/bash', '-c', inNamespace(dir)], { timeout: 30_000 });
    const out = readFileSync(join(dir, 'out'), 'utf8');
    const records = out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, string>);
    const said = ran.stderr.toString() + out;
    const alert = records.find((record) => record['WATCHKEEPER_EVENT'] === 'service-failing');
    assert.ok(alert, said);
    assert.is(alert['MESSAGE'], 'major: mta: said "220 x]"\\n<0>forged \\ grüße (a restart is tried)');
    assert.is(alert['MESSAGE_ID'], catalogue['service-failing'].messageId);
    assert.equal([alert['PRIORITY'], alert['SYSLOG_FACILITY'], alert['_TRANSPORT']], ['2', '2', 'journal']);
    assert.equal([alert['WATCHKEEPER_CAUSE'], alert['WATCHKEEPER_INCIDENT']], ['hung', 'mta-1']);
    const line = records.find((record) => record['MESSAGE'] === 'from the log');
    assert.ok(line, said);
    assert.equal([line['PRIORITY'], line['_TRANSPORT']], ['3', 'stdout']);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test.run();
