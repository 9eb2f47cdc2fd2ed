// The agent that managers poll, kept alive: connected to the machine's SNMP daemon, again and again, answering from
// what is known already. Nobody waits for it, and its trouble is an alarm and nothing else.
import type { AgentConfig } from '../config/types.ts';
import { clean } from '../core/clean.ts';
import { type Known, rowsOf } from '../core/mib-rows.ts';
import { type View, viewOf } from '../core/mib-view.ts';
import { AgentXRefusal, serveAgentX } from '../dialogues/agentx.ts';
import type { Ports } from '../ports/ports.ts';

export interface SubAgentDoors {
  readonly ports: Pick<Ports, 'clock' | 'log' | 'net'>;
  readonly version: string;
  /** Cheap enough to be asked once a second. */
  readonly known: () => Known;
  readonly onTrouble: (bad: boolean, detail: string) => void;
  /** The SNMP daemon was away and is back: managers take that for a new agent. */
  readonly onAgain: () => void;
  /** Without a master for so long: an alarm. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 60_000;
const FIRST_PAUSE_MS = 1000;
const FRESH_MS = 1000;
/** What is told at most a twentieth of the time: ten thousand services take a while to be listed. */
const SHARE = 20;
/** A moment that is reckoned anew to within a tenth of a second is the same moment. */
const TREMBLE = 10;

/** Answers for one session. */
function cached({ ports: { clock }, known }: SubAgentDoors, base: string): (upTime: number) => View {
  const moments = new Map<string, number>();
  const steady = (key: string, ticks: number): number => {
    const before = moments.get(key);
    if (before !== undefined && Math.abs(before - ticks) <= TREMBLE) return before;
    moments.set(key, ticks);
    return ticks;
  };
  let view: View | null = null;
  let until = 0;
  return (upTime) => {
    const now = clock.monotonic();
    if (view && now < until) return view;
    view = viewOf(base, rowsOf(known()), { upTime, steady });
    const after = clock.monotonic();
    until = after + Math.max(FRESH_MS, SHARE * (after - now));
    return view;
  };
}

export class SubAgent {
  readonly #doors: SubAgentDoors;
  #written = 'null';
  #stop: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(doors: SubAgentDoors) {
    this.#doors = doors;
  }

  /** What did not change goes on untouched. */
  configure(config: AgentConfig | null): void {
    const written = JSON.stringify(config);
    if (written === this.#written) return;
    this.#written = written;
    this.#stop?.abort();
    const before = this.#running;
    if (!config) {
      this.#stop = null;
      this.#doors.onTrouble(false, 'no agent is wanted');
      return;
    }
    const stop = new AbortController();
    this.#stop = stop;
    this.#running = before.then(() => this.#keep(config, stop.signal));
  }

  async close(): Promise<void> {
    this.#stop?.abort();
    await this.#running;
  }

  async #keep(config: AgentConfig, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#doors.ports;
    const { onTrouble, patienceMs = PATIENCE_MS } = this.#doors;
    let pause = FIRST_PAUSE_MS;
    let last = 'it did not answer yet';
    let impatient: (() => void) | null = null;
    let served = false;
    while (!signal.aborted) {
      impatient ??= clock.after(patienceMs, () => onTrouble(true, `no SNMP daemon to answer through: ${last}`));
      const reason = await this.#serve(config, signal, (refused) => {
        impatient?.();
        impatient = null;
        pause = FIRST_PAUSE_MS;
        last = '';
        log.info('snmp agent: connected');
        if (served) this.#doors.onAgain();
        served = true;
        const told = `the SNMP daemon gives this to somebody else: ${refused.join(', ')}`;
        onTrouble(refused.length > 0, refused.length > 0 ? told : 'the SNMP daemon takes our tables');
      });
      if (signal.aborted) break;
      const told = clean(reason.message, 300);
      if (told !== last) log.warn(`snmp agent: ${told}`);
      last = told;
      if (reason instanceof AgentXRefusal) onTrouble(true, told);
      await clock.sleep(pause, signal).catch(() => undefined);
      pause = Math.min(config.reconnectMs, pause * 2);
    }
    impatient?.();
  }

  async #serve(
    config: AgentConfig,
    signal: AbortSignal,
    onReady: (refused: readonly string[]) => void,
  ): Promise<Error> {
    const { ports, version } = this.#doors;
    const { master, base } = config;
    const description = `Watchkeeper ${version}`;
    try {
      return await serveAgentX(ports, {
        ...{ master, base, description, signal, onReady },
        view: cached(this.#doors, base),
      });
    } catch (error) {
      return error as Error;
    }
  }
}
