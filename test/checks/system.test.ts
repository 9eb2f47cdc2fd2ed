import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/system.ts';
import { type Inventory, type LoadFacts, sysinfo } from '../../src/ports/sysinfo.ts';
import { ask, hostPorts } from '../support/host.ts';

const test = suite('check system');
const GIB = 1024 ** 3;
const calm: LoadFacts = {
  load1: 0.5,
  load5: 0.4,
  load15: 0.3,
  cores: 2,
  memoryTotal: 8 * GIB,
  memoryAvailable: 4 * GIB,
  swapTotal: 2 * GIB,
  swapFree: 2 * GIB,
  uptimeMs: 3_600_000,
  pressure: { cpu: 1, memory: 0, io: 2 },
};
const inventory: Inventory = {
  os: 'Debian GNU/Linux 12 (bookworm)',
  kernel: 'Linux 6.1',
  host: 'n1\u001b[31m',
  cpu: '2 × AMD EPYC',
  virtual: 'KVM',
  disks: [{ name: 'vda', bytes: 256 * GIB, kind: 'SSD' }],
};
const on = (given: Partial<LoadFacts>, asked: () => Promise<Inventory> = () => Promise.resolve(inventory)) =>
  hostPorts({ sysinfo: { load: () => ({ ...calm, ...given }), inventory: asked } });

test('a calm machine', async () => {
  const got = await ask(check, {}, on({}));
  assert.is(got.outcome, 'pass');
  assert.is(got.detail, 'the load is 0.5 on 2 cores, 4096 MiB of memory are available (50 %)');
  assert.ok((got.metrics?.length ?? 0) >= 7);
});

test('strain is degraded, whatever it is, and each is named', async () => {
  const cases: [Partial<LoadFacts>, RegExp][] = [
    [{ load1: 8.1 }, /^the load is 8\.1 on 2 cores$/],
    [{ memoryAvailable: 0.3 * GIB }, /^307 MiB of memory are available \(3\.8 %\)$/],
    [{ swapFree: 0.1 * GIB }, /^95 % of the swap is used$/],
    [{ pressure: { cpu: 95, memory: 30, io: 90 } }, /waited for a CPU 95 %.*for memory 30 %.*for storage 90 %/],
  ];
  for (const [given, text] of cases) {
    const got = await ask(check, {}, on(given));
    assert.equal([got.outcome, got.cause], ['degraded', 'overloaded']);
    assert.match(got.detail, text);
  }
  assert.is((await ask(check, { uptime: '2h' }, on({}))).outcome, 'degraded');
});

test('no swap, no pressure information, an empty /proc: no alarm', async () => {
  const bare = { swapTotal: 0, swapFree: 0, pressure: { cpu: null, memory: null, io: null } };
  assert.is((await ask(check, {}, on(bare))).outcome, 'pass');
  assert.is((await ask(check, {}, on({ ...bare, memoryTotal: 0, memoryAvailable: 0 }))).outcome, 'pass');
});

test('the deep side tells what machine it is, and does without', async () => {
  const got = await ask(check, {}, on({}), { depth: 'deep' });
  assert.is(
    got.steps?.[0]?.detail,
    'n1 [31m: Debian GNU/Linux 12 (bookworm), Linux 6.1, 2 × AMD EPYC, on KVM, disks vda 256 GiB',
  );
  const none = await ask(
    check,
    {},
    on({}, () => Promise.reject(new Error('no such program'))),
    { depth: 'deep' },
  );
  assert.is(none.outcome, 'pass');
  assert.match(none.steps?.[0]?.detail ?? '', 'no inventory: no such program');
});

test('the real machine', async () => {
  const got = sysinfo.load();
  assert.ok(got.memoryTotal > got.memoryAvailable && got.memoryAvailable > 0);
  assert.ok(got.cores >= 1 && got.uptimeMs > 0 && got.load1 >= 0);
  const asked = await sysinfo.inventory();
  assert.match(asked.kernel, /^Linux \d/);
  assert.match(asked.cpu, /^\d+ × /);
  assert.is(await sysinfo.inventory(), asked, 'asked once');
});

test.run();
