// argv → command. The only place that reads argv and env, and that exits. Each command is loaded when it is called, so
// that the command line starts at once.
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { ClientError } from './commands/client.ts';
import { groupVerbs } from './commands/group-verbs.ts';
import { EXIT, type Io } from './commands/io.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  isTty: process.stdout.isTTY === true,
  width: process.stdout.columns ?? 120,
};

const DEFAULT_CONFIG = '/etc/watchkeeper/watchkeeper.yaml';

/** A question on the terminal; everything but a clear yes is no. */
async function askPerson(question: string): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  const answer = await Promise.race([lines.question(question), closed]);
  lines.close();
  return /^(y|yes)$/i.test(answer.trim());
}

let exitCode: number = EXIT.done;
// Who reads us may have seen enough (`| head`): then there is nobody left to tell.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });

const end = (code: number): void => {
  exitCode = code;
};

const program = new Command('watchkeeper')
  .description('keeps services working, mail first: checks, repairs, tells why')
  .version(version)
  .exitOverride()
  .showSuggestionAfterError()
  .configureHelp({ sortSubcommands: false });

const OUTPUTS = ['table', 'json', 'nagios'];
const output = (): Option =>
  new Option('-o, --output <format>', 'how to show it').choices(['table', 'json']).default('table');
const client = (name: string, about: string): Command =>
  program
    .command(name)
    .description(about)
    .addOption(output())
    .option('--socket <path>', 'control socket of the daemon');
/** A verb that changes something. */
const verb = (name: string, about: string): Command =>
  client(name, about).option('--dry-run', 'only say what would be done; nothing is changed, journalled or told');

program
  .command('run')
  .description('run the daemon')
  .option('--config <file>', 'the configuration', DEFAULT_CONFIG)
  .option('--live', 'show a live table on the terminal')
  .option('--observe', 'look, alert and record what would be done; repair nothing')
  .addOption(new Option('--log-level <level>', "of the daemon's own log").choices(['debug', 'info', 'warn', 'error']))
  .action(async (options: { config: string }) => {
    const { run } = await import('./commands/run.ts');
    const { resolve } = await import('node:path');
    end(
      await run({ ...options, config: resolve(options.config) }, io, {
        pid: process.pid,
        uid: process.getuid?.() ?? null,
        version,
        stdout: process.stdout,
        stderr: process.stderr,
        on: (signal, react) => void process.on(signal, react),
      }),
    );
  });

program
  .command('init')
  .description('discover the products of this machine, and write a configuration for them')
  .option('--config <file>', 'where it goes; a file that is there is only compared', DEFAULT_CONFIG)
  .option('--yes', 'write it without asking')
  .option('--dry-run', 'only show it')
  .addOption(output())
  .action(async (options: { config: string; output: 'table' | 'json' }) => {
    const { init } = await import('./commands/init.ts');
    const { resolve } = await import('node:path');
    const confirm = io.isTty && process.stdin.isTTY === true ? askPerson : null;
    end(await init({ ...options, config: resolve(options.config) }, io, { uid: process.getuid?.() ?? null, confirm }));
  });

program
  .command('config')
  .description('check, show, schema, diff, routes: what a configuration says')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[words...]')
  .action(async (words: string[]) => end(await (await import('./commands/config.ts')).run(words, io)));

program
  .command('plugin')
  .description('test, new, list: plugins of your own')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[words...]')
  .action(async (words: string[]) => end(await (await import('./commands/plugin.ts')).run(words, io)));

const kits = program.command('kits').description('the products that it knows, as data');
kits
  .command('list')
  .description('every kit: its product, by what it is found, what must be set')
  .addOption(output())
  .action(async (options) => end(await (await import('./commands/kits.ts')).list(options, io)));
kits
  .command('show')
  .description('one kit: parameters, checks, ladder, and what a person does')
  .argument('<name>')
  .addOption(output())
  .action(async (name: string, options) => end(await (await import('./commands/kits.ts')).show(name, options, io)));

const cluster = program.command('cluster').description('certificates: what a cluster needs before it begins');
cluster
  .command('certificates')
  .description('an authority, and a key and a certificate for each node, made by openssl')
  .requiredOption('--nodes <names>', 'n1,n2 or, with the addresses of their paths, n1=10.0.0.1+10.1.0.1,n2=…')
  .requiredOption('--out <dir>', 'where they go; an authority that is there signs the new ones')
  .option('--days <number>', 'how long those of the nodes hold', '825')
  .option('--renew', 'make new ones in the place of those that are there')
  .action(async (given) => end(await (await import('./commands/cluster.ts')).certificates(given, io)));

client('status', 'how every service is; exit code as a Nagios plugin').action(async (options) =>
  end(await (await import('./commands/status.ts')).run(options, io)),
);

