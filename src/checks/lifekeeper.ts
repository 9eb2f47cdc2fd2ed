// The own checks of a LifeKeeper resource: quickCheck, and deepCheck where there is one.
import { CAUSES, type CheckContext, defineCheck, unknown, z } from '../define.ts';
import { exitVerdict, isExecResult, runProgram } from '../dialogues/plugin.ts';
import { resourceOptions, scriptArgv, scriptPath } from '../host/lifekeeper.ts';

const options = z.strictObject({
  ...resourceOptions,
  cause: z.enum(CAUSES).default('refusing').describe('The cause that a bad answer stands for'),
});
type Context = CheckContext<z.output<typeof options>>;

/** Without a deepCheck the quick one answers for both. */
function find({ options: wanted, ports, depth }: Context): string | null {
  const deep = depth === 'deep' ? scriptPath(ports, wanted, 'deepCheck') : null;
  return deep ?? scriptPath(ports, wanted, 'quickCheck');
}

export default defineCheck({
  about: 'Runs the quickCheck or the deepCheck script of a LifeKeeper resource.',
  depth: 'both',
  options,
  example: { folder: '/opt/LifeKeeper/subsys/gen/resources/app/actions', tag: 'mail' },
  async run(context) {
    const { options: wanted, service } = context;
    const path = find(context);
    if (path === null) return unknown(`there is no quickCheck in ${wanted.folder}`);
    const result = await runProgram(context, { run: scriptArgv(path, wanted, service) });
    if (!isExecResult(result)) return result;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const verdict = exitVerdict(result, wanted.cause);
    const said = result.stdout.trim() || result.stderr.trim();
    if (verdict.outcome !== 'pass') return { ...verdict, detail: `${name} ${verdict.detail}` };
    return { ...verdict, detail: said === '' ? `${name} finds nothing wrong` : `${name} says ${verdict.detail}` };
  },
});
