// The event log of Windows: the real channel in a Windows Node, under Wine. Wine takes events and keeps none, but can
// tell of each: that proves the calls, their texts and types. How the event viewer shows them it cannot prove.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SendResult } from '../../src/define.ts';
import { makeAlert } from '../support/alert.ts';
import { until } from '../support/server.ts';
import { openMachine, whyNoMachine, type WindowsMachine } from '../support/wine/machine.ts';
import { root } from '../support/wine/parts.ts';

const test = suite('event log of Windows, real');
const reason = await whyNoMachine();
if (reason) console.log(`SKIPPED, all of the event log on Wine: ${reason}`);
const check = reason ? test.skip : test;

let machine: WindowsMachine;
test.before(async () => {
  if (!reason) machine = await openMachine({ debug: '-all,+eventlog' });
});
test.after(() => machine?.close());

const send = (change: Parameters<typeof makeAlert>[0], options: object = {}): Promise<SendResult> =>
  machine.ask<SendResult>('alert', '', { alert: makeAlert(change), options });
const told = (text: string): Promise<void> => until(text, () => machine.log().includes(text), 30_000);

check('an alert is taken, with its type, and its text first', async () => {
  assert.is(await send({ summary: 'said "220 x]"\n<0>grüße' }, { target: 'windows' }), 'sent', machine.log());
  await told('L"major: mta: said \\"220 x]\\"\\\\n<0>gr');
  const line = machine
    .log()
    .split('\n')
    .find((one) => one.includes('major: mta'));
  assert.match(line ?? '', /\berr:eventlog:ReportEventW /, 'an error');
  await told('L"eventId=1"');
  assert.is(await send({ kind: 'clear', severity: 'cleared' }, { target: 'windows', source: 'Other' }), 'sent');
  await told('trace:eventlog:ReportEventW L"cleared: mta');
  assert.is(await send({ severity: 'warning' }), 'sent', 'auto takes it on Windows');
  await told('warn:eventlog:ReportEventW L"warning: mta');
});

check('many at once are all taken', async () => {
  const all = await Promise.all(Array.from({ length: 30 }, (_, n) => send({ summary: `number ${n}.` })));
  assert.ok(
    all.every((one) => one === 'sent'),
    JSON.stringify(all),
  );
  for (let n = 0; n < 30; n++) await told(`number ${n}.`);
});

check('the documented lines register the source', async () => {
  const page = readFileSync(join(root, 'docs', 'windows.md'), 'utf8');
  const lines = [...page.matchAll(/^reg add .*$/gm)].map(([line]) => line);
  assert.is(lines.length, 2);
  for (const line of lines) {
    const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
    assert.is(await machine.program(...words), 0, line);
  }
  const key = 'HKLM\\SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\Watchkeeper';
  assert.is(await machine.program('reg', 'query', key), 0);
  await until('the values', () => /EventMessageFile\s+REG_EXPAND_SZ\s+\S*EventCreate\.exe/.test(machine.log()), 30_000);
  assert.match(machine.log(), /TypesSupported\s+REG_DWORD\s+0x7/);
});

check('this Wine keeps no event: what cannot be read back is not proved here', async () => {
  assert.equal(await machine.ask('records', 'Application'), { count: 0 });
});

test.run();
