// Secrets by reference: `file:/path`, `env:NAME`, `credential:NAME` (systemd LoadCredential). Read at use, never kept
// in the configuration, never printed.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

export interface Secrets {
  /** The value, without a trailing newline. Throws an Error whose text names the reference, never the value. */
  read(reference: string): string;
}

const MAX_BYTES = 65_536;
/** Read or write for the group, or for everybody. */
const OPEN_TO_OTHERS = 0o066;

/** One small file. `strict`: it must belong to root or to us, and nobody else may read or write it. */
function readFile(reference: string, path: string, strict: boolean): string {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new Error(`secret ${reference} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'EIO'}`);
  }
  try {
    const { mode, uid, size } = fstatSync(file);
    if (!fstatSync(file).isFile()) throw new Error(`secret ${reference} is refused: not a plain file`);
    if (strict && (mode & OPEN_TO_OTHERS) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      throw new Error(`secret ${reference} is refused: mode ${shown} lets others read or write it; use 0600`);
    }
    if (strict && uid !== 0 && uid !== process.geteuid?.()) {
      throw new Error(`secret ${reference} is refused: it belongs to user ${uid}`);
    }
    if (size > MAX_BYTES) throw new Error(`secret ${reference} is refused: larger than ${MAX_BYTES} bytes`);
    const buffer = Buffer.alloc(MAX_BYTES);
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, MAX_BYTES, 0));
  } finally {
    closeSync(file);
  }
}

function raw(reference: string, environment: Readonly<Record<string, string | undefined>>): string {
  const colon = reference.indexOf(':');
  const name = reference.slice(colon + 1);
  switch (reference.slice(0, Math.max(colon, 0))) {
    case 'file':
      return readFile(reference, name, true);
    case 'env': {
      const value = environment[name];
      if (value === undefined) throw new Error(`secret ${reference} cannot be read: no such variable`);
      return value;
    }
    case 'credential': {
      const folder = environment['CREDENTIALS_DIRECTORY'];
      if (!folder) throw new Error(`secret ${reference} cannot be read: the daemon was started without credentials`);
      if (!/^[A-Za-z0-9_.-]+$/.test(name) || name.startsWith('.'))
        throw new Error(`secret ${reference} is refused: bad name`);
      // systemd guards that folder itself, and shows its access lists as group bits.
      return readFile(reference, join(folder, name), false);
    }
    default:
      throw new Error('a secret reference begins with file:, env: or credential:');
  }
}

/** The door to secrets. The environment is handed in: only main.ts reads the process's own. */
export function secretsFrom(environment: Readonly<Record<string, string | undefined>>): Secrets {
  return {
    read(reference) {
      const value = raw(reference, environment).replace(/\r?\n$/, '');
      if (value === '') throw new Error(`secret ${reference} is empty`);
      if (value.includes('\0')) throw new Error(`secret ${reference} is refused: it holds a zero byte`);
      return value;
    },
  };
}
