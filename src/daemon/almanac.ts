// What the calendar says to the core: quiet hours begin, planned maintenance begins, and the heartbeat.
import type { Config, HoursConfig } from '../config/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Calendar } from './calendar.ts';
import type { Incoming } from './loop.ts';

export interface AlmanacDoors {
  readonly now: () => number;
  readonly push: (event: Incoming) => void;
}

const PLAN = 'the calendar';

export class Almanac {
  readonly #calendar: Calendar;
  readonly #clock: Clock;
  readonly #doors: AlmanacDoors;
  #beat: () => void = () => undefined;
  #beatMs: number | null = null;

  constructor(calendar: Calendar, clock: Clock, doors: AlmanacDoors) {
    this.#calendar = calendar;
    this.#clock = clock;
    this.#doors = doors;
  }

  configure({ quietHours = {}, maintenance = {}, policy }: Config): void {
    const { push } = this.#doors;
    this.#hours('quiet/', quietHours, (name, until) => push({ kind: 'quiet', name, until }));
    this.#hours('maintenance/', maintenance, (name, until) => {
      const { services = [], comment = '' } = maintenance[name] ?? {};
      push({ kind: 'maintained', name, services, until, by: PLAN, comment });
    });
    const beatMs = policy.routing?.heartbeat?.everyMs ?? null;
    if (beatMs === this.#beatMs) return;
    this.#beat();
    this.#beatMs = beatMs;
    if (beatMs !== null) this.#next(beatMs);
  }

  #hours(
    prefix: string,
    all: Readonly<Record<string, HoursConfig>>,
    open: (name: string, until: number) => void,
  ): void {
    this.#calendar.keep(
      prefix,
      Object.keys(all).map((name) => `${prefix}${name}`),
    );
    for (const [name, hours] of Object.entries(all))
      this.#calendar.hours(`${prefix}${name}`, hours, (untilWall) =>
        // The wall clock says when; from then on the daemon's own timeline counts.
        open(name, this.#doors.now() + Math.max(0, untilWall - this.#clock.wall())),
      );
  }

  #next(everyMs: number): void {
    this.#beat = this.#clock.after(everyMs, () => {
      this.#doors.push({ kind: 'heartbeat' });
      this.#next(everyMs);
    });
  }

  close(): void {
    this.#beat();
  }
}
