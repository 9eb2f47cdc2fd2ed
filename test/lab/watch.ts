// Looks at the daemon in a node over its command line, and keeps what it said since the fault began.
import { eventually, poll } from './command.ts';
import type { LabNode } from './node.ts';
import { askJson } from './watchkeeper.ts';

interface Shown {
  readonly outcome: string;
  readonly cause: string | null;
  readonly detail: string;
}

interface Status {
  readonly services: readonly {
    readonly name: string;
    readonly phase: string;
    readonly health: string;
    readonly cause: string | null;
    readonly why: { readonly rule: string; readonly text: string };
    readonly quick: Shown | null;
    readonly deep: Shown | null;
  }[];
  readonly alarms: readonly unknown[];
}

interface Told {
  readonly seq: number;
  readonly service: string | null;
  readonly rule: string;
  readonly text: string;
  readonly phase: string | null;
}

interface Explained {
  readonly story: readonly Told[];
}

export interface Said {
  readonly service: string;
  readonly cause: string | null;
  readonly text: string;
}

export interface Repair {
  readonly service: string;
  readonly rung: string;
  readonly text: string;
}

/** Rules of the core that end a repair before anything was done. */
const HANDS_OFF = ['by-hand', 'not-safe-to-start', 'adopted'];

export class Watch {
  readonly #node: LabNode;
  readonly #said = new Map<string, Said>();
  #from = 0;
  #names: readonly string[] = [];

  constructor(node: LabNode) {
    this.#node = node;
  }

  /** From now on a new fault: what was said before does not count. */
  async begin(): Promise<void> {
    this.#said.clear();
    const status = await askJson<Status>(this.#node, ['status']);
    this.#names = status.services.map((each) => each.name);
    const stories = await this.#stories();
    this.#from = Math.max(0, ...stories.map((told) => told.seq));
  }

  /** One look: keeps each new thing that status says of a service. */
  async look(): Promise<Status> {
    const status = await askJson<Status>(this.#node, ['status']);
    for (const { name, cause, why, quick, deep, phase } of status.services) {
      const shown = [quick, deep].filter((each) => each !== null && each.outcome !== 'pass') as Shown[];
      const all = [
        { cause, text: `${phase} [${why.rule}] ${why.text}` },
        ...shown.map((each) => ({ cause: each.cause, text: each.detail })),
      ];
      for (const one of all) this.#said.set(`${name} ${one.cause} ${one.text}`, { service: name, ...one });
    }
    return status;
  }

  /** What status and explain said of a service since `begin`. */
  async said(service: string): Promise<readonly Said[]> {
    for (const told of (await this.#stories()).filter((each) => each.seq > this.#from)) {
      const cause = /\((dead|hung|refusing|misconfigured|no-space|dependency|expired|credentials|overloaded)\)/.exec(
        told.text,
      );
      const text = `${told.phase} [${told.rule}] ${told.text}`;
      const owner = told.service ?? '';
      this.#said.set(`${owner} ${text}`, { service: owner, cause: cause?.[1] ?? null, text });
    }
    return [...this.#said.values()].filter((said) => said.service === service);
  }

  /** What was said, for a failed test; sentences that differ in numbers only, once. */
  transcript(): string {
    const lines = [...this.#said.values()].map(({ service, cause, text }) => `  ${service} (${cause ?? '-'}): ${text}`);
    const kinds = new Map(lines.map((line) => [line.replace(/\d+(\.\d+)?/g, '#'), line.slice(0, 400)]));
    return [...kinds.values()].slice(-40).join('\n');
  }

  /** Waits until every service is healthy and passes. */
  async well(limitMs: number): Promise<void> {
    const good = (status: Status): boolean =>
      status.services.every(
        ({ phase, health, quick, deep }) =>
          phase === 'healthy' && health === 'ok' && quick?.outcome === 'pass' && deep?.outcome === 'pass',
      );
    try {
      await eventually('every service well', async () => good(await this.look()), limitMs, 300);
    } catch (error) {
      throw new Error(`${(error as Error).message}; it said:\n${this.transcript()}`);
    }
  }

  /** Waits until a service that is not well has been judged for good: nothing is on its way for two seconds. */
  async settled(service: string, limitMs: number): Promise<void> {
    let since = performance.now();
    const still = async (): Promise<boolean> => {
      const shown = (await this.look()).services.find((each) => each.name === service);
      const calm = shown?.health !== 'ok' && ['failed', 'waiting', 'healthy'].includes(shown?.phase ?? '');
      if (!calm) since = performance.now();
      return performance.now() - since > 2000;
    };
    await eventually(`a last word on ${service}`, still, limitMs, 300);
  }

  /** Goes on looking for so long, so that a wrong repair has its chance. */
  async quiet(ms: number): Promise<void> {
    await poll(async () => (await this.look(), null), ms, 500);
  }

  async #stories(): Promise<readonly Told[]> {
    const all: Told[] = [];
    for (const name of this.#names) {
      const { story } = await askJson<Explained>(this.#node, ['explain', name]);
      all.push(...story.filter((told) => told.service === name));
    }
    return all;
  }

  /** Repairs that were carried out since `begin`. One that looked first and then left it alone is none. */
  async repairs(): Promise<readonly Repair[]> {
    const fresh = (await this.#stories()).filter((told) => told.seq > this.#from);
    return fresh.flatMap((told, index) => {
      if (told.rule !== 'repair') return [];
      const end = fresh.slice(index + 1).find((later) => later.service === told.service && later.rule !== 'repair');
      if (end && HANDS_OFF.includes(end.rule)) return [];
      const rung = /; (\S+)[^;]*, attempt \d+ of \d+$/.exec(told.text)?.[1] ?? '?';
      return [{ service: told.service ?? '', rung, text: told.text }];
    });
  }
}
