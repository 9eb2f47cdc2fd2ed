// The verbs about groups: their arguments and options. Each is loaded when it is called.
import type { Command } from 'commander';
import type { Ask } from './groups.ts';
import type { Io } from './io.ts';

export interface VerbDoors {
  verb(name: string, about: string): Command;
  end(code: number): void;
  readonly io: Io;
  /** Somebody at a terminal who can be asked; null: nobody is. */
  person(): Ask;
  /** Where the configuration is by default. */
  readonly config: string;
}

export function groupVerbs({ verb, end, io, person, config }: VerbDoors): void {
  /** A verb that moves a group. */
  const mover = (name: 'switchover' | 'failover', about: string): Command =>
    verb(name, about)
      .argument('<group>')
      .option('--to <node>', 'this node; else the best that is ready')
      .option('--at <time>', 'not now: at 03:30, or an RFC 3339 time; the cluster keeps it')
      .option('--cancel', 'forget the move that waits for its time')
      .option('--yes', 'do it without asking')
      .option('--comment <text>', 'why')
      .option('--timeout <duration>', 'how long to wait for its end; it goes on all the same', '10m')
      .option('--force-failed', 'also to a node that could not bring it up of late')
      .option('--force-capacity', 'also to a node that carries enough already')
      .action(async (group: string, options) => {
        const { forced, move } = await import('./groups.ts');
        end(await move(name, group, { ...options, force: forced(options) }, io, person()));
      });
  mover('switchover', 'move a group to another node, in order: nothing is lost');
  mover('failover', 'take a group over from a node that is silent, or move it at once')
    .option('--force-data-loss', 'also with a copy that is behind: what did not arrive is lost')
    .option('--force-block', 'also soon after another failover that nobody acknowledged')
    .option('--force-site', 'also to another site while this one lives');
  verb('confirm', 'yes to the failover that a person is asked about')
    .argument('<group>')
    .option('--no', 'it stays down')
    .action(async (group: string, options: { output: 'table' | 'json'; no?: boolean }) =>
      end(await (await import('./groups.ts')).confirm(group, options, io)),
    );

  verb('drill', 'a group goes to another node and back, measured; refused while anything else is the matter')
    .argument('<group>')
    .option('--to <node>', 'over to this node; else the best that is ready')
    .option('--yes', 'do it without asking')
    .option('--list', 'the newest drills and what came of them')
    .option('--timeout <duration>', 'how long to wait for its end; it goes on all the same', '30m')
    .action(async (group: string, options) =>
      end(await (await import('./drill.ts')).drill(group, options, io, person())),
    );
  verb('preflight', 'look for what would go wrong when a group moves: 0 all is well, 1 warnings, 2 errors')
    .argument('[group]', 'only what concerns this group')
    .option('--config <file>', 'the configuration', config)
    .option('--fix', 'mend what can be mended; each act is printed before it is done')
    .option('--yes', 'mend without asking')
    .option('--list', 'only say what is looked at')
    .option('--all', 'show also what is well or could not be asked')
    .action(async (group: string | undefined, options) => {
      const { preflight } = await import('./preflight.ts');
      end(await preflight({ ...options, group: group ?? null }, io, person()));
    });
  verb('replication', 'how far the copies of a group are behind; suspend, resume or make anew')
    .argument('<group>')
    .argument('[verb]', 'suspend, resume or reseed; without it: show')
    .option('--source <name>', 'only this one')
    .option('--yes', 'do it without asking')
    .action(async (group: string, what: string | undefined, options) => {
      const { replication } = await import('./replication.ts');
      end(await replication(group, what ?? null, options, io, person()));
    });
}
