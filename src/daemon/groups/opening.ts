// Makes ready for the coordinator as soon as the daemon begins: its library is loaded, connections are made and records
// are read while the journal is still being folded. Nothing of it is heard before the daemon asks for it. And the gate
// before which the first checks wait meanwhile: a right that ends in a moment goes before a look that can wait.
import type { ClusterConfig } from '../../config/types.ts';
import type { Coordination, Coordinator } from '../../define.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ports } from '../../ports/ports.ts';
import { within } from '../../ports/limit.ts';

export type Records = Awaited<ReturnType<Coordination['read']>>;

export interface Opened {
  readonly coordination: Coordination;
  /** All records, as they were read at once; null: they could not be, or it is too long ago. */
  first(): Promise<Records | null>;
}

export interface OpeningDoors {
  readonly ports: Ports;
  readonly node: string;
  readonly signal: AbortSignal;
}

const CALL_MS = 3000;
/** What was read before is compared when something is written on it; what is older than this is read again. */
const FRESH_MS = 2000;

export async function openCoordinator(
  { name, options }: ClusterConfig,
  plugin: Coordinator,
  { ports, node, signal }: OpeningDoors,
): Promise<Opened> {
  const prefix = `/watchkeeper/${name}/v1/`;
  const coordination = await plugin.open({ options: options as never, ports, node, prefix });
  const { clock } = ports;
  const sentAt = clock.monotonic();
  const read = coordination.read('', within(CALL_MS, signal)).catch((): Records | null => null);
  return {
    coordination,
    async first() {
      const all = await read;
      return clock.monotonic() - sentAt <= FRESH_MS ? all : null;
    },
  };
}

/** Work that waits until it is opened, or for so long at the most; in order, and never lost. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  #open = true;
  #cancel: () => void = () => undefined;
  #tell: () => void = () => undefined;
  /** Resolves when work may pass, or never will. */
  opened: Promise<void> = Promise.resolve();

  /** From now on work waits. */
  shut(clock: Clock, mostMs: number): void {
    this.#open = false;
    this.opened = new Promise((resolve) => {
      this.#tell = resolve;
    });
    this.#cancel = clock.after(mostMs, () => this.open());
  }

  pass(work: () => void): void {
    if (this.#open) work();
    else this.#waiting.push(work);
  }

  open(): void {
    this.#cancel();
    this.#open = true;
    for (const work of this.#waiting.splice(0)) work();
    this.#tell();
  }

  /** The daemon ends: what waits is not begun any more. */
  close(): void {
    this.#cancel();
    this.#waiting.length = 0;
    this.#tell();
  }
}
