// A session with a master: kind ones are answered to the letter of RFC 2741.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rootsOf } from '../../src/core/mib-view.ts';
import { DEFAULT_BASE as BASE } from '../../src/core/snmp.ts';
import { AgentXRefusal } from '../../src/dialogues/agentx.ts';
import {
  type FakeMaster,
  fakeMaster,
  frame,
  kind,
  range,
  response,
  TYPES,
  valuesOf,
} from '../support/agentx-master.ts';
import { type Served, serve } from '../support/agentx-session.ts';
import { until } from '../support/server.ts';

const test = suite('agentx session');
const SERVICE = `${BASE}.2.1.1`;
const name = (column: number, text: string): string => `${SERVICE}.${column}.${[...Buffer.from(text)].join('.')}`;

async function withSession(use: (master: FakeMaster, served: Served) => Promise<void>): Promise<void> {
  const master = await fakeMaster();
  const served = serve(master.port);
  try {
    await until('it is registered', () => served.refused() !== null);
    await use(master, served);
  } finally {
    served.stop();
    await served.ended;
    await master.stop();
  }
}

test('it opens, registers every root with its priority, and says goodbye', async () => {
  const master = await fakeMaster();
  const served = serve(master.port);
  await until('it is registered', () => served.refused() !== null);
  served.stop();
  assert.match((await served.ended).message, 'wanted');
  await until('goodbye', () => master.frames.some(({ type }) => type === TYPES.close));
  const [open, ...rest] = master.frames;
  assert.ok(open?.payload.includes('Wächter'));
  const registered = rest.filter(({ type }) => type === TYPES.register);
  assert.is(registered.length, rootsOf(BASE).length);
  assert.equal(
    registered.map(({ payload }) => payload[1]),
    rootsOf(BASE).map((_, at) => (at === 0 ? 127 : 100)),
  );
  assert.ok(registered.every(({ session }) => session === 7));
  await until('hung up', () => master.open() === 0);
  await master.stop();
});

test('GET: values, text beyond ASCII, dates, what is missing', () =>
  withSession(async (master) => {
    const asked = [name(4, 'mta'), name(3, 'mta'), name(6, 'mta'), name(4, 'none'), `${SERVICE}.99.1`];
    const answer = await master.ask(TYPES.get, Buffer.concat(asked.map((one) => range(one))));
    const values = valuesOf(answer.payload);
    assert.equal(
      values.map((one) => [one.oid, one.type]),
      asked.map((one, at) => [one, [2, 4, 4, 129, 128][at]]),
    );
    assert.is(values[0]?.value, 1);
    assert.is(String(values[1]?.value), 'postfix');
    const date = values[2]?.value as Buffer | undefined;
    assert.is(date?.readUInt16BE(0), 2026);
    assert.is(date?.length, 11);
  }));

test('GETNEXT: behind, at, and before an end', () =>
  withSession(async (master) => {
    const [mta, web] = [name(4, 'mta'), name(4, 'web')];
    const ranges = [range(mta), range(mta, { include: true }), range(mta, { end: web }), range('1.3.7')];
    const answer = await master.ask(TYPES.next, Buffer.concat(ranges));
    assert.equal(
      valuesOf(answer.payload).map((one) => [one.oid, one.type]),
      [
        [web, 2],
        [mta, 2],
        [mta, 130],
        ['1.3.7', 130],
      ],
    );
  }));

test('GETBULK: first ones once, the others round by round, and an end', () =>
  withSession(async (master) => {
    const payload = (once: number, rounds: number, ...ranges: Buffer[]): Buffer => {
      const counts = Buffer.alloc(4);
      counts.writeUInt16BE(once, 0);
      counts.writeUInt16BE(rounds, 2);
      return Buffer.concat([counts, ...ranges]);
    };
    const ask = async (bytes: Buffer) => valuesOf((await master.ask(TYPES.bulk, bytes)).payload);
    const found = await ask(payload(1, 2, range(`${SERVICE}.2`), range(`${SERVICE}.4`), range(`${SERVICE}.5`)));
    assert.equal(
      found.map((one) => one.oid),
      [name(2, 'mta'), name(4, 'mta'), name(5, 'mta'), name(4, 'web'), name(5, 'web')],
    );
    const all = await ask(payload(0, 65_535, range(`${BASE}.2`, { end: `${BASE}.3` })));
    assert.is(all.at(-1)?.type, 130);
    assert.is(new Set(all.map((one) => one.oid)).size, all.length - 1);
    const many = await ask(payload(0, 65_535, ...Array.from({ length: 100 }, () => range('1.3'))));
    assert.ok(many.length <= 2000);
  }));

test('nothing can be set, and no context is known', () =>
  withSession(async (master) => {
    const error = async (type: number, how = {}): Promise<number> =>
      (await master.ask(type, Buffer.alloc(0), how)).payload.readUInt16BE(4);
    assert.is(await error(TYPES.set), 17);
    assert.is(await error(9), 14);
    assert.is(await error(10), 15);
    assert.is(await error(TYPES.get, { flags: 0x18 }), 262);
    assert.is(await error(TYPES.get, { session: 8 }), 257);
  }));

test('forty questions in one piece, and one byte by byte', () =>
  withSession(async (master) => {
    const before = master.frames.length;
    const one = (packet: number): Buffer => frame(TYPES.get, range(name(4, 'mta')), { packet });
    master.say(Buffer.concat(Array.from({ length: 40 }, (_, at) => one(5000 + at))));
    await until('forty answers', () => master.frames.length === before + 40);
    assert.equal(
      master.frames.slice(before).map(({ packet }) => packet),
      Array.from({ length: 40 }, (_, at) => 5000 + at),
    );
    for (const byte of one(6000)) {
      master.say(Buffer.from([byte]));
      await new Promise((done) => setTimeout(done, 1));
    }
    await until('an answer', () => master.frames.at(-1)?.packet === 6000);
  }));

test('what belongs to somebody else is told; our own tables are needed', async () => {
  let asked = 0;
  const master = await fakeMaster((seen, socket) => {
    if (seen.type !== TYPES.register) return kind(seen, socket);
    asked += 1;
    return frame(TYPES.response, response(asked === 2 ? 263 : 0), { packet: seen.packet });
  });
  const served = serve(master.port);
  await until('it is registered', () => served.refused() !== null);
  assert.equal(served.refused(), ['1.3.6.1.2.1.27.1.1.2: duplicateRegistration']);
  served.stop();
  await served.ended;
  await master.stop();
  for (const [type, error] of [
    [TYPES.open, 268],
    [TYPES.register, 267],
  ] as const) {
    const no = await fakeMaster((seen, socket) =>
      seen.type === type ? frame(TYPES.response, response(error), { packet: seen.packet }) : kind(seen, socket),
    );
    const ended = await serve(no.port).ended;
    assert.instance(ended, AgentXRefusal);
    assert.match(ended.message, error === 268 ? 'processingError' : 'requestDenied');
    await no.stop();
  }
});

test.run();