const together = (word: string, before: readonly string[]): readonly string[] => [...before, word];
/** A service that no daemon and no file knows, for `check` and `manage`. */
const guest = (command: Command): Command =>
  command
    .option('--kit <kit>', 'without a daemon: a kit that ships, or the file of one (with a slash in it)')
    .option('--unit <unit>', 'the systemd unit, of the kit or alone')
    .option('--host <host>', 'ask over the network only; what is seen on the machine itself is left out')
    .option('--set <key=value>', 'a parameter of the kit, or an option of the check; repeat it', together, [])
    .option('--skip <check>', 'leave out this check of the kit; repeat it', together, [])
    .option('--timeout <duration>', 'how long it may take: 10s, or seconds');

guest(
  program
    .command('check')
    .description('ask a service now; exit code as a Nagios plugin')
    .argument('[service]', 'the daemon asks it; without one: --kit, --type or --unit')
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(OUTPUTS).default('table'))
    .option('--socket <path>', 'control socket of the daemon')
    .option('--quick', 'the QuickCheck (default)')
    .addOption(new Option('--deep', 'the DeepCheck, with the steps of its dialogue').conflicts('quick'))
    .option('--type <check>', 'without a daemon: a single check, or the file of your own (.js)'),
).action(async (service: string | undefined, options) => {
  const depth = options.deep ? 'deep' : 'quick';
  const named = service === undefined ? {} : { service };
  end(await (await import('./commands/check.ts')).run({ ...options, ...named, depth }, io));
});

guest(
  program
    .command('manage')
    .description('start, stop, status, validate: a service through its kit or unit, without a daemon')
    .argument('<verb>'),
).action(async (verb: string, options) =>
  end(await (await import('./commands/manage.ts')).run({ ...options, verb }, io)),
);

client(
  'explain',
  'what was seen, which rule decided, what was refused, what comes next; of a group: can we lose its node?',
)
  .argument('<service|group|incident>')
  .action(async (name: string, options) =>
    end(await (await import('./commands/explain.ts')).run({ ...options, name }, io)),
  );

client('history', 'what happened')
  .argument('[service]')
  .option('--since <duration>', 'how far back', '1d')
  .option('--chart <step>', 'counts and response times in steps of, say, 5m')
  .option('--limit <rows>', 'rows at the most', '200')
  .action(async (service: string | undefined, options) => {
    const named = service === undefined ? {} : { service };
    end(await (await import('./commands/history.ts')).run({ ...options, ...named, now: Date.now() }, io));
  });

verb('pause', 'leave a service alone for a time; checks go on')
  .argument('<service>')
  .option('--for <duration>', 'when the pause ends', '1h')
  .option('--comment <text>', 'why')
  .action(async (service: string, options) =>
    end(await (await import('./commands/operate.ts')).pause(service, options, io)),
  );

verb('resume', 'end a pause now')
  .argument('<service>')
  .action(async (service: string, options) =>
    end(await (await import('./commands/operate.ts')).resume(service, options, io)),
  );

verb('reset', 'forget the attempts of a service that was given up, and look anew')
  .argument('<service>')
  .action(async (service: string, options) =>
    end(await (await import('./commands/operate.ts')).reset(service, options, io)),
  );

verb('reload', 'load the configuration anew; a bad one changes nothing').action(async (options) =>
  end(await (await import('./commands/operate.ts')).reload(options, io)),
);

const alert = program.command('alert').description('who was told of what, and whether a channel works');
const under = (group: Command, name: string, about: string): Command =>
  group.command(name).description(about).addOption(output()).option('--socket <path>', 'control socket of the daemon');
const sure = (command: Command): Command =>
  command.option('--dry-run', 'only say what would be done; nothing is changed, journalled or told');
const telling = (): Promise<typeof import('./commands/telling.ts')> => import('./commands/telling.ts');

under(alert, 'list', 'active alarms, who heard of them, what is held back and why').action(async (options) =>
  end(await (await telling()).list(options, io)),
);
under(alert, 'test', 'send a test to one channel, and wait until its receiver has taken it')
  .argument('<channel>')
  .action(async (channel: string, options) => end(await (await telling()).testChannel(channel, options, io)));

const silence = program.command('silence').description('hold back alerts for a time; repairs and clears go on');
sure(under(silence, 'add', 'hold back alerts of these services (* for any letters), or what the options say'))
  .argument('[services...]')
  .option('--for <duration>', 'when the silence ends', '1h')
  .option('--comment <text>', 'why')
  .option('--severity <severity>', 'at least so severe')
  .option('--event <event>', 'an event of the catalogue; repeat it', together, [])
  .option('--key <key>', 'the key of an alarm; repeat it', together, [])
  .option('--cause <cause>', 'what is at fault; repeat it', together, [])
  .action(async (services: string[], options) => end(await (await telling()).silence(services, options, io)));
