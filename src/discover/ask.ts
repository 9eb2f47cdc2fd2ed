// Asks a product's own program what its configuration says. Only programs that read are run, with a limit of time and
// of bytes. What they say on stderr is never shown: it may quote a line with a secret.
import type { Machine } from './types.ts';

const LIMIT_MS = 10_000;
const MOST_BYTES = 8 * 1024 * 1024;
/** A configuration of one product is not larger. */
const MOST_FILE = 1024 * 1024;

/** Its output, or why there is none, as a note. */
export async function ask(
  machine: Machine,
  argv: readonly string[],
): Promise<{ readonly text: string } | { readonly note: string }> {
  const { exec } = machine.ports;
  // The first of its words: some are asked for a long list of settings.
  const name = argv.slice(0, 2).join(' ');
  const got = await exec.run(argv, { timeoutMs: LIMIT_MS, maxBytes: MOST_BYTES, signal: machine.signal });
  if (got.failed !== null) return { note: `\`${name}\` cannot be run (${got.failed}): nothing was read from it` };
  if (got.timedOut) return { note: `\`${name}\` did not end in time: nothing was read from it` };
  if (got.code !== 0) return { note: `\`${name}\` ended with ${got.code ?? got.signal}: nothing was read from it` };
  if (got.truncated) return { note: `\`${name}\` says more than anybody could mean: nothing was read from it` };
  return { text: got.stdout };
}

/** A small file, or null when it is not there or not for us. */
export function readFile(machine: Machine, file: string): string | null {
  try {
    return machine.ports.files.readText(file, MOST_FILE);
  } catch {
    return null;
  }
}
