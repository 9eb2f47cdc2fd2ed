// Steps are asked by their own plugins whether they could be done here: without a daemon, with no right to anything.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { stepAsker } from '../../src/commands/preflight-steps.ts';
import { load } from '../../src/config/load.ts';
import type { Ports } from '../../src/define.ts';
import { files } from '../../src/ports/files.ts';
import { plugins } from '../../src/registry.ts';
import { good } from '../support/config-folder.ts';
import { hostPorts } from '../support/host.ts';

const test = suite('commands/preflight-steps');
const all = await plugins();
let dir = '';
test.before.each(() => {
  dir = mkdtempSync(join(tmpdir(), 'wk-steps-'));
});
test.after.each(() => rmSync(dir, { recursive: true }));

function asker(owner: string | null = null, ports: Ports = hostPorts({})) {
  const program = join(dir, 'attach');
  const config = {
    node: 'n1',
    services: {
      one: {
        checks: [{ type: 'command', run: ['/usr/bin/true'] }],
        manager: { type: 'systemd', unit: 'no-such-wk.service' },
      },
    },
    cluster: {
      ...{ name: 'mail', engine: 'etcd', endpoints: ['http://127.0.0.1:2379'] },
      nodes: {
        n1: { paths: ['127.0.0.1'], words: { host: 'n1.test' } },
        n2: { paths: ['127.0.0.2'], words: { host: 'n2.test' } },
      },
    },
    groups: {
      mail: {
        ...{ services: ['one'], nodes: ['n1', 'n2'] },
        steps: [
          { command: { do: [program], undo: [program], ready: [program, 'ready'] }, name: 'program' },
          { service: { services: ['one'] }, name: 'runs' },
        ],
      },
    },
  };
  writeFileSync(join(dir, 'wk.yaml'), JSON.stringify(config), { mode: 0o640 });
  const loaded = load(join(dir, 'wk.yaml'), { files, plugins: all, hostname: 'n1', uid: null, modes: false });
  return stepAsker(good(loaded).config, all, ports, () => owner);
}
const program = (text: string, mode = 0o755): void => {
  writeFileSync(join(dir, 'attach'), `#!/bin/sh\n${text}\n`);
  chmodSync(join(dir, 'attach'), mode);
};

test('a program that is not there, may not be run, says no, says yes', async () => {
  assert.match((await asker()('mail', 'program')).detail, 'attach');
  program('exit 0', 0o644);
  assert.is((await asker()('mail', 'program')).ok, false);
  program('echo "the disk is not there" >&2; exit 1');
  const no = await asker()('mail', 'program');
  assert.equal([no.ok, /the disk is not there/.test(no.detail)], [false, true], no.detail);
  program('[ "$1 $WATCHKEEPER_FROM $WATCHKEEPER_TO $WATCHKEEPER_EPOCH" = "ready n2 n1 0" ]');
  const yes = await asker('n2')('mail', 'program');
  assert.ok(yes.ok, yes.detail);
});

test('a service is looked at through its own manager, and nothing else can be done to it', async () => {
  const away = await asker(null, { ...hostPorts({}), units: { show: async () => null } as never })('mail', 'runs');
  assert.is(away.ok, false, away.detail);
});

test('what is not there is said to be', async () => {
  assert.is((await asker()('mail', 'nothing')).ok, false);
  assert.is((await asker()('other', 'program')).ok, false);
});

test.run();
