// Who we are to a real snmptrapd that takes v3 traps: over restarts of the daemon (a process of its own each time),
// with a lost and with a damaged identity. What the receiver prints is the only witness.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { engineId } from '../../src/commands/snmp.ts';
import type { SendResult } from '../../src/define.ts';
import { newFolder, until } from '../support/server.ts';
import { SNMP_SECRETS, type TrapReceiver, trapReceiver, USER } from '../support/snmptrapd.ts';

const test = suite('snmp identity, real snmptrapd');
const stateDir = newFolder('snmp-identity');
const file = join(stateDir, 'snmp-engine.json');
let noc: TrapReceiver;

async function command(more: { registered?: boolean } = {}): Promise<{ id: string; err: string }> {
  const said = { out: '', err: '' };
  const io = { env: {}, isTty: false, width: 100 };
  const code = await engineId(
    { folder: stateDir, output: 'table', ...more },
    { ...io, out: (text) => void (said.out += text), err: (text) => void (said.err += text) },
  );
  assert.is(code, 0, said.err);
  assert.match(said.out, /^0x80001f8805[0-9a-f]{24}\n$/);
  return { id: said.out.trim(), err: said.err };
}

interface Life {
  readonly results: readonly SendResult[];
  readonly trouble: string | null;
}

/** A daemon's life: a new process, which sends one trap for each id and ends. */
function life(...ids: readonly number[]): Life {
  const at = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    const { default: snmp } = await import(${at('../../src/alerts/snmp.js')});
    const { stores } = await import(${at('../../src/ports/store.js')});
    const { secretsFrom } = await import(${at('../../src/ports/secrets.js')});
    const { makeAlert } = await import(${at('../support/alert.js')});
    const { channelOf } = await import(${at('../support/channel.js')});
    const { checkPorts } = await import(${at('../support/check.js')});
    const options = { to: ['127.0.0.1:${noc.port}'], user: 'noc', auth: 'env:SNMP_AUTH', priv: 'env:SNMP_PRIV', inform: false };
    const ports = checkPorts({ secrets: secretsFrom(process.env), stores });
    // Two channels: they are one engine.
    const both = ['noc', 'other'].map((channel) =>
      channelOf(snmp, options, ports, { stateDir: ${JSON.stringify(stateDir)}, channel }));
    const results = [];
    for (const [at, id] of ${JSON.stringify(ids)}.entries()) results.push(await both[at % 2].send(makeAlert({}, id)));
    console.log(JSON.stringify({ results, trouble: both[0].trouble() }));
    for (const one of both) await one.close();`;
  const env = { ...process.env, ...SNMP_SECRETS };
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', program], { env, timeout: 60_000 });
  return JSON.parse(out.toString()) as Life;
}

const ids = (): number[] => noc.taken().map((text) => Number(/wkEventId\.0 = Counter64: (\d+)/.exec(text)?.[1]));
const took = (wanted: readonly number[]): Promise<void> =>
  until(`${String(wanted)}`, () => String(ids()) === String(wanted), 30_000).catch(() =>
    assert.equal(ids(), wanted, noc.log()),
  );
const lines = (id: string): string[] => [`createUser -e ${id} noc ${USER}`, 'authUser log noc priv'];
const boots = (): number => (JSON.parse(readFileSync(file, 'utf8')) as { boots: number }).boots;

test.after(async () => {
  await noc?.remove();
  rmSync(stateDir, { recursive: true, force: true });
});

test('the id is there before the first start; traps are taken, by two channels with one identity', async () => {
  const { id, err } = await command();
  assert.is(err, '');
  assert.is(statSync(file).mode & 0o777, 0o600);
  assert.is((await command()).id, id, 'made once');
  noc = await trapReceiver(lines(id));
  const first = life(1, 2, 3);
  assert.equal(first, { results: ['sent', 'sent', 'sent'], trouble: null });
  await took([1, 2, 3]);
  assert.match(noc.taken()[0] ?? '', /^TRAP2, SNMP v3, user noc[^]*OID: WATCHKEEPER-MIB::wkServiceFailing\|/);
  assert.is(boots(), 1, 'raised once a life, however many channels');
});

test('a restart is taken by a receiver that knew the life before; a smaller number would not be', async () => {
  copyFileSync(file, `${file}.old`);
  assert.equal(life(4).results, ['sent']);
  await took([1, 2, 3, 4]);
  assert.is(boots(), 2);
  const now = readFileSync(file);
  assert.equal(life(5).results, ['sent']);
  await took([1, 2, 3, 4, 5]);
  // What a guess would do: number 2 again, to a receiver that has seen 3.
  copyFileSync(`${file}.old`, file);
  assert.equal(life(6).results, ['sent'], 'a trap has no answer');
  writeFileSync(file, now);
  life(7);
  await took([1, 2, 3, 4, 5, 7]);
  assert.not.ok(ids().includes(6), 'dropped without a word');
});

for (const [how, hurt] of [
  ['lost', () => rmSync(file)],
  ['damaged', () => writeFileSync(file, readFileSync(file, 'utf8').replace(/"boots":\d+/, '"boots":1'))],
] as const)
  test(`an identity that is ${how}: a new one, which is told until receivers know it`, async () => {
    const before = ids();
    const old = (await command()).id;
    hurt();
    const { results, trouble } = life(20);
    assert.equal(results, ['sent']);
    const { id, err } = await command();
    assert.is.not(id, old);
    assert.match(
      trouble ?? '',
      new RegExp(`engine id was lost and is new: ${id.slice(2)} instead of ${old.slice(2)}\\. `),
    );
    assert.match(err, new RegExp(`^watchkeeper: it is new instead of ${old}, `));
    assert.is(existsSync(`${file}.damaged`), how === 'damaged');
    assert.match(life(21).trouble ?? '', /instead of/, 'also after a restart');
    assert.equal(ids(), before, 'a receiver that knows the old one drops it');
    await noc.stop();
    await noc.start({ lines: lines(id) });
    life(22);
    await took([...before, 22]);
    await command({ registered: true });
    assert.is(life(23).trouble, null);
    await took([...before, 22, 23]);
    assert.is((await command()).err, '');
  });

test.run();
