// How the program that asks a disk the hard question is started (disk-probe.ts). It starts nothing itself.
import { fileURLToPath } from 'node:url';

/** What the probe reads from its input, as JSON. */
export interface DiskQuestion {
  readonly folder: string;
  readonly samples: number;
  readonly bytes: number;
}

/** What it prints, as one line of JSON; it ends with 0 whatever it found. */
export type DiskAnswer =
  | { readonly ok: true; readonly samplesMs: readonly number[] }
  | { readonly ok: false; readonly code: string; readonly doing: string };

const PROBE = fileURLToPath(import.meta.url).replace(/disk\.(js|ts)$/, 'disk-probe.$1');

/** argv of the probe. The mark is not read: by it the child is found in the table of processes. */
export const probeArgv = (mark: string): readonly string[] => [process.execPath, PROBE, mark];
