// The shape of the configuration as it is written, with every default of the daemon's own keys: this file is their one
// place, and the JSON Schema, `config show` and the documentation are made from it. Options of plugins are not here.
import { CAUSES, opt, z } from '../define.ts';
import { agent } from './agent-schema.ts';
import { clusterRoot } from './cluster-schema.ts';
import { name, span, spanOrNever, whole } from './schema-types.ts';
import { calendarEntry, limit, tellingKeys } from './telling-schema.ts';

const folder = (about: string) =>
  z
    .string()
    .max(1024)
    .regex(/^(\/|\.\/)[^\0]*$/, 'expected an absolute path, or one that starts with ./ (from the folder of the file)')
    .describe(about);

const quick = z
  .strictObject({
    every: span('How often the QuickChecks run', '500ms', '1d').prefault('5s'),
    timeout: span('How long a QuickCheck may take', '50ms', '10m').prefault('2s'),
    fall: whole('QuickChecks in a row that must fail before the service is suspect', 1, 100).default(2),
    rise: whole('QuickChecks in a row that must pass before it is well', 1, 100).default(1),
  })
  .describe('The cheap question, asked often');

const deep = z
  .strictObject({
    every: span('How often the DeepChecks run', '1s', '7d').prefault('1m'),
    timeout: span('How long a DeepCheck may take', '50ms', '1h').prefault('20s'),
  })
  .describe('The hard question, asked now and then');

const rung = z
  .union([
    z.enum(['reload', 'part', 'start', 'restart', 'kill-and-start']),
    z.strictObject({
      command: opt.argv('An own command: program and arguments, never a shell string'),
      cures: z.array(z.enum(CAUSES)).min(1).describe('What it can help against').optional(),
    }),
  ])
  .describe('One repair: reload, part (of it alone), start, restart, kill-and-start, or an own command');

const recover = z
  .strictObject({
    ladder: z
      .array(rung)
      .max(16)
      .describe('Repairs, the mildest first; only those are tried that can cure the cause')
      .prefault(['restart', 'kill-and-start']),
    attempts: whole('Repairs within the window before the ladder is at its end', 1, 100).default(3),
    window: span('The sliding window of attempts', '1s', '7d').prefault('30m'),
    // oxlint-disable-next-line unicorn/no-thenable -- the word of the configuration; nobody awaits a schema
    then: z.enum(['switchover', 'give-up']).describe('What comes after the ladder').default('give-up'),
    switch: span('How long a switchover may take', '1s', '1d').prefault('5m'),
    backoff: z
      .strictObject({
        first: span('Pause before the second attempt', '0ms', '1d').prefault('2s'),
        factor: z.number().min(1).max(100).describe('Each pause is this much longer than the last').default(2),
        max: span('The longest pause', '0ms', '1d').prefault('1m'),
      })
      .describe('Pauses between attempts')
      .prefault({}),
    repair: span('How long one repair may take', '100ms', '1d').prefault('30s'),
    verify: span('How long a repaired service may need until its DeepCheck passes', '100ms', '1d').prefault('30s'),
    stable: span('After this much health, attempts are forgotten', '1s', '7d').prefault('10m'),
    grace: span('After a start, failures that are not conclusive do not count for this long', '0ms', '1d').prefault(
      '10s',
    ),
    settle: span(
      'After something that it depends on came back, it has this long to come to itself before it is repaired',
      '0ms',
      '1d',
    ).prefault('10s'),
    'by-hand': spanOrNever('Leave alone what somebody stopped by hand, for this long', '0ms', '7d').prefault('1m'),
    again: spanOrNever('After giving up, try one repair again after this time', '1s', '7d').prefault('1h'),
    confirm: span(
      'How long to wait for the confirming DeepCheck; default: deep timeout + 1s',
      '100ms',
      '2h',
    ).optional(),
    unknowns: whole('Verdicts `unknown` in a row before an alarm', 1, 1000).default(3),
    observe: opt.flag('Look, alert and record what would have been done; repair nothing').default(false),
    flapping: z
      .strictObject({
        changes: whole('Times that the service may become suspect within the window', 2, 1000).default(6),
        window: span('The window in which they are counted', '1s', '7d').prefault('10m'),
        calm: span('Repairs are frozen until it was calm for this long', '1s', '7d').prefault('10m'),
      })
      .describe('A service that comes and goes')
      .prefault({}),
  })
  .describe('How the service is repaired');

