// Any program as a check: exit 0 is good. With `as: nagios` its answer is read as a Nagios plugin's.
import { CAUSES, defineCheck, opt, z } from '../define.ts';
import { exitVerdict, isExecResult, nagiosVerdict, runProgram } from '../dialogues/plugin.ts';

export default defineCheck({
  about: 'Runs a program: exit 0 is good, or the four answers of a Nagios plugin.',
  depth: 'both',
  options: z.strictObject({
    run: opt.argv('Program and arguments; never a shell. An absolute path, or a program in the fixed PATH.'),
    as: z.enum(['exit', 'nagios']).default('exit').describe('How the answer is read.'),
    cause: z
      .enum(CAUSES)
      .default('refusing')
      .describe('The cause that a bad answer stands for. It decides which repair is tried.'),
    env: z.record(z.string(), z.string()).optional().describe('Added to a fixed PATH, LANG and HOME.'),
  }),
  example: { run: ['/usr/local/bin/check-spool', '--fast'], cause: 'dependency' },
  async run(context) {
    const result = await runProgram(context, context.options);
    if (!isExecResult(result)) return result;
    const { as, cause } = context.options;
    return as === 'nagios' ? nagiosVerdict(result, cause) : exitVerdict(result, cause);
  },
});
