// What the watching costs: processor time and memory of a keeper's whole control group, while all is well.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, poll, sleep } from '../lab/command.ts';
import type { LabNode } from '../lab/node.ts';
import type { Keeper } from './keepers.ts';

export interface Cost {
  /** Of one core. */
  readonly percent: number;
  /** Largest of all looks, over all processes of the group. */
  readonly rssMb: number;
  /** Processor time in µs per service and second. */
  readonly usPerLook: number;
}

const FIRST_PORT = 20_000;

/** Starts so many services on the node and waits until they listen. */
export async function startServices(node: LabNode, count: number): Promise<void> {
  const program = '/opt/watchkeeper/dist/test/bench/responder.js';
  const argv = ['node', program, String(FIRST_PORT), String(count)];
  await node.exec(['systemd-run', '--quiet', '--property=LimitNOFILE=65536', '--unit=bench-services', ...argv]);
  const ready = async (): Promise<boolean> =>
    (await node.exec(['journalctl', '-q', '-o', 'cat', '-u', 'bench-services'])).includes('ready');
  await eventually('the services', ready, 20_000, 200);
}

const busyUs = (group: string): number =>
  Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(group, 'cpu.stat'), 'utf8'))?.[1]);

/** Sum over the group's processes of what each has in memory (shared pages count for each). */
function rssMb(group: string): number {
  const pids = readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
  const kb = pids.map((pid) => {
    try {
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    } catch {
      return 0; // It ended between the two looks.
    }
  });
  return kb.reduce((sum, each) => sum + each, 0) / 1024;
}

/** Lets a keeper watch `count` services every second, and measures it for `seconds` after it has settled. */
export async function costOf(node: LabNode, keeper: Keeper, count: number, seconds: number): Promise<Cost> {
  await keeper.watch(node, FIRST_PORT, count);
  const group = join(node.group, 'system.slice', `${keeper.unit}.service`);
  // Until the first code is compiled and the heap has found its size.
  await sleep(60_000);
  const [from, before] = [process.hrtime.bigint(), busyUs(group)];
  let most = 0;
  await poll(
    () => {
      most = Math.max(most, rssMb(group));
      return null;
    },
    seconds * 1000,
    1000,
  );
  const wallUs = Number(process.hrtime.bigint() - from) / 1000;
  const used = busyUs(group) - before;
  return { percent: (100 * used) / wallUs, rssMb: most, usPerLook: used / (wallUs / 1e6) / count };
}