/** What a check of the list says beside its own options. */
export const checkKeys = {
  type: opt.text('Which check: a file name in src/checks').optional(),
  name: name('Unique in the service; the name of a check of the kit changes that one').optional(),
  depth: z
    .enum(['quick', 'deep', 'both'])
    .describe('For which question; default: what the check is made for')
    .optional(),
  every: span('A slower beat than the service has, for a costly question', '500ms', '7d').optional(),
  off: opt.flag('Drops the check of this name that the kit brings').optional(),
} as const;

const check = z.looseObject(checkKeys).describe('One check, with its options');
const manager = z
  .looseObject({ type: opt.text('Which way: a file name in src/recovery').optional() })
  .describe('What starts and stops the service; without it the service is only watched');

const value = z.unknown();

const logSign = z
  .strictObject({
    line: z
      .string()
      .min(8)
      .max(200)
      .regex(/[^*\s]{4}/, 'expected the text of a line, with * for what may vary')
      .describe('The whole line as the service writes it; `*` stands for any text'),
    cause: z.enum(CAUSES).describe('What it is a sign of'),
    says: opt.text('What it means, for a person'),
    part: opt.text('The part of the service that it is about').optional(),
    stays: z
      .strictObject({
        for: opt.duration('So long after it was said it may still be true'),
        processes: opt.text('The name of the processes that the last number in the line is the limit of'),
      })
      .describe(
        'Its main process says it once and not again for so long: it counts while as many processes run as it says',
      )
      .optional(),
  })
  .describe('A line of the log that says what is wrong');

const logSigns = z
  .record(name('The name of a sign; one of the kit of this name is changed'), logSign)
  .describe(
    'Lines of its own log, most telling first, that name the cause of a failure which checks see from outside only',
  );

export const service = z
  .strictObject({
    kit: opt.text('A kit: checks, ladder and defaults for one product').optional(),
    set: z.record(z.string(), value).describe('Values for the parameters of the kit').optional(),
    depends: z.array(z.string()).max(100).describe('Services that this one needs: they are repaired first').default([]),
    checks: z.array(check).max(100).describe('Questions; added to those of the kit').default([]),
    manager: manager.optional(),
    quick: quick.prefault({}),
    deep: deep.prefault({}),
    recover: recover.prefault({}),
    'log-signs': logSigns.prefault({}),
    runbook: opt.text('Where a person finds what to do; shown with every alarm').optional(),
  })
  .describe('One service');

const parameter = z
  .strictObject({
    about: opt.text('What it is for'),
    default: value.describe('Without a default it must be set; null leaves out what uses it').optional(),
  })
  .describe('A parameter; `$name` as a whole value stands for it');

/** By what `watchkeeper init` knows that the product is on this machine. Nothing else looks at it. */
const detect = z
  .strictObject({
    units: z.array(opt.text('A unit, or the name of a Windows service')).max(32).describe('Units that it is run by'),
    programs: z.array(opt.path('An executable')).max(32).describe('Executables that it installs'),
    files: z.array(opt.path('A file or a folder')).max(32).describe('Files of its configuration'),
    ports: z.array(opt.port('A TCP port')).max(32).describe('Ports that it listens on as it is installed'),
  })
  .partial()
  .describe('By what the product is found on a machine; only `watchkeeper init` looks at it');

