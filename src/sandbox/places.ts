// Where the sandbox keeps its things. One folder a service; everything about a service, its faults too, is in there:
//   DIR/probe-password            made once, mode 0600; the checks read it by reference
//   DIR/SERVICE/settings.json     the service's own configuration file
//   DIR/SERVICE/process.json      who runs it, written by the service itself
//   DIR/SERVICE/fault.json        what `sandbox break` asks of it
//   DIR/SERVICE/data/             spool or mail, with a size limit
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const services = ['store', 'mta', 'web'] as const;
export type ServiceName = (typeof services)[number];

/** `.state/sandbox` beside package.json: this file runs as dist/src/sandbox/places.js. */
export const defaultDir = fileURLToPath(new URL('../../../.state/sandbox', import.meta.url));

export interface Places {
  readonly home: string;
  readonly settings: string;
  /** The settings as they were before `misconfigure`. */
  readonly settingsBefore: string;
  readonly process: string;
  readonly fault: string;
  readonly data: string;
  /** What fills `data` up for `no-space`. */
  readonly ballast: string;
}

export function placesOf(dir: string, service: ServiceName): Places {
  const home = join(dir, service);
  return {
    home,
    settings: join(home, 'settings.json'),
    settingsBefore: join(home, 'settings.json.before'),
    process: join(home, 'process.json'),
    fault: join(home, 'fault.json'),
    data: join(home, 'data'),
    ballast: join(home, 'data', 'ballast'),
  };
}

export const passwordFile = (dir: string): string => join(dir, 'probe-password');
