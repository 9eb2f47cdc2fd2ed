// The shape of what is said about telling: routes, quiet hours, planned maintenance, the heartbeat. Part of schema.ts.
import { CAUSES, opt, z } from '../define.ts';
import { SEVERITIES } from '../core/severity.ts';
import { cronFault } from './cron.ts';
import { name, span, spanOrNever, whole } from './schema-types.ts';

const SEVERE = SEVERITIES.filter((one) => one !== 'cleared') as [
  'critical',
  'major',
  'minor',
  'warning',
  'indeterminate',
];

export const calendarEntry = (about: string) =>
  z
    .string()
    .max(200)
    .superRefine((text, context) => {
      const message = cronFault(text);
      if (message !== null) context.addIssue({ code: 'custom', message });
    })
    .describe(about);

function knownZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

const zone = z
  .string()
  .max(64)
  .refine(knownZone, 'expected a time zone such as Europe/London')
  .describe('The time zone of the calendar entry; default: that of the machine');

export const windowKeys = {
  at: calendarEntry('When it begins: crontab(5), with optional seconds in front'),
  for: span('How long it lasts', '1m', '7d'),
  zone: zone.optional(),
};

const pattern = (about: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9_.@*/-]{1,128}$/, 'expected a name, with * for any letters')
    .describe(about);
const patterns = (about: string) =>
  z.array(pattern('A name; * stands for any letters')).min(1).max(200).describe(about);

const channels = (about: string) => z.array(name('The name of a channel')).min(1).max(50).describe(about);

export const match = z
  .strictObject({
    severity: z.enum(SEVERE).describe('At least so severe').optional(),
    services: patterns('Names of services').optional(),
    events: patterns('Names of events of the catalogue').optional(),
    causes: z.array(z.enum(CAUSES)).min(1).describe('What is at fault').optional(),
    keys: patterns('Keys of alarms, as `watchkeeper alert list` shows them').optional(),
  })
  .describe('Which alerts; what is left out is not asked');

const route = z
  .strictObject({
    match: match.prefault({}),
    to: channels('The channels that are told'),
    continue: opt.flag('The routes after this one are looked at too').default(false),
    wait: span('An alarm that ends within this time is not told', '0ms', '1d').prefault('0ms'),
    remind: spanOrNever(
      'Tell an active alarm again after this time, until somebody takes it on; default: 1d, a record: never',
      '1m',
      '7d',
    ).optional(),
    escalate: z
      .array(
        z.strictObject({
          after: span('When nobody took it on for so long', '1m', '7d'),
          to: channels('These are told as well'),
        }),
      )
      .max(10)
      .describe('Who else is told when nobody takes an alarm on')
      .default([]),
    quiet: z
      .strictObject({
        during: name('The name of quiet hours'),
        below: z.enum(SEVERE).describe('What is less severe than this waits for their end').default('major'),
      })
      .describe('Hours in which only what is severe is told')
      .optional(),
    group: z
      .enum(['none', 'children', 'all'])
      .describe(
        'What is told with the alarm of its incident and not by itself: nothing (a record); services that are ' +
          'blocked (default); the steps of a repair besides',
      )
      .optional(),
    record: opt.flag('Told whatever is silenced, quiet or flapping: for a record that wakes nobody').default(false),
  })
  .describe('Which alerts go where');

export const tellingKeys = {
  routes: z
    .array(route)
    .max(200)
    .describe('Where alerts go: the first that fits; default: every channel hears what suits its kind')
    .optional(),
  'quiet-hours': z
    .record(name('The name of these hours'), z.strictObject(windowKeys).describe('Hours of rest'))
    .describe('Hours that routes may respect')
    .default({}),
  maintenance: z
    .record(
      name('The name of this maintenance'),
      z
        .strictObject({
          ...windowKeys,
          services: patterns('Names of the services that are left alone'),
          comment: opt.text('What is done then').default(''),
        })
        .describe('Planned work: its services are not repaired, and nothing is told about them'),
    )
    .describe('Planned work, by the calendar')
    .default({}),
  heartbeat: z
    .strictObject({
      every: spanOrNever('How often the daemon says that it lives', '10s', '1d').prefault('5m'),
      to: channels('The channels that are told; default: those for programs that ask for it').optional(),
    })
    .describe('A sign of life with the count of active alarms')
    .prefault({}),
} as const;

export const limit = z
  .strictObject({
    burst: whole('Alerts that may go at once', 1, 10_000),
    every: span('After that one more each', '1ms', '1h'),
  })
  .describe('How fast a channel may be told; what does not fit is told as one; default: what suits its kind');