export const kit = z
  .strictObject({
    about: opt.text('One sentence: which product'),
    detect: detect.optional(),
    params: z.record(name('The name of a parameter'), parameter).optional(),
    checks: z
      .array(z.looseObject({ needs: z.array(z.string()).optional() }))
      .max(100)
      .describe('Checks; one with `needs` is left out when one of these parameters is null')
      .optional(),
    manager: value.optional(),
    quick: value.optional(),
    deep: value.optional(),
    recover: value.optional(),
    'log-signs': value.optional(),
    runbook: opt.text('What a person does, a line for each cause; that of the service comes before it').optional(),
  })
  .describe('A named bundle of checks, ladder and defaults');

/** What a channel says beside its own options. */
export const channelKeys = {
  type: opt.text('Which channel: a file name in src/alerts'),
  limit: limit.optional(),
} as const;

const channel = z.looseObject(channelKeys).describe('A way out for alarms');

const tilt = z
  .strictObject({
    stall: span('After a stall of its own the daemon only looks, for this long', '0ms', '1h').prefault('5s'),
    share: z.number().min(0.1).max(1).describe('This share of the services failing at once is suspect').default(0.6),
    least: whole('And at least this many', 2, 10_000).default(3),
    window: span('What counts as at once', '1s', '1h').prefault('10s'),
    limit: span('The doubt ends after this long in any case', '1s', '1d').prefault('1m'),
  })
  .describe('When the daemon distrusts its own eyes: it looks, alerts, and repairs nothing');

const repairs = z
  .strictObject({
    max: whole('Repairs on this node in the window', 1, 10_000).default(20),
    window: span('The sliding window', '1s', '7d').prefault('1h'),
    parallel: whole('Repairs at the same time', 1, 100).default(1),
  })
  .describe('The budget of the whole node');

const history = z
  .strictObject({
    keep: span('How long rolled-up results are kept', '1h', '3650d').prefault('90d'),
    purge: calendarEntry('When old results are deleted: crontab(5), with optional seconds in front').default(
      '17 3 * * *',
    ),
  })
  .describe('The database of response times and outcomes');

/** A package's name as npm has it. */
export const PACKAGE = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;

const plugins = z
  .strictObject({
    folder: folder('Where they are: below it checks, recovery, alerts; default: plugins beside this file').optional(),
    packages: z
      .array(z.string().max(214).regex(PACKAGE, 'expected the name of an npm package'))
      .max(100)
      .describe('Packages with plugins, installed in that folder')
      .default([]),
  })
  .describe("Own plugins, beside those that ship: the name of a plugin's file is its type");

export const SERVICES_MAX = 10_000;

export const root = z.strictObject({
  node: name('The name of this node; default: the host name').optional(),
  observe: opt.flag('Look, alert and record what would have been done, for all services').default(false),
  services: z.record(name('The name of a service'), service).describe('What is kept working'),
  kits: z.record(name('The name of a kit'), kit).describe('Own kits; one of a shipped name replaces that').default({}),
  alerts: z.record(name('The name of a channel'), channel).describe('Where alarms go').default({}),
  ...tellingKeys,
  agent: agent.optional(),
  ...clusterRoot,
  repairs: repairs.prefault({}),
  tilt: tilt.prefault({}),
  history: history.prefault({}),
  plugins: plugins.prefault({}),
  'state-dir': folder('Journal, snapshots and history').default('/var/lib/watchkeeper'),
  'run-dir': folder('Control socket and lock').default('/run/watchkeeper'),
  sandbox: opt.flag('The services are the sandbox of `npm start`').default(false),
});

/** Keys of the agreed design that this version does not know how to obey. Refused, never ignored. */
export const laterKeys: ReadonlySet<string> = new Set(['api', 'reports']);

export { name };

export type RootInput = z.output<typeof root>;
export type ServiceInput = z.output<typeof service>;
export type RungInput = z.output<typeof rung>;
