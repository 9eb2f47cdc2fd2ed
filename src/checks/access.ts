// May the service's own user enter, read and write a folder? Asked as that user, because root may do everything: after
// a restore or a hasty chmod a server runs, greets, and cannot do its work.
import { type CheckContext, type CheckResult, defineCheck, fail, opt, pass, unknown, z } from '../define.ts';
import { plain } from '../dialogues/quote.ts';

const NEEDS = { enter: '-x', read: '-r', write: '-w' } as const;

const options = z.strictObject({
  path: opt.path('The folder or file'),
  user: z
    .string()
    .max(64)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$/, 'expected the name or the number of a user')
    .describe('Who must be able to use it'),
  group: z
    .string()
    .max(64)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$/, 'expected the name or the number of a group')
    .optional()
    .describe('The group that it runs as; default: the one that is called as the user'),
  needs: z
    .array(z.enum(['enter', 'read', 'write']))
    .min(1)
    .max(3)
    .default(['enter', 'read', 'write'])
    .describe('What it must be able to do'),
});
type Context = CheckContext<z.output<typeof options>>;

/** test(1) as the service's user, by setpriv(1): no PAM session, no line in a log. */
function argvFor({ user, group, path }: Context['options'], need: keyof typeof NEEDS): readonly string[] {
  const groups = /^\d+$/.test(user) ? '--clear-groups' : '--init-groups';
  return ['setpriv', `--reuid=${user}`, `--regid=${group ?? user}`, groups, 'test', NEEDS[need], path];
}

async function run(context: Context): Promise<CheckResult> {
  const { path, user, needs } = context.options;
  const timeoutMs = Math.max(50, context.timeoutMs / 2);
  const missing: string[] = [];
  for (const need of needs) {
    const got = await context.ports.exec.run(argvFor(context.options, need), { timeoutMs, signal: context.signal });
    if (got.failed !== null) return unknown(`setpriv could not be run: ${got.failed}`);
    if (got.timedOut || got.code === null) return unknown(`${path} was not answered for in time`);
    // test says nothing: words are setpriv's own trouble, such as an unknown user or no right to become one.
    const words = plain(got.stderr.trim().split('\n')[0] ?? '', 120);
    if (words !== '') return unknown(`it cannot be asked as ${user}: ${words}`);
    if (got.code !== 0) missing.push(need);
  }
  if (missing.length === 0) return pass(`${user} may ${needs.join(', ')} ${path}`);
  const facts = context.ports.files.facts(path);
  const mode =
    facts === null ? 'it is not there' : `mode ${facts.mode.toString(8).padStart(3, '0')}, owner ${facts.uid}`;
  return fail('misconfigured', `${user} may not ${missing.join(', ')} ${path} (${mode}): permission denied`);
}

export default defineCheck({
  about: 'Asks whether the user of a service may enter, read and write a folder, as that user.',
  depth: 'deep',
  options,
  example: { path: '/var/spool/postfix/incoming', user: 'postfix' },
  run,
});
