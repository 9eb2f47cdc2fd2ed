// clamd, rspamd and milter against servers that say what a test wants: answers that real ones give too rarely.
import { createServer } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import clamd from '../../src/checks/clamd.ts';
import milter from '../../src/checks/milter.ts';
import rspamd from '../../src/checks/rspamd.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { type RunOptions, runCheck } from '../support/check.ts';
import { hostile } from '../support/hostile.ts';
import { serveRaw } from '../support/raw-server.ts';

const test = suite('filters');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const deep: RunOptions = { depth: 'deep', timeoutMs: 4000 };

/** A clamd that answers so. */
async function scanner(version: string, stream = 'stream: Lab.Test FOUND', options = {}): Promise<CheckResult> {
  const answers: Readonly<Record<string, string>> = { nPING: 'PONG', nVERSION: version, nINSTREAM: stream };
  const server = await hostile('scripted', {
    greeting: '',
    answer: (line) => (line in answers ? `${answers[line]}\n` : undefined),
  });
  try {
    return await runCheck(clamd as unknown as Check, { port: server.port, ...options }, deep);
  } finally {
    await server.stop();
  }
}

/** As ctime(3) writes it, in local time. */
function ctime(wallMs: number): string {
  const [day, month, date, year] = new Date(wallMs).toDateString().replace(/ 0/, '  ').split(/ +/);
  return `${day} ${month} ${(date ?? '').padStart(2)} ${new Date(wallMs).toTimeString().slice(0, 8)} ${year}`;
}

const DAY_MS = 86_400_000;

test('clamd: the age of the signatures', async () => {
  const fresh = await scanner(`ClamAV 1.4.3/27000/${ctime(Date.now() - DAY_MS)}`);
  assert.is(said(fresh), 'pass/-', fresh.detail);
  assert.ok(Math.abs((fresh.metrics?.find((one) => one.name === 'age')?.value ?? 0) - 86_400) < 10);
  const old = await scanner(`ClamAV 1.4.3/27000/${ctime(Date.now() - 10 * DAY_MS)}`);
  assert.is(said(old), 'degraded/expired');
  assert.match(old.detail, '10.0 days old (build 27000)');
  assert.is(said(await scanner('ClamAV 1.4.3/27000/some day')), 'degraded/expired');
  assert.is(said(await scanner('220 mail ESMTP')), 'fail/misconfigured');
});

test('clamd: what it says of the stream', async () => {
  const ofStream = async (line: string): Promise<string> =>
    said(await scanner('ClamAV 1.4.3', line, { 'own-signatures': true }));
  assert.is(await ofStream('stream: Lab.Test FOUND'), 'pass/-');
  assert.is(await ofStream('stream: OK'), 'fail/misconfigured');
  assert.is(await ofStream("stream: Can't write to temporary file ERROR"), 'fail/no-space');
  assert.is(await ofStream('INSTREAM size limit exceeded. ERROR'), 'fail/misconfigured');
  assert.is(await ofStream('COMMAND READ TIMED OUT ERROR'), 'fail/refusing');
  assert.is(await ofStream('stream: \u001b[2J FOUND?'), 'fail/misconfigured');
  // Blind is worse than old.
  assert.is(said(await scanner('ClamAV 1.4.3', 'stream: OK')), 'fail/misconfigured');
});

type Page = readonly [status: number, body: string];

