// Runs the step `address` inside a network namespace for a test: one JSON line in, one out. `do undo hold probe
// ready`, each with how long the right lasts from now on; `stop` ends it.
import { createInterface } from 'node:readline';
import type { Ports, StepContext } from '../../src/define.ts';
import { openAddresses } from '../../src/ports/addresses.ts';
import { clock } from '../../src/ports/clock.ts';
import { frames } from '../../src/ports/frames.ts';
import { openPacketFilter } from '../../src/ports/packet-filter.ts';
import address from '../../src/switchover/address.ts';

interface Order {
  readonly op: 'do' | 'undo' | 'hold' | 'probe' | 'ready';
  readonly options: object;
  readonly forMs: number;
  readonly planned?: boolean;
}

/** While there is a file of this name, what would set an address is on its way. */
const waits = process.env['IP_WAITS'];
const slow = `while read -r line; do
  case $line in addr\\ replace*) while [ -e ${waits} ]; do sleep 0.005; done ;; esac
  echo "$line"
done | ip "$@"`;
const addresses = openAddresses(waits ? ['sh', '-c', slow, 'sh'] : undefined);
const packets = openPacketFilter({ pid: process.pid });
const ports = { addresses, clock, frames: frames(), packets } as unknown as Ports;
const memory = new Map<string, unknown>();
let until = Number.NEGATIVE_INFINITY;

const context = (order: Order): StepContext<never> => ({
  options: address.options.parse(order.options) as never,
  ...{ ports, signal: AbortSignal.timeout(5000), node: 'n1', group: 'mail', step: 'address', to: 'n1', from: null },
  lease: { epoch: 1, untilMs: () => until },
  ...{ planned: order.planned ?? false, words: {}, services: {} as never, memory, stateDir: '/nonexistent' },
  progress: () => undefined,
});

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'stop') break;
  const order = JSON.parse(line) as Order;
  until = clock.monotonic() + order.forMs;
  const what = context(order);
  const result = order.op === 'undo' ? await address.undo(what, { force: false }) : await address[order.op]?.(what);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
addresses.close();
packets.close();
