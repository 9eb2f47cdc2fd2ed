// A thousand masters that hang up: what is left of them.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fakeMaster } from '../support/agentx-master.ts';
import { until } from '../support/server.ts';
import { subAgent } from '../support/sub-agent.ts';

const test = suite('agent of the daemon, again and again');

test('a thousand sessions leave nothing behind', async () => {
  const master = await fakeMaster();
  const { it, troubles, configure } = subAgent(1000);
  configure(master.port);
  const handles = (): number => process.getActiveResourcesInfo().length;
  const sizes: number[] = [];
  let base = 0;
  for (let life = 1; life <= 1000; life++) {
    await until('connected', () => troubles.length >= life, 30_000);
    if (life === 100) base = handles();
    if (life % 100 === 0) {
      globalThis.gc?.();
      sizes.push(process.memoryUsage().heapUsed);
    }
    master.drop();
  }
  assert.ok(handles() <= base + 10, `${handles()} handles, ${base} before`);
  const growth = (sizes.at(-1) ?? 0) - (sizes[2] ?? 0);
  assert.ok(growth < 20_000_000, `${growth} bytes more`);
  await it.close();
  await master.stop();
});

test.run();
