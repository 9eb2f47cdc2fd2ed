// The OCF agent on a real nginx, called as a cluster calls it. (By ocf-tester: ocf-tester.real.test.ts.)
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { call, integration, type Ran, startWeb, watchkeeper, type Web } from '../support/guest.ts';
import { frozen, processTree, until } from '../support/servers.ts';

const test = suite('OCF agent');
const agent = integration('ocf/service');
let web: Web;

test.before(async () => {
  web = await startWeb();
});
test.after(async () => web?.stop());

const OCF = { OCF_ROOT: '/usr/lib/ocf', OCF_RA_VERSION_MAJOR: '1', OCF_RA_VERSION_MINOR: '1', HA_debug: '0' };

/** As a cluster calls it; `level` is that of monitor. */
function act(action: string, more: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return call([agent, action], {
    ...{ ...OCF, OCF_RESOURCE_INSTANCE: 'web', OCF_RESOURCE_TYPE: 'service', OCF_RESOURCE_PROVIDER: 'watchkeeper' },
    ...{ OCF_RESKEY_binary: watchkeeper, OCF_RESKEY_kit: web.kit, OCF_RESKEY_CRM_meta_timeout: '20000' },
    HA_RSCTMP: join(web.folder, 'marks'),
    ...more,
  });
}
const code = async (action: string, more: Readonly<Record<string, string>> = {}): Promise<number | null> =>
  (await act(action, more)).code;
const LEVEL = { deep: { OCF_CHECK_LEVEL: '10' }, deeper: { OCF_CHECK_LEVEL: '20' } };

test('runs: 0 at every level; start of what runs is a success', async () => {
  assert.is(await code('start'), 0);
  const results = await Promise.all([code('monitor'), code('monitor', LEVEL.deep), code('monitor', LEVEL.deeper)]);
  assert.equal(results, [0, 0, 0]);
  assert.is(await code('validate-all'), 0);
});

test('stopped: 7, twice; started again it answers', async () => {
  assert.is(await code('stop'), 0);
  assert.not.ok(web.lives());
  assert.is(await code('monitor'), 7);
  assert.is(await code('stop'), 0, 'a stop of what is stopped is a success');
  assert.is(await code('start'), 0);
  assert.ok(web.lives());
  assert.is(await code('monitor', LEVEL.deep), 0);
});

test('killed: 7, and a start brings it back', async () => {
  // Its worker lives on and keeps the port: a start sweeps it away.
  process.kill(web.pid(), 'SIGKILL');
  await until('the end', () => !web.lives());
  assert.is(await code('monitor'), 7);
  assert.is(await code('start'), 0);
  assert.is(await code('monitor'), 0);
});

test('hung: 1 at depth 10, when the process still stands', async () => {
  await frozen(processTree(web.pid()), async () => {
    const { code: ended, err } = await act('monitor', { ...LEVEL.deep, OCF_RESKEY_CRM_meta_timeout: '4000' });
    assert.is(ended, 1, err);
    assert.match(err, /CRITICAL \(hung\)/);
  });
  assert.is(await code('monitor', LEVEL.deep), 0);
});

test('what no restart cures is degraded, for a cluster that knows the word', async () => {
  const page = join(web.pages, 'index.html');
  renameSync(page, `${page}.away`);
  try {
    assert.is(await code('monitor'), 0, 'the port answers');
    const { code: ended, err } = await act('monitor', LEVEL.deep);
    assert.is(ended, 190, err);
    assert.match(err, /CRITICAL \(misconfigured\)/);
    assert.is(await code('monitor', { ...LEVEL.deep, OCF_RA_VERSION_MINOR: '0' }), 0);
  } finally {
    renameSync(`${page}.away`, page);
  }
});

test('bad parameters are 6, a program that is not there 5, a bad configuration of the service 2', async () => {
  assert.is(await code('validate-all', { OCF_RESKEY_kit: '' }), 6);
  assert.is(await code('validate-all', { OCF_RESKEY_kit: 'no-such-kit' }), 6);
  assert.is(await code('validate-all', { OCF_RESKEY_set: 'txet=Webmail' }), 6);
  assert.is(await code('validate-all', { OCF_RESKEY_set: 'text=Webmail' }), 0);
  assert.is(await code('monitor', { OCF_RESKEY_binary: '/no/such/program' }), 5);
  assert.is(await code('promote'), 3);
  const config = join(web.folder, 'nginx.conf');
  renameSync(config, `${config}.good`);
  writeFileSync(config, 'no such word;\n');
  try {
    assert.is(await code('validate-all'), 2);
    assert.is(await code('stop'), 0, 'what cannot be asked to stop is killed');
    assert.is(await code('start'), 2);
  } finally {
    rmSync(config);
    renameSync(`${config}.good`, config);
  }
  assert.is(await code('start'), 0);
});

test('a stop that cannot be made is a success only for what was never seen', async () => {
  const [words, nothing] = [{ OCF_RESKEY_set: 'txet=Webmail' }, { OCF_RESKEY_binary: '/no/such/program' }];
  for (const bad of [words, nothing]) {
    assert.is(await code('monitor'), 0);
    assert.is(await code('stop', bad), 1, 'it was seen, and may still run');
    assert.is(await code('stop', { ...bad, OCF_RESOURCE_INSTANCE: 'other' }), 0);
  }
  assert.ok(web.lives());
  assert.is(await code('monitor', { OCF_RESKEY_kit: '/no/such/kit.yaml' }), 5, 'missing here, and maybe not elsewhere');
});

test('a Watchkeeper that breaks is no failure of the service', async () => {
  const broken = join(web.folder, 'broken');
  for (const ended of [1, 3, 134]) {
    writeFileSync(broken, `#!/bin/sh\necho trouble >&2\nexit ${ended}\n`, { mode: 0o755 });
    assert.is(await code('monitor', { OCF_RESKEY_binary: broken }), 190, String(ended));
  }
});

test('why it failed is said for those who ask the cluster, without numbers', async () => {
  const { err } = await act('validate-all', { OCF_RESKEY_kit: '' });
  assert.match(err, /^ocf-exit-reason:kit or unit has to be given$/m);
});

test('its meta-data is what a cluster reads', async () => {
  const file = join(web.folder, 'meta.xml');
  const { out } = await call([agent, 'meta-data']);
  writeFileSync(file, out);
  chmodSync(file, 0o600);
  const dtd = '/usr/share/resource-agents/ra-api-1.dtd';
  const lint = await call(['xmllint', '--noout', '--dtdvalid', dtd, '--nonet', file]);
  assert.is(lint.code, 0, lint.err);
  for (const action of ['start', 'stop', 'monitor', 'meta-data', 'validate-all'])
    assert.match(out, new RegExp(`<action name="${action}" timeout="\\d+s"`));
});

test.run();
