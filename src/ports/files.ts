// Small, bounded file work. Not for mail stores or spools: those are touched in child processes that nobody waits for.

export interface FileFacts {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly size: number;
  readonly kind: 'file' | 'directory' | 'socket' | 'link' | 'other';
  readonly modifiedMs: number;
}

export interface Files {
  /** Text of a small file, or null if it is not there. Throws {code} for the rest, `E2BIG` above `maxBytes`. */
  readText(path: string, maxBytes: number): string | null;
  /** lstat, or null if it is not there. */
  facts(path: string): FileFacts | null;
  list(path: string): readonly string[];
}
