// One folder of durable files: append with fdatasync, replace as a whole, set aside. Nothing else of the disk.
import { constants, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';

export interface Appender {
  /** Resolves when the text is on the disk. Calls are carried out in order. */
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

export interface Store {
  readonly dir: string;
  list(): readonly string[];
  /** The whole file, or null if it is not there. */
  read(name: string): Buffer | null;
  appender(name: string): Promise<Appender>;
  /** Old content or new content, never a part: write aside, fsync, rename, fsync the folder. */
  replace(name: string, text: string): Promise<void>;
  rename(from: string, to: string): void;
  remove(name: string): void;
}

/** For a plugin that keeps a file of its own in the state folder. */
export interface Stores {
  open(dir: string): Store;
}

class FileAppender implements Appender {
  readonly #file: FileHandle;
  constructor(file: FileHandle) {
    this.#file = file;
  }
  async append(text: string): Promise<void> {
    await this.#file.appendFile(text);
    await this.#file.datasync();
  }
  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Opens (and if need be makes) the folder, readable by its owner only. Throws what mkdir throws. */
export function openStore(dir: string): Store {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return {
    dir,
    list: () => readdirSync(dir).sort(),
    read(name) {
      try {
        return readFileSync(join(dir, name));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    async appender(name) {
      const file = await open(join(dir, name), 'a', 0o600);
      await syncFolder(dir);
      return new FileAppender(file);
    },
    async replace(name, text) {
      const aside = join(dir, `${name}.new`);
      const file = await open(aside, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      renameSync(aside, join(dir, name));
      await syncFolder(dir);
    },
    rename: (from, to) => renameSync(join(dir, from), join(dir, to)),
    remove: (name) => rmSync(join(dir, name), { force: true }),
  };
}

export const stores: Stores = { open: openStore };
