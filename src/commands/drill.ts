// `drill GROUP`: over and back, each step shown as it is done, and the verdict. `drill GROUP --list`: the newest ones.
import { clean } from '../core/clean.ts';
import { durationMs } from '../define.ts';
import type { Drill } from '../daemon/groups/cluster-view.ts';
import { type Clock, clock as realClock } from '../ports/clock.ts';
import { ask, body, ClientError, socketOf } from './client.ts';
import { watchSteps } from './follow.ts';
import type { Ask } from './groups.ts';
import { EXIT, type Io } from './io.ts';
import { by } from './operate.ts';
import type { Common } from './telling.ts';

export interface DrillOptions extends Common {
  readonly to?: string;
  readonly yes?: boolean;
  readonly list?: boolean;
  readonly timeout?: string;
}

export async function drill(
  group: string,
  options: DrillOptions,
  io: Io,
  person: Ask,
  clock: Clock = realClock,
): Promise<number> {
  const socket = socketOf(io, options.socket);
  const path = `/api/v1/groups/${encodeURIComponent(group)}`;
  const held = async (): Promise<readonly Drill[]> =>
    (await body<{ readonly drills: readonly Drill[] }>(ask(socket, 'GET', `${path}/drills`))).drills;
  if (options.list) return list(await held(), options, io);
  const timeoutMs = durationMs(options.timeout ?? '30m');
  if (timeoutMs === null) throw new ClientError(EXIT.usage, `--timeout ${options.timeout}: a duration such as 5m`);
  const request = (dryRun: boolean): Promise<{ readonly id: string | null; readonly text: string }> =>
    body(ask(socket, 'POST', `${path}/drill`, { to: options.to ?? null, by: by(io), dryRun }));
  const foreseen = await request(true);
  if (options.dryRun) {
    io.out(options.output === 'json' ? `${JSON.stringify(foreseen)}\n` : `${clean(foreseen.text, 300)}\n`);
    io.err('nothing was changed (--dry-run)\n');
    return EXIT.done;
  }
  if (!options.yes) {
    if (!person) throw new ClientError(EXIT.usage, 'there is no terminal to ask on: --yes says that it is meant');
    if (!(await person(`a drill of ${group}, over and back, now? [y/N] `))) return EXIT.failed;
  }
  const { id } = await request(false);
  const mine = async (): Promise<Drill | null> => (await held()).find((one) => one.id === id && one.ended) ?? null;
  const ended = await watchSteps({ socket, group, timeoutMs, clock }, io, mine);
  if (!ended) {
    io.err('it goes on; nobody waits for it any longer here\n');
    return EXIT.timedOut;
  }
  io.out(options.output === 'json' ? `${JSON.stringify({ schemaVersion: 1, ...ended })}\n` : `${line(ended)}\n`);
  return ended.ok ? EXIT.done : EXIT.failed;
}

const line = ({ at, from, to, by: who, ok, ended, text }: Drill): string => {
  const verdict = ended ? (ok ? 'passed' : 'FAILED') : 'not over';
  const way = `${clean(from, 60)} to ${clean(to, 60)} and back, by ${clean(who, 60)}`;
  return `${clean(at, 40)} ${way}: ${verdict}: ${clean(text, 300)}`;
};

function list(drills: readonly Drill[], { output }: DrillOptions, io: Io): number {
  if (output === 'json') io.out(`${JSON.stringify({ schemaVersion: 1, drills }, null, 2)}\n`);
  else if (drills.length === 0) io.out('no drill was held\n');
  else for (const one of drills) io.out(`${line(one)}\n`);
  return EXIT.done;
}
