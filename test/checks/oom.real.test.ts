// A real kill for want of memory, in a control group of the test's own. Needs root, and a memory controller.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/oom.ts';
import { ask, hostPorts, until } from '../support/host.ts';

const test = suite('check oom, real');
const group = `/wk-oom-${process.pid}`;
const v1 = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes');
const folder = `${v1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup'}${group}`;

test.before(() => {
  mkdirSync(folder);
  writeFileSync(`${folder}/${v1 ? 'memory.limit_in_bytes' : 'memory.max'}`, String(16 * 1024 * 1024));
});
test.after(async () => {
  assert.ok(await until(() => readFileSync(`${folder}/cgroup.procs`, 'utf8') === ''));
  rmdirSync(folder);
});

test('a process that eats more than its group may have is killed, and told', async () => {
  const memory = new Map<string, unknown>();
  const look = async (): Promise<string> => {
    const got = await ask(check, { group }, hostPorts(), { memory });
    return `${got.outcome} ${got.detail}`;
  };
  assert.match(await look(), /^pass /);
  const eat = `echo $$ > ${folder}/cgroup.procs; exec tail /dev/zero`;
  const end = spawnSync('/bin/sh', ['-c', eat], { timeout: 20_000 });
  assert.is(end.signal, 'SIGKILL');
  assert.is(await look(), `degraded the kernel killed 1 process of ${group} for memory`);
});

test.run();
