// `watchkeeper sandbox break|heal|list|stop`: faults on purpose, for learning and for drills. Works on the files and
// processes of the sandbox only, with or without a daemon. Exit codes: 0 done, 1 not possible now, 64 usage.
import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { durationMs } from '../define.ts';
import {
  breakService,
  healService,
  type How,
  hows,
  look,
  lookAll,
  type Seen,
  stopAll,
  type Told,
} from '../sandbox/break.ts';
import { defaultDir, type ServiceName, services } from '../sandbox/places.ts';
import type { Io } from './io.ts';

/** Prints lines. */
interface Say {
  out(line: string): void;
  err(line: string): void;
}

/** What the checks should say of each fault, and what should come of it. */
const watchFor: Readonly<Record<How, string>> = {
  kill: 'its death is noticed at once, cause dead, and it is started again',
  hang: 'the QuickCheck gets no answer in time, cause hung, and it is killed and started again',
  refuse: 'the QuickCheck is refused, cause refusing, and it is restarted',
  slow: 'the QuickCheck gets no answer in time, cause hung, and it is restarted',
  'no-space': 'the DeepCheck finds no space; no restart would help, so none is tried: an alarm tells why',
  misconfigure: 'the repair reads the settings first, finds them bad and starts nothing: an alarm tells why',
  loop: 'each rung of the ladder is tried, none helps, and it gives up loudly',
};

/** Nobody restarts these away. */
const untilHealed: readonly How[] = ['no-space', 'misconfigure', 'loop'];

function serviceName(text: string): ServiceName {
  const found = services.find((name) => name === text);
  if (!found) throw new InvalidArgumentError(`Services are: ${services.join(', ')}.`);
  return found;
}

function delay(text: string): number {
  const ms = durationMs(text);
  if (ms === null || ms < 1 || ms > 600_000) throw new InvalidArgumentError('Give a duration such as 800ms or 10s.');
  return ms;
}

function table(seen: readonly Seen[]): string {
  const rows = seen.map((one) => [
    one.service,
    String(one.pid ?? '-'),
    one.life,
    one.faults.length > 0 ? one.faults.join(', ') : '-',
  ]);
  const all = [['SERVICE', 'PID', 'PROCESS', 'FAULTS'], ...rows];
  return all.map((row) => row.map((cell, at) => (at < 3 ? cell.padEnd(10) : cell)).join('')).join('\n');
}

function next(service: ServiceName, how: How): string {
  const heal = `npx watchkeeper sandbox heal ${service}`;
  return [
    `  expect:   ${watchFor[how]}`,
    `  see why:  npx watchkeeper explain ${service}`,
    untilHealed.includes(how) ? `  it stays so until:  ${heal}` : `  undo it yourself:   ${heal}`,
  ].join('\n');
}

/** Tells one result, and returns the exit code. */
function tell(io: Say, told: Told): number {
  if (told.ok) io.out(told.text);
  else io.err(told.text);
  return told.ok ? 0 : 1;
}

interface Where {
  readonly dir: string;
}

function addBreak(root: Command, io: Say, where: () => Where, exit: (code: number) => void): void {
  root
    .command('break')
    .description('break a service on purpose')
    .argument('<service>', services.join(', '), serviceName)
    .addOption(new Option('--how <fault>', 'what to do to it').choices(hows).makeOptionMandatory())
    .option('--delay <duration>', 'for slow: how late it greets', delay, 10_000)
    .action(async (service: ServiceName, options: { how: How; delay: number }) => {
      if (service === 'web' && options.how === 'no-space') {
        io.err('web keeps nothing on disk; choose store or mta');
        return exit(64);
      }
      const told = await breakService(where().dir, service, options.how, options.delay);
      exit(tell(io, told));
      if (told.ok) io.out(next(service, options.how));
    });
}

function addOthers(root: Command, io: Say, where: () => Where, exit: (code: number) => void): void {
  root
    .command('heal')
    .description('undo every fault of one service, or of all')
    .argument('[service]', services.join(', '), serviceName)
    .action(async (service?: ServiceName) => {
      let code = 0;
      for (const one of service ? [service] : services) {
        code = Math.max(code, tell(io, await healService(where().dir, one)));
        if (look(where().dir, one).life === 'dead') io.out(`  given up already?  npx watchkeeper reset ${one}`);
      }
      exit(code);
    });
  root
    .command('list')
    .description('what runs, and what is broken')
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['table', 'json']).default('table'))
    .action((options: { output: string }) => {
      const seen = lookAll(where().dir);
      io.out(options.output === 'json' ? JSON.stringify({ schemaVersion: 1, services: seen }) : table(seen));
      exit(0);
    });
  root
    .command('stop')
    .description('end all services of the sandbox; a daemon that runs would start them again')
    .action(async () => {
      const told = await stopAll(where().dir);
      exit(Math.max(0, ...told.map((one) => tell(io, one))));
    });
}

/** The tree of commands. `exit` is given the code when one is done. */
function sandboxCommand(io: Say, exit: (code: number) => void): Command {
  const root = new Command('sandbox')
    .description('break and heal the small services of `npm start`')
    .option('--dir <folder>', 'where the sandbox keeps its things', defaultDir);
  const where = (): Where => ({ dir: resolve(root.opts<Where>().dir) });
  root
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.out(text.trimEnd()), writeErr: (text) => io.err(text.trimEnd()) });
  addBreak(root, io, where, exit);
  addOthers(root, io, where, exit);
  for (const command of root.commands) command.copyInheritedSettings(root);
  return root;
}

/** Runs the words after `watchkeeper sandbox`, and returns the exit code. */
export async function runSandbox(words: readonly string[], io: Pick<Io, 'out' | 'err'>): Promise<number> {
  let code = 0;
  const say: Say = { out: (line) => io.out(`${line}\n`), err: (line) => io.err(`${line}\n`) };
  const root = sandboxCommand(say, (given) => {
    code = given;
  });
  try {
    await root.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : 64;
  }
  return code;
}
