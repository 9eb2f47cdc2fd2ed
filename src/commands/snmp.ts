// `watchkeeper snmp engine-id` and `watchkeeper mib`: what a receiver of notifications must know of this node.
import { resolve } from 'node:path';
import { mib } from '../core/mib.ts';
import { isBase } from '../core/snmp.ts';
import { firstKnown, identityIn, registeredId, setKnown } from '../dialogues/snmp-engine.ts';
import { openStore } from '../ports/store.ts';
import { EXIT, type Io } from './io.ts';

export interface EngineIdOptions {
  readonly folder: string;
  readonly registered?: boolean;
  readonly output: 'table' | 'json';
}

/** Prints the id that v3 traps carry, and makes it where there is none yet: so it can be registered before the first
 *  start. `--registered`: receivers know this one now. */
export async function engineId({ folder, registered, output }: EngineIdOptions, io: Io): Promise<number> {
  try {
    const store = openStore(resolve(folder));
    const { id, boots } = await identityIn(store);
    if (registered === true) await setKnown(store, id);
    else await firstKnown(store, id);
    const known = registeredId(store);
    if (output === 'json')
      io.out(
        `${JSON.stringify({ schemaVersion: 1, engineId: `0x${id}`, boots, registered: known === id }, null, 2)}\n`,
      );
    else io.out(`0x${id}\n`);
    if (known !== id && output !== 'json')
      io.err(
        `watchkeeper: it is new${known ? ` instead of 0x${known}` : ''}, and v3 traps are dropped where only the old one ` +
          'is registered. When it is registered everywhere: watchkeeper snmp engine-id --registered\n',
      );
    return EXIT.done;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    io.err(`watchkeeper: ${(error as Error).message}\n`);
    return EXIT.notAllowed;
  }
}

export function printMib({ base }: { readonly base?: string }, io: Io): number {
  if (base !== undefined && !isBase(base)) {
    io.err(
      'watchkeeper: --base: expected an object identifier in numbers below 1.3.6.1.4.1, such as 1.3.6.1.4.1.32473.1\n',
    );
    return EXIT.usage;
  }
  io.out(mib(base));
  return EXIT.done;
}