/** An rspamd whose paths answer so. */
async function filter(pages: Readonly<Record<string, Page>>, memory = new Map<string, unknown>()) {
  const server = createServer((request, response) => {
    const [status, body] = pages[request.url ?? ''] ?? [200, 'pong\r\n'];
    request.resume();
    request.on('end', () => response.writeHead(status).end(body));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  try {
    return await runCheck(rspamd as unknown as Check, { url, controller: url }, { ...deep, memory });
  } finally {
    await new Promise((done) => server.close(done));
  }
}

const reject: Page = [200, '{"action":"reject","score":15,"required_score":15}'];
const counted = (scanned: number, uptime: number): Page => [200, JSON.stringify({ scanned, uptime })];

test('rspamd: what its answers mean', async () => {
  const scan = async (page: Page): Promise<string> => said(await filter({ '/checkv2': page, '/stat': counted(1, 1) }));
  assert.is(await scan(reject), 'pass/-');
  assert.is(await scan([200, '{"action":"no action","score":0,"required_score":15}']), 'fail/misconfigured');
  for (const body of ['', 'x', 'null', '[]', '{}', '{"action":1}'])
    assert.is(await scan([200, body]), 'fail/misconfigured');
  assert.is(await scan([403, 'no']), 'degraded/credentials');
  assert.is(await scan([503, 'busy']), 'degraded/overloaded');
  assert.is(await scan([500, 'x']), 'fail/misconfigured');
  assert.is(said(await filter({ '/ping': [200, 'hello'] })), 'fail/misconfigured');
});

test('rspamd: counters that stand still are seen, and begin anew after a restart', async () => {
  const memory = new Map<string, unknown>();
  const look = async (scanned: number, uptime: number): Promise<string> =>
    said(await filter({ '/checkv2': reject, '/stat': counted(scanned, uptime) }, memory));
  assert.is(await look(5, 100), 'pass/-');
  assert.is(await look(6, 160), 'pass/-');
  assert.is(await look(6, 220), 'degraded/refusing');
  assert.is(await look(0, 10), 'pass/-');
});

const packet = (command: string, data = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(data.length + 1, 0);
  head.write(command, 4, 'latin1');
  return Buffer.concat([head, data]);
};
const agreed = (steps: number, version = 6): Buffer => {
  const data = Buffer.alloc(12);
  data.writeUInt32BE(version, 0);
  data.writeUInt32BE(steps, 8);
  return packet('O', data);
};

/** A milter that agrees so, and answers CONNECT and HELO with these. */
async function talk(negotiated: Buffer, ...replies: readonly Buffer[]) {
  const heard: string[] = [];
  const server = await serveRaw((bytes, socket) => {
    let rest = bytes;
    while (rest.length >= 5 && rest.length >= rest.readUInt32BE(0) + 4) {
      const command = rest.toString('latin1', 4, 5);
      rest = rest.subarray(rest.readUInt32BE(0) + 4);
      heard.push(command);
      if (command === 'O') socket.write(negotiated);
      if (command === 'C' || command === 'H')
        socket.write(replies[heard.filter((one) => 'CH'.includes(one)).length - 1] ?? '');
    }
    return rest;
  });
  try {
    const result = await runCheck(
      milter as unknown as Check,
      { port: server.port },
      { depth: 'deep', timeoutMs: 1500 },
    );
    return { said: said(result), heard: heard.join(''), detail: result.detail };
  } finally {
    await server.stop();
  }
}

test('milter: what is agreed is kept, and replies have their meaning', async () => {
  const go = packet('c');
  assert.is((await talk(agreed(0), go, go)).said, 'pass/-');
  assert.is((await talk(agreed(0), Buffer.concat([packet('p'), go]), go)).said, 'pass/-');
  assert.match((await talk(agreed(0), packet('a'))).heard, /^ODCQ?$/);
  assert.match((await talk(agreed(0x3))).heard, /^OQ?$/);
  assert.is((await talk(agreed(0x3000))).said, 'pass/-');
  assert.is((await talk(agreed(0), packet('t'))).said, 'degraded/dependency');
  assert.is((await talk(agreed(0), packet('r'))).said, 'degraded/misconfigured');
  const busy = await talk(agreed(0), packet('y', Buffer.from('451 4.7.1 later\0')));
  assert.is(busy.said, 'degraded/dependency');
  assert.match(busy.detail, '451 4.7.1 later');
  assert.is((await talk(agreed(0), packet('y', Buffer.from('550 no\0')))).said, 'degraded/misconfigured');
  assert.is((await talk(agreed(0), packet('Z'))).said, 'fail/misconfigured');
  assert.is((await talk(agreed(0))).said, 'fail/hung');
});

test('milter: no answer to the negotiation is no milter', async () => {
  const said = async (bytes: Buffer): Promise<string> => (await talk(bytes)).said;
  assert.is(await said(agreed(0, 1)), 'fail/misconfigured');
  assert.is(await said(packet('c')), 'fail/misconfigured');
  assert.is(await said(Buffer.from([0, 0, 0, 0])), 'fail/misconfigured');
  assert.is(await said(Buffer.from([0, 1, 0x86, 0xa0])), 'fail/misconfigured');
  assert.is(await said(Buffer.from([0xff, 0xff, 0xff, 0xff])), 'fail/misconfigured');
  assert.is(await said(Buffer.concat(Array.from({ length: 200 }, () => packet('p')))), 'fail/misconfigured');
});

test.run();