under(silence, 'list', 'what is silenced, until when, by whom and why').action(async (options) =>
  end(await (await telling()).silences(options, io)),
);
sure(under(silence, 'end', 'end a silence now; what is still active is told'))
  .argument('<id>')
  .action(async (id: string, options) => end(await (await telling()).endSilence(id, options, io)));

verb('ack', 'take an alarm on: no more reminders, and nobody else is called; group/NAME: its failover was seen')
  .argument('<alarm|service|incident|group/NAME>')
  .option('--comment <text>', 'what is being done')
  .action(async (what: string, options) => {
    const { ackedGroup, acknowledgeGroup } = await import('./commands/groups.ts');
    const group = ackedGroup(what);
    if (group !== null) end(await acknowledgeGroup(group, options, io));
    else end(await (await telling()).acknowledge(what, options, io));
  });

const person = (): typeof askPerson | null => (process.stderr.isTTY && process.stdin.isTTY === true ? askPerson : null);
groupVerbs({ verb, end, io, person, config: DEFAULT_CONFIG });

const maintenance = program
  .command('maintenance')
  .description(
    'leave services alone while somebody works on them, or keep groups away from a whole node: NODE --on|--off',
  );
sure(under(maintenance, 'start', 'begin work on these services (* for any letters)'))
  .argument('<name>')
  .argument('<services...>')
  .option('--for <duration>', 'when it ends', '1h')
  .option('--comment <text>', 'what is done')
  .action(async (name: string, services: string[], options) =>
    end(await (await telling()).maintain(name, services, options, io)),
  );
under(maintenance, 'list', 'what is under way, until when and by whom').action(async (options) =>
  end(await (await telling()).works(options, io)),
);
sure(under(maintenance, 'end', 'end it now; its services are looked at anew'))
  .argument('<name>')
  .action(async (name: string, options) => end(await (await telling()).endWork(name, options, io)));

// The options are its own: those of `maintenance` itself would take them from `start`, `list` and `end`.
sure(
  maintenance
    .command('node', { isDefault: true })
    .description('no group comes to this node (also without the word `node`)')
    .addOption(output())
    .option('--socket <path>', 'control socket of the daemon'),
)
  .argument('<node>')
  .option('--on', 'no group comes to it')
  .option('--off', 'they may again')
  .option('--move', 'bring away the groups that it has')
  .option('--yes', 'move them without asking')
  .option('--comment <text>', 'what is done')
  .action(async (node: string, options) =>
    end(await (await import('./commands/node-maintenance.ts')).nodeMaintenance(node, options, io, person())),
  );

program
  .command('sandbox')
  .description('break and heal the small services of `npm start`')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[words...]')
  .action(async (words: string[]) => end(await (await import('./commands/sandbox.ts')).runSandbox(words, io)));

program
  .command('mib')
  .description('print the MIB of what the channel snmp sends')
  .option('--base <oid>', 'rooted here: the option `base` of the channel')
  .action(async (options) => end((await import('./commands/snmp.ts')).printMib(options, io)));

program
  .command('snmp')
  .description('what a receiver of SNMPv3 traps must know of this node')
  .command('engine-id')
  .description('the engine id of this node; made if there is none yet')
  .argument('[folder]', 'the state folder', '/var/lib/watchkeeper')
  .option('--registered', 'receivers know this one now: ends the alarm about a lost identity')
  .addOption(output())
  .action(async (folder: string, options) =>
    end(await (await import('./commands/snmp.ts')).engineId({ ...options, folder }, io)),
  );

program
  .command('replay')
  .description('fold a journal offline; with --config, show where a changed policy would decide differently')
  .argument('[folder]', 'the state folder', '/var/lib/watchkeeper')
  .option('--config <file>', 'a changed configuration')
  .addOption(output())
  .action(async (folder: string, options) =>
    end(await (await import('./commands/replay.ts')).run({ ...options, folder }, io)),
  );

try {
  await program.parseAsync(process.argv);
} catch (error) {
  // Who runs a Nagios plugin knows four exit codes only: 3 is "unknown".
  const bad = process.argv.some((word) => /^(-o|--output=)?nagios$/.test(word)) ? 3 : EXIT.usage;
  if (error instanceof CommanderError) exitCode = error.exitCode === 0 ? EXIT.done : bad;
  else if (error instanceof ClientError) {
    io.err(`watchkeeper: ${error.message}\n`);
    exitCode = error.exit;
  } else throw error;
}
// Output to a pipe may still be on its way: let the loop run empty, but let nothing that was left open hold us.
process.exitCode = exitCode;
setTimeout(() => process.exit(exitCode), 2000).unref();
