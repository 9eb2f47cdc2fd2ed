// `maintenance NODE --on|--off [--move]`: keeps groups away from a node while somebody works on it, and with --move
// brings those that it has to others first. The daemon decides where they go.
import { clean } from '../core/clean.ts';
import { type Clock, clock as realClock } from '../ports/clock.ts';
import { ask, body, ClientError, socketOf } from './client.ts';
import { type Ask, move } from './groups.ts';
import { EXIT, type Io } from './io.ts';
import { by } from './operate.ts';
import type { Common } from './telling.ts';

export interface NodeOptions extends Common {
  readonly on?: boolean;
  readonly off?: boolean;
  readonly move?: boolean;
  readonly yes?: boolean;
  readonly comment?: string;
}

interface Said {
  readonly node: string;
  readonly owns: readonly string[];
}

export async function nodeMaintenance(
  node: string,
  options: NodeOptions,
  io: Io,
  person: Ask,
  clock: Clock = realClock,
): Promise<number> {
  const { on = false, off = false, dryRun = false, comment = '' } = options;
  if (on === off) throw new ClientError(EXIT.usage, `maintenance ${node}: --on or --off`);
  if (options.move && off) throw new ClientError(EXIT.usage, '--move goes with --on');
  const path = `/api/v1/nodes/${encodeURIComponent(node)}/maintenance`;
  const words = { on, by: by(io), comment, dryRun };
  const said = await body<Said>(ask(socketOf(io, options.socket), 'POST', path, words));
  if (options.output === 'json') io.out(`${JSON.stringify(said)}\n`);
  else io.out(`${clean(node, 60)} is ${on ? '' : 'not '}in maintenance${on ? '' : ' any more'}\n`);
  if (dryRun) io.err('nothing was changed (--dry-run)\n');
  if (!on) return EXIT.done;
  if (options.move !== true) {
    for (const group of said.owns) io.err(`${clean(group, 60)} is still in service there: --move brings it away\n`);
    return EXIT.done;
  }
  let worst: number = EXIT.done;
  for (const group of said.owns) {
    const remark = comment === '' ? `${node} is in maintenance` : comment;
    // Where one cannot leave the others still may.
    const code = await move('switchover', group, { ...options, comment: remark }, io, person, clock);
    if (worst === EXIT.done) worst = code;
  }
  return worst;
}
