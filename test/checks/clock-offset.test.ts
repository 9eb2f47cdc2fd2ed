import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check, { parseChrony, parseNtpq, parseTimesync } from '../../src/checks/clock-offset.ts';
import type { CheckResult } from '../../src/define.ts';
import type { ExecResult } from '../../src/ports/exec.ts';
import { runCheck } from '../support/check.ts';
import { closedUdpPort, udpServer } from '../support/udp-server.ts';

const test = suite('check clock-offset');
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');
const well: ExecResult = {
  ...{ code: 0, signal: null, stdout: '', stderr: '', timedOut: false, failed: null, truncated: false, ms: 5 },
};
const TRACKING = 'C0000201,192.0.2.1,3,1764089400.1,0.000123,0.0001,0.0002,-12.3,0.001,0.02,0.01,0.001,64.2,Normal\n';

test('what chrony, ntpd and timesyncd print', () => {
  const near = (got: number | null | undefined, wanted: number): boolean =>
    typeof got === 'number' && Math.abs(got - wanted) < 1e-6;
  assert.ok(near(parseChrony(TRACKING), 0.123));
  assert.is(parseChrony(TRACKING.replace('Normal', 'Not synchronised')), null);
  assert.is(parseChrony('506 Cannot talk to daemon\n'), undefined);
  assert.ok(near(parseNtpq('leap=00, stratum=2,\noffset=-3.25\n'), -3.25));
  assert.is(parseNtpq('leap=11, stratum=16, offset=0.000'), null);
  assert.is(parseNtpq('offset=nan'), undefined);
  assert.ok(near(parseTimesync('       Server: 192.0.2.1\n       Offset: -1.5ms\n        Delay: 3ms\n'), -1.5));
  assert.ok(near(parseTimesync('  Server: x\n  Offset: +1min 2.5s\n'), 62_500));
  assert.ok(near(parseTimesync('  Server: x\n  Offset: 120us\n'), 0.12));
  assert.is(parseTimesync('  Server: n/a\n'), null);
  assert.is(parseTimesync('Failed to parse'), undefined);
  assert.is(parseTimesync('  Offset: 1fortnight\n'), undefined);
});

test('by its own daemon', async () => {
  const run = (answer: Partial<ExecResult>, more: object = {}): Promise<CheckResult> =>
    runCheck(check, more, { ports: { exec: { run: () => Promise.resolve({ ...well, ...answer }) } } });
  const fine = await run({ stdout: TRACKING });
  assert.is(short(fine), 'pass');
  assert.is(fine.detail, 'the clock is off by +0.123 ms, says chronyc');
  const off = await run({ stdout: TRACKING.replace('0.000123', '-2.5') });
  assert.is(short(off), 'degraded dependency');
  assert.is(off.detail, 'the clock is off by -2500 ms, says chronyc, more than 100 ms');
  assert.is(short(await run({ stdout: TRACKING.replace('Normal', 'Not synchronised') })), 'degraded dependency');
  for (const none of [
    { code: 1, stderr: 'no daemon' },
    { failed: 'ENOENT', code: null },
    { timedOut: true, code: null },
  ])
    assert.is(short(await run(none)), 'unknown');
});

/** A server whose clock is ahead by so much. */
const answers =
  (aheadMs: number, change: (packet: Buffer) => void = () => undefined) =>
  (question: Buffer) => {
    const packet = Buffer.alloc(48);
    packet[0] = 0x24;
    packet[1] = 2;
    question.copy(packet, 24, 40, 48);
    for (const at of [32, 40]) {
      const ms = Date.now() + aheadMs;
      packet.writeUInt32BE(Math.floor(ms / 1000) + 2_208_988_800, at);
      packet.writeUInt32BE(Math.floor(((ms % 1000) / 1000) * 2 ** 32), at + 4);
    }
    change(packet);
    return [packet];
  };

test('by a server', async () => {
  const ask = (port: number, timeoutMs = 5000): Promise<CheckResult> =>
    runCheck(check, { ask: 'server', host: '127.0.0.1', port, max: '500ms' }, { timeoutMs });
  const at = async (reply: (question: Buffer) => readonly Buffer[], timeoutMs?: number): Promise<CheckResult> => {
    const server = await udpServer(reply);
    const got = await ask(server.port, timeoutMs);
    await server.stop();
    return got;
  };
  const right = await at(answers(0));
  assert.is(short(right), 'pass', right.detail);
  const wrong = await at(answers(7_200_000));
  assert.is(short(wrong), 'degraded dependency');
  assert.match(wrong.detail, /^the clock is off by \+7[12]\d{5} ms/);
  assert.is(short(await at(answers(-3000))), 'degraded dependency');
  const kiss = await at(answers(0, (packet) => packet.fill(0, 1, 2) && packet.write('RATE', 12)));
  assert.is(kiss.detail.replace(/:\d+/, ''), 'the time server 127.0.0.1 refuses: "RATE"');
  assert.is(short(await at(answers(0, (packet) => packet.writeUInt8(0xe4, 0)))), 'degraded dependency');
  // Not an answer to this question; too short; silence; nobody.
  for (const change of [(packet: Buffer) => packet.fill(7, 24, 32), (packet: Buffer) => packet.fill(0x23, 0, 1)])
    assert.is(short(await at(answers(0, change), 400)), 'degraded dependency');
  assert.is(short(await at(() => [Buffer.from('\u001b[2J')], 400)), 'degraded dependency');
  assert.is(short(await at(() => [], 400)), 'degraded dependency');
  assert.is(short(await ask(await closedUdpPort())), 'degraded dependency');
});

test.run();
