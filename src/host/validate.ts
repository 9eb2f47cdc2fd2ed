// The service's own word on its configuration, before anything is started with it.
import type { ActionResult } from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import { clean, troubleLine } from './text.ts';

const LIMIT_MS = 10_000;

/** Not ok only if the program ran and said no. One that cannot be run says nothing about the configuration. */
export async function validateBy(
  ports: Ports,
  argv: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<ActionResult> {
  if (!argv) return { ok: true, detail: 'nothing validates its configuration' };
  const name = clean(argv.join(' '));
  const got = await ports.exec.run(argv, { timeoutMs: LIMIT_MS, signal });
  if (got.failed)
    return { ok: true, detail: `its configuration was not validated: "${name}" cannot be run (${got.failed})` };
  if (got.code === null)
    return { ok: true, detail: `its configuration was not validated: "${name}" did not end in time` };
  if (got.code === 0) return { ok: true, detail: `"${name}" found nothing wrong` };
  const said = troubleLine(got.stderr, got.stdout);
  return {
    ok: false,
    cause: 'misconfigured',
    detail: `"${name}" says ${said ? `"${said}"` : `no (exit code ${got.code})`}`,
  };
}
