// How the program that looks through new lines of a log is started (log-scan-probe.ts). It starts nothing itself.
import { fileURLToPath } from 'node:url';

/** Where the last look ended: in which file, and at which byte. */
export interface LogPlace {
  /** Device and inode: a rotated file keeps them under its new name. */
  readonly file: string;
  readonly offset: number;
}

/** What the probe reads from its input, as JSON. */
export interface LogQuestion {
  readonly path: string;
  readonly pattern: string;
  readonly ignore: string | null;
  readonly anyCase: boolean;
  /** Null: nothing was looked at yet, and nothing old is of interest. */
  readonly from: LogPlace | null;
  readonly maxBytes: number;
}

/** What it prints, as one line of JSON; it ends with 0 whatever it found. */
export type LogAnswer =
  | {
      readonly ok: true;
      readonly place: LogPlace;
      readonly lines: number;
      readonly matches: number;
      /** The newest line that matched, cut. */
      readonly last: string;
      /** Bytes that were passed over, because more came than may be read in one look. */
      readonly skipped: number;
    }
  | { readonly ok: false; readonly code: string };

const PROBE = fileURLToPath(import.meta.url).replace(/log-scan\.(js|ts)$/, 'log-scan-probe.$1');

/** argv of the probe. The mark is not read: by it the child is found in the table of processes. */
export const scanArgv = (mark: string): readonly string[] => [process.execPath, PROBE, mark];
