// Writes a file that is not there yet: the whole of it at once, or not at all, and never over another one.
import { linkSync, mkdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** `exists`: somebody has made it meanwhile, and it was left alone. Throws what the file system says to the rest. */
export async function writeNew(path: string, text: string, mode: number): Promise<'written' | 'exists'> {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const aside = join(folder, `.${basename(path)}.${process.pid}.new`);
  rmSync(aside, { force: true });
  const file = await open(aside, 'wx', mode);
  try {
    await file.chmod(mode); // Whatever the umask is.
    await file.writeFile(text);
    await file.sync();
    // A link is made only where nothing is; a rename would take the place of what is there.
    linkSync(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'exists';
    throw error;
  } finally {
    await file.close();
    rmSync(aside, { force: true });
  }
  const opened = await open(folder, 'r');
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
  return 'written';
}
