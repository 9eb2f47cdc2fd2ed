// Services that run where the group is active: started in the order of their dependencies, each well before the next
// one, and stopped in the reverse order. All of it through their own managers and checks.
import { type ActionResult, defineStep, type Inspection, opt, type Probe, type StepContext, z } from '../define.ts';
import { within } from '../ports/limit.ts';
import { bad } from '../host/launch.ts';
import { clean } from '../host/text.ts';

const options = z.strictObject({
  services: z
    .array(opt.service('The name of a service of this configuration'))
    .min(1)
    .max(64)
    .describe('Names of services of this configuration, in any order: their dependencies say who comes first'),
  verify: opt.duration('How long each service has until its DeepCheck passes').prefault('30s'),
});
type Context = StepContext<z.output<typeof options>>;

const FIRST_MS = 100;
const LONGEST_MS = 2000;

/** What a manager calls failed may still write, unless its own stop, which ends in SIGKILL, came to its end as well. */
const isDown = ({ state, main }: Inspection, stopped: ActionResult): boolean =>
  state === 'stopped' || (state === 'failed' && stopped.ok && main === undefined);

const inOrder = ({ services, options: wanted }: Context): readonly string[] =>
  services.ordered([...new Set(wanted.services)]);

async function wait(context: Context, ms: number): Promise<boolean> {
  return context.ports.clock.sleep(ms, context.signal).then(
    () => true,
    () => false,
  );
}

/** One service until it is well, or its time is over. */
async function verified(context: Context, service: string): Promise<ActionResult> {
  const { services, signal, ports, options: wanted } = context;
  const until = ports.clock.monotonic() + wanted.verify;
  for (let pause = FIRST_MS; ; pause = Math.min(pause * 2, LONGEST_MS)) {
    const limit = within(Math.max(1, Math.ceil(until - ports.clock.monotonic())), signal);
    const checked = await services
      .check(service, limit)
      .catch((error: Error) => ({ ok: false, detail: error.message }));
    if (checked.ok) return { ok: true, detail: `${service} is well` };
    const left = until - ports.clock.monotonic();
    const said = clean(checked.detail);
    if (left <= 0) return bad(`${service} is not well within ${wanted.verify / 1000} s: ${said}`);
    if (!(await wait(context, Math.min(pause, left)))) return bad(`${service} was not well until the end: ${said}`);
  }
}

async function up(context: Context, service: string): Promise<ActionResult> {
  const { services, signal, lease, ports } = context;
  const seen = await services.inspect(service, signal);
  if (seen.state !== 'running') {
    // A service that writes must not begin once another node may.
    if (lease.untilMs() <= ports.clock.monotonic()) return bad(`the right is gone: ${service} is not started`);
    const started = await services.start(service, signal);
    if (!started.ok) return { ...started, detail: `${service} does not start: ${clean(started.detail)}` };
  }
  return verified(context, service);
}

async function bring(context: Context): Promise<ActionResult> {
  const names = inOrder(context);
  for (const [index, service] of names.entries()) {
    context.progress(index, names.length, service);
    const result = await up(context, service);
    if (!result.ok) return result;
  }
  context.progress(names.length, names.length, '');
  return { ok: true, detail: `${names.join(', ')}: well` };
}

async function down(context: Context, service: string, force: boolean): Promise<ActionResult> {
  const { services, signal } = context;
  if ((await services.inspect(service, signal)).state === 'stopped') return { ok: true, detail: 'it is stopped' };
  const stopped = await services.stop(service, force, signal);
  const seen = await services.inspect(service, signal);
  // What the manager says of its own stop is no proof.
  if (isDown(seen, stopped)) return { ok: true, detail: clean(stopped.detail) };
  return bad(`${service} is ${seen.state} after its stop: ${clean(stopped.detail)}`);
}

/** One that throws or does not stop keeps nobody else up: all are tried, and each that is left is named. */
async function away(context: Context, force: boolean): Promise<ActionResult> {
  const names = inOrder(context).toReversed();
  const faults: string[] = [];
  const one = async (service: string): Promise<void> => {
    const result = await down(context, service, force).catch((error: Error) => bad(`${service}: ${error.message}`));
    if (!result.ok) faults.push(result.detail);
  };
  if (force) await Promise.all(names.map(one));
  else
    for (const [index, service] of names.entries()) {
      context.progress(index, names.length, service);
      await one(service);
    }
  return faults.length > 0 ? bad(faults.join('; ')) : { ok: true, detail: `${names.join(', ')}: stopped` };
}

async function probe(context: Context): Promise<Probe> {
  const seen = await Promise.all(
    inOrder(context).map(async (service) => ({
      service,
      is: await context.services.inspect(service, context.signal),
    })),
  );
  const detail = seen.map(({ service, is }) => `${service} ${is.state}`).join(', ');
  if (seen.every(({ is }) => is.state === 'stopped')) return { state: 'undone', detail };
  if (!seen.every(({ is }) => is.state === 'running')) return { state: 'unknown', detail };
  // What runs and is not well is not in place: bringing it waits until it is, and says why not.
  const checked = await Promise.all(seen.map(({ service }) => context.services.check(service, context.signal)));
  const sick = checked.find(({ ok }) => !ok);
  return sick ? { state: 'unknown', detail: `${detail}; ${clean(sick.detail)}` } : { state: 'done', detail };
}

/** Down there now, most often: what can be told is whether its manager answers at all. */
async function ready(context: Context): Promise<ActionResult> {
  const { services, signal } = context;
  const mute: string[] = [];
  for (const service of inOrder(context)) {
    const { state, detail } = await services.inspect(service, signal);
    if (state === 'unknown') mute.push(`${service}: ${clean(detail)}`);
  }
  return mute.length > 0 ? bad(mute.join('; ')) : { ok: true, detail: 'their managers answer' };
}

export default defineStep({
  about: 'Services that run where the group is active, in the order of their dependencies, each well before the next.',
  options,
  example: { services: ['store', 'mta'], verify: '30s' },
  scope: 'node',
  takesIn: true,
  timeoutMs: 180_000,
  probe,
  do: bring,
  undo: (context, { force }) => away(context, force),
  ready,
});
