// Real processes, run by the recovery plugin `process`, as the services of a group: in order, verified, proved down.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Recovery } from '../../src/define.ts';
import { proc } from '../../src/ports/proc.ts';
import processes from '../../src/recovery/process.ts';
import service from '../../src/switchover/service.ts';
import { stepContext, stepFolder, stepServices, type TestService } from '../support/step.ts';

const test = suite('step service, real processes');
const folder = stepFolder();
const told: string[] = [];
const well = (name: string): string => join(folder.path, `${name}.well`);
const argvOf = (name: string): readonly string[] => [
  process.execPath,
  '-e',
  "process.on('SIGTERM', () => process.env.DEAF || process.exit()); setInterval(() => {}, 1000)",
  `${folder.path}/${name}`,
];
const living = (name: string) =>
  proc.byArgv(new RegExp(`${folder.path}/${name}$`)).filter(({ state }) => state !== 'Z');

const one = (name: string, needs: readonly string[] = []): TestService => ({
  plugin: processes as unknown as Recovery,
  options: { run: argvOf(name), 'stop-timeout': '2s' },
  needs,
  check: async () => ({ ok: existsSync(well(name)), detail: `${name} is ${existsSync(well(name)) ? '' : 'not '}well` }),
});
const services = stepServices({ mta: one('mta', ['store']), store: one('store') }, told, folder.path);
const context = (more: object = {}) =>
  stepContext(service, { services: ['mta', 'store'], verify: '10s' }, { services, ...more });

test.before.each(() => {
  told.length = 0;
  for (const name of ['mta', 'store']) writeFileSync(well(name), '');
});
test.after(async () => {
  await service.undo(context(), { force: true });
  for (const name of ['mta', 'store']) for (const { pid } of living(name)) proc.signal(pid, 'SIGKILL');
  folder.remove();
});

test('in the order of dependencies there, and back in the reverse order', async () => {
  assert.is((await service.probe(context())).state, 'undone');
  const up = await service.do(context());
  assert.is(up.ok, true, up.detail);
  assert.equal(told, ['start store', 'start mta']);
  assert.is((await service.probe(context())).state, 'done');
  assert.is((await service.do(context())).ok, true);
  assert.is(told.length, 2, 'what runs and is well is left alone');
  const away = await service.undo(context(), { force: false });
  assert.is(away.ok, true, away.detail);
  assert.equal(told.slice(2), ['stop mta', 'stop store']);
  assert.equal([living('mta').length, living('store').length], [0, 0]);
  // Of one that ended this manager says failed: that alone would not prove it gone.
  assert.is((await service.probe(context())).state, 'unknown');
  assert.is((await service.undo(context(), { force: false })).ok, true, 'again');
});

test('one that is not well keeps the next one from starting', async () => {
  rmSync(well('store'));
  const got = await service.do(stepContext(service, { services: ['store', 'mta'], verify: '300ms' }, { services }));
  assert.equal(
    [got.ok, /store is not well within 0.3 s: store is not well/.test(got.detail)],
    [false, true],
    got.detail,
  );
  assert.equal(told, ['start store']);
  assert.is((await service.probe(context())).state, 'unknown');
  assert.is((await service.undo(context(), { force: true })).ok, true);
  assert.is(living('store').length, 0);
});

test('one that becomes well in time is waited for', async () => {
  rmSync(well('store'));
  setTimeout(() => writeFileSync(well('store'), ''), 500);
  const got = await service.do(context());
  assert.is(got.ok, true, got.detail);
  assert.is((await service.undo(context(), { force: true })).ok, true);
});

test('without the right nothing is started', async () => {
  const lease = { epoch: 7, untilMs: () => Number.NEGATIVE_INFINITY };
  assert.is((await service.do(context({ lease }))).ok, false);
  assert.equal(told, []);
});

test('a name that is not there, and a manager that lies about its stop', async () => {
  const unknown = stepContext(service, { services: ['nobody'] }, { services });
  assert.is((await service.undo(unknown, { force: true })).ok, false);
  assert.is((await service.do(context())).ok, true);
  const liar = { ...services, stop: async () => ({ ok: true, detail: 'stopped, believe me' }) };
  const got = await service.undo(context({ services: liar }), { force: true });
  assert.equal([got.ok, /running after its stop/.test(got.detail)], [false, true], got.detail);
  assert.is((await service.undo(context(), { force: true })).ok, true);
});

test.run();
