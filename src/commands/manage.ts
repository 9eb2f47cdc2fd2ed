// `watchkeeper manage start|stop|status|validate`: what starts and stops a service, without daemon and without file:
// the manager of a kit, or a systemd unit. For cluster managers and people; it asks no check. Exit codes: 0 done or
// running, 1 failed, 64 usage, 78 the service's own configuration is bad; `status` as an init script: 3 stopped, 4 not
// known.
import { clean } from '../core/clean.ts';
import type { ActionResult, Inspection, Recovery, RecoveryContext } from '../define.ts';
import { limitMs } from './check.ts';
import { ClientError } from './client.ts';
import { GuestError, type GuestWords, guestPorts, makeGuest } from './guest.ts';
import { EXIT, type Io } from './io.ts';

export const MANAGE_VERBS = ['start', 'stop', 'status', 'validate'] as const;
type Verb = (typeof MANAGE_VERBS)[number];

export interface ManageOptions extends GuestWords {
  readonly verb: string;
  readonly timeout?: string;
}

const DEFAULT_MS = 60_000;
const STATUS: Readonly<Record<Inspection['state'], number>> = {
  running: 0,
  failed: 1,
  stopped: 3,
  changing: 4,
  unknown: 4,
};

interface Managed {
  readonly plugin: Recovery;
  readonly context: RecoveryContext<never>;
}

export async function run(options: ManageOptions, io: Io): Promise<number> {
  const verb = MANAGE_VERBS.find((known) => known === options.verb);
  if (!verb) throw new ClientError(EXIT.usage, `manage ${clean(options.verb, 40)}: ${MANAGE_VERBS.join(', ')}`);
  const timeoutMs = limitMs(options.timeout) ?? DEFAULT_MS;
  const { name, config, plugins, stateDir } = await makeGuest(options).catch((error: Error) => {
    throw error instanceof GuestError ? new ClientError(EXIT.usage, error.message) : error;
  });
  const plugin = config.manager ? plugins.recovery.get(config.manager.type) : undefined;
  if (!config.manager || !plugin)
    throw new ClientError(EXIT.usage, `${name}: nothing says how it is started and stopped`);
  const ports = guestPorts(io);
  const stop = new AbortController();
  const cancel = ports.clock.after(timeoutMs, () => stop.abort(new Error('the time is over')));
  const context = {
    ...{ options: config.manager.options as never, ports, signal: stop.signal },
    ...{ service: name, memory: new Map<string, unknown>(), stateDir },
  };
  try {
    const { code, text } = await VERBS[verb]({ plugin, context });
    io.out(`${name}: ${clean(text, 400)}\n`);
    return code;
  } finally {
    cancel();
  }
}

interface Done {
  readonly code: number;
  readonly text: string;
}
const done = ({ ok, detail }: ActionResult): Done => ({ code: ok ? EXIT.done : EXIT.failed, text: detail });
const failed = (detail: string): ActionResult => ({ ok: false, detail });

/** A plugin that throws has failed: its own trouble is nobody's success. */
const tried = (work: Promise<ActionResult> | undefined): Promise<ActionResult> =>
  (work ?? Promise.resolve({ ok: true, detail: '' })).catch((error: Error) => failed(error.message));

const look = ({ plugin, context }: Managed): Promise<Inspection> =>
  plugin
    .inspect(context)
    .catch((error: Error) => ({ state: 'unknown', byHand: false, detail: error.message, evidence: {} }) as const);

async function validate({ plugin, context }: Managed): Promise<Done> {
  const got = await tried(plugin.validate?.(context));
  if (got.ok) return { code: EXIT.done, text: got.detail || 'nothing to object' };
  return { code: got.cause === 'misconfigured' ? EXIT.badConfiguration : EXIT.failed, text: got.detail };
}

/** What runs is left as it is. What a dead service left behind goes first, as before every start. */
async function start(managed: Managed): Promise<Done> {
  const now = await look(managed);
  if (now.state === 'running') return { code: EXIT.done, text: now.detail };
  const good = await validate(managed);
  if (good.code !== EXIT.done) return good;
  const swept = await tried(managed.plugin.sweep?.(managed.context));
  return done(swept.ok ? await tried(managed.plugin.start(managed.context)) : swept);
}

/** Done when nothing of it is left, and only then. */
async function stop(managed: Managed): Promise<Done> {
  const stopped = await tried(managed.plugin.stop(managed.context, { force: false }));
  const swept = stopped.ok ? await tried(managed.plugin.sweep?.(managed.context)) : stopped;
  if (!swept.ok) return done(swept);
  const now = await look(managed);
  const gone = now.state === 'stopped' || now.state === 'failed';
  return done(gone ? { ok: true, detail: stopped.detail } : failed(`${stopped.detail}, and yet: ${now.detail}`));
}

async function status(managed: Managed): Promise<Done> {
  const { state, detail } = await look(managed);
  return { code: STATUS[state], text: `${state}: ${detail}` };
}

const VERBS: Readonly<Record<Verb, (managed: Managed) => Promise<Done>>> = { start, stop, status, validate };
