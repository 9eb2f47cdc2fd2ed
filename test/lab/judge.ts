// Asks the judge on the client: does this node do what a user wants? See truth.ts.
import { join } from 'node:path';
import type { Lab } from './lab.ts';
import type { MailNode } from './mail-node.ts';
import { repository } from './repository.ts';

export interface Truth {
  readonly mail: string;
  readonly certificate: string;
  readonly page: string;
  readonly resolver: string;
}

/** Each part is `ok` or says what is wrong. */
export async function judge(lab: Lab, mail: MailNode, limitMs = 10_000): Promise<Truth> {
  const program = join(repository, 'dist/test/lab/truth.js');
  const argv = [process.execPath, program, mail.node.address, mail.authority, String(limitMs)];
  const got = await lab.client(argv, { timeoutMs: limitMs + 5000 });
  if (!got.stdout) throw new Error(`the judge said nothing: ${got.stderr.slice(0, 500)}`);
  return JSON.parse(got.stdout) as Truth;
}

export const WELL: Truth = { mail: 'ok', certificate: 'ok', page: 'ok', resolver: 'ok' };
