import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { engineId, printMib } from '../../src/commands/snmp.ts';
import { mib } from '../../src/core/mib.ts';
import { newFolder } from '../support/server.ts';

const test = suite('commands mib and snmp');

async function call(work: (io: Parameters<typeof printMib>[1]) => number | Promise<number>) {
  const said = { out: '', err: '' };
  const io = { env: {}, isTty: false, width: 100 };
  const code = await work({
    ...io,
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
  });
  return { code, ...said };
}

test('mib: ours, and for another base', async () => {
  assert.equal(await call((io) => printMib({}, io)), { code: 0, out: mib(), err: '' });
  const other = await call((io) => printMib({ base: '1.3.6.1.4.1.32473.5' }, io));
  assert.match(other.out, /::= \{ enterprises wkArc1\(32473\) 5 \}/);
  const bad = await call((io) => printMib({ base: 'x' }, io));
  assert.equal([bad.code, bad.out], [64, '']);
});

test('snmp engine-id: made once, and as JSON', async () => {
  const folder = newFolder('engine-id');
  const first = await call((io) => engineId({ folder, output: 'table' }, io));
  assert.match(first.out, /^0x80001f8805[0-9a-f]{24}\n$/);
  const json = await call((io) => engineId({ folder, output: 'json' }, io));
  assert.equal(JSON.parse(json.out), { schemaVersion: 1, engineId: first.out.trim(), boots: 0, registered: true });
  rmSync(folder, { recursive: true });
});

test('a state folder that is none', async () => {
  const folder = newFolder('engine-id');
  const path = join(folder, 'file');
  writeFileSync(path, '');
  const bad = await call((io) => engineId({ folder: path, output: 'table' }, io));
  assert.is(bad.code, 77);
  assert.match(bad.err, /^watchkeeper: EEXIST/);
  rmSync(folder, { recursive: true });
});

test.run();
