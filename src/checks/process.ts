// Is the process there? By pid file, by executable or by command line. The same process is the same pid, start time and
// executable; a zombie is dead; a stopped one (SIGSTOP) is hung.
import { type CheckContext, type CheckResult, defineCheck, fail, opt, pass, unknown, z } from '../define.ts';
import { readPidFile } from '../host/pid-file.ts';
import { clean, count } from '../host/text.ts';
import type { ProcessFacts } from '../ports/proc.ts';

const options = z
  .strictObject({
    'pid-file': opt.path('Where the main process writes its number').optional(),
    exe: opt.path('Its executable').optional(),
    pattern: z
      .string()
      .min(1)
      .max(500)
      .refine(isPattern, 'expected a regular expression')
      .describe('A regular expression for its command line, words joined by blanks; together with exe both must fit')
      .optional(),
    least: opt.count('How many such processes there must be, by exe or pattern').default(1),
  })
  .refine((some) => some['pid-file'] ?? some.exe ?? some.pattern, 'expected pid-file, exe or pattern');
type Context = CheckContext<z.output<typeof options>>;

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}

const isDead = (one: ProcessFacts): boolean => one.state === 'Z' || one.state === 'X';

/** What the options name, in words. */
function what(context: Context): string {
  const { exe, pattern } = context.options;
  return [exe, pattern && `"${clean(pattern)}"`].filter(Boolean).join(' with ');
}

function search(context: Context): readonly ProcessFacts[] {
  const { exe, pattern } = context.options;
  const { proc } = context.ports;
  const byExe = exe === undefined ? null : proc.byExe(exe);
  const byArgv = pattern === undefined ? null : proc.byArgv(new RegExp(pattern));
  if (!byExe || !byArgv) return byExe ?? byArgv ?? [];
  return byExe.filter((one) => byArgv.some((other) => other.pid === one.pid));
}

/** Without root the executables of others cannot be seen. Then a missing one says nothing. */
function unseen(context: Context): ProcessFacts | undefined {
  const name = context.options.exe?.split('/').pop() ?? '';
  if (name === '') return undefined;
  return context.ports.proc
    .byArgv(/./)
    .find((one) => one.exe === null && !isDead(one) && one.comm === name.slice(0, 15));
}

/** `number`: how many there are; null when a quick look did not count them. */
function judge(context: Context, main: ProcessFacts, number: number | null): CheckResult {
  const { memory } = context;
  const before = memory.get('main') as ProcessFacts | undefined;
  memory.set('main', main);
  const changed = before && (before.pid !== main.pid || before.startTicks !== main.startTicks);
  const since = changed ? `; before it was pid ${before.pid}` : '';
  const name = `pid ${main.pid} (${clean(main.exe ?? main.comm)})`;
  const more = number === null ? {} : { metrics: [{ name: 'processes', value: number }] };
  if (main.state === 'T' || main.state === 't')
    return fail('hung', `${name} is stopped: it gets no time until somebody continues it (state ${main.state})`, more);
  return pass(`it runs as ${name}${since}`, more);
}

/** The one that was found before, if it is there as it was: the table of processes need not be searched. */
function again(context: Context): CheckResult | null {
  const before = context.memory.get('main') as ProcessFacts | undefined;
  if (context.depth === 'deep' || context.options.least > 1 || !before) return null;
  const now = context.ports.proc.facts(before.pid);
  const same = now && now.startTicks === before.startTicks && now.exe === before.exe && !isDead(now);
  return same ? judge(context, now, null) : null;
}

function bySearch(context: Context): CheckResult {
  const known = again(context);
  if (known) return known;
  const found = search(context);
  const living = found.filter((one) => !isDead(one));
  const pids = new Set(living.map((one) => one.pid));
  const roots = living.filter((one) => !pids.has(one.ppid)).sort((a, b) => a.startTicks - b.startTicks);
  const main = roots[0];
  if (!main) {
    const hidden = unseen(context);
    if (hidden)
      return unknown(`pid ${hidden.pid} (${hidden.comm}) may be it, but its executable cannot be seen without root`);
    const zombie = found[0] ? `, only a zombie of it (pid ${found[0].pid})` : '';
    return fail('dead', `no process of ${what(context)} runs${zombie}`);
  }
  if (living.length < context.options.least)
    return fail(
      'dead',
      `only ${count(living.length, 'process', 'processes')} of ${what(context)}, expected ${context.options.least}`,
    );
  return judge(context, main, living.length);
}

export default defineCheck({
  about: 'Is the process there, is it the same one, and does it get time to run?',
  depth: 'both',
  options,
  example: { 'pid-file': '/run/nginx.pid', exe: '/usr/sbin/nginx' },
  async run(context) {
    const { 'pid-file': path, exe, pattern } = context.options;
    if (path === undefined) return bySearch(context);
    const { files, proc } = context.ports;
    const read = readPidFile(path, exe === undefined ? [] : [exe], files, proc);
    if (read.is === 'running')
      return judge(context, read.main, context.depth === 'deep' ? proc.tree(read.main.pid).length : null);
    if (read.is === 'gone') return fail('dead', read.why);
    // A file that says nothing leaves the other ways.
    return exe === undefined && pattern === undefined ? unknown(read.why) : bySearch(context);
  },
});
