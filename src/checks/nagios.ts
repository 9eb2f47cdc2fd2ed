// Any Nagios or Icinga plugin, its performance data kept.
import { CAUSES, defineCheck, opt, z } from '../define.ts';
import { isExecResult, nagiosVerdict, runProgram } from '../dialogues/plugin.ts';

export default defineCheck({
  about: 'Runs a Nagios plugin: OK, WARNING, CRITICAL, UNKNOWN become pass, degraded, fail, unknown.',
  depth: 'both',
  options: z.strictObject({
    run: opt.argv('The plugin and its arguments; never a shell.'),
    cause: z
      .enum(CAUSES)
      .default('refusing')
      .describe('The cause that WARNING and CRITICAL stand for. It decides which repair is tried.'),
    env: z.record(z.string(), z.string()).optional().describe('Added to a fixed PATH, LANG and HOME.'),
  }),
  example: { run: ['/usr/lib/nagios/plugins/check_clamd', '-w', '2'], cause: 'hung' },
  async run(context) {
    const result = await runProgram(context, context.options);
    return isExecResult(result) ? nagiosVerdict(result, context.options.cause) : result;
  },
});
