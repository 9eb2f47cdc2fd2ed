// Makes sure that the node that fell silent does nothing any more, by the agents of fence-agents: words on standard
// input, exit codes of their API. It counts only when the device itself says so. Never this node, and nothing is ever
// powered on again by it.
import { type ActionResult, defineStep, opt, type Probe, type StepContext, z } from '../define.ts';
import { refusal } from '../dialogues/plugin.ts';
import { bad } from '../host/launch.ts';
import { clean, troubleLine } from '../host/text.ts';

const key = z.string().regex(/^(?!action$)[a-z][a-z0-9_-]{0,60}$/i, 'expected the name of an option of the agent');
const value = z
  .string()
  .max(4096)
  .regex(/^[^\n\r]*$/, 'expected one line')
  .describe('A value');

const device = z.strictObject({
  agent: z
    .string()
    .regex(/^(\/[^\s]{1,400}\/)?fence_[a-z0-9_-]{1,60}$/, 'expected an agent such as fence_ipmilan, or its path')
    .describe('The agent, such as `fence_ipmilan`'),
  options: z.record(key, value).default({}).describe('Its options for all nodes, as `AGENT -o metadata` tells them'),
  secrets: z
    .record(key, opt.secret('A reference'))
    .default({})
    .describe('Options whose values are secrets, by reference; handed over on standard input'),
  nodes: z
    .record(z.string().min(1).max(64), z.record(key, value).describe('Options for this node'))
    .describe('What the device has of each node, such as its plug: `{ n1: { plug: "1" } }`'),
  timeout: opt.duration('How long one call of the agent may take').prefault('60s'),
});

const shape = z.strictObject({
  devices: z.array(device).min(1).max(8).describe('Tried in this order, each only when the one before could not do it'),
  all: opt
    .flag('A node has a power supply at each of the devices that know it: it is off when all of them say off')
    .default(false),
  action: z.enum(['off', 'reboot']).default('off').describe('What is done to the node'),
});
/** Two supplies that are each off for a moment, one after the other, never took the power away. */
const options = shape.refine(({ all, action }) => !all || action === 'off', {
  message: 'with several supplies the action is off: a reboot of one after the other leaves the node its power',
  path: ['action'],
});
type Context = StepContext<z.output<typeof options>>;
type Device = z.output<typeof device>;
type FenceAction = 'off' | 'reboot' | 'status' | 'monitor';

interface Said {
  /** Exit code; of `status` 0 is on and 2 is off. Null: it was not run to its end. */
  readonly code: number | null;
  readonly detail: string;
}

/** One call. Nothing of the words of the agent that could be a secret is told on. */
async function call(context: Context, one: Device, node: string, action: FenceAction): Promise<Said> {
  const { ports, signal } = context;
  const refused = refusal(ports, one.agent);
  if (refused !== null) return { code: null, detail: refused };
  const secrets: [string, string][] = [];
  try {
    for (const [name, reference] of Object.entries(one.secrets)) secrets.push([name, ports.secrets.read(reference)]);
  } catch (error) {
    return { code: null, detail: clean((error as Error).message) };
  }
  // A line end in a secret would be another option.
  if (secrets.some(([, text]) => /[\n\r]/.test(text))) return { code: null, detail: 'a secret has more than one line' };
  const words = [...Object.entries(one.options), ...Object.entries(one.nodes[node] ?? {}), ...secrets];
  const input = [...words, ['action', action]].map(([name, text]) => `${name}=${text}\n`).join('');
  const got = await ports.exec.run([one.agent], { timeoutMs: one.timeout, signal, input });
  const name = one.agent.slice(one.agent.lastIndexOf('/') + 1);
  const done = got.failed === null && !got.timedOut && !signal.aborted;
  const end = got.failed ?? (done ? (got.signal ?? `exit code ${got.code}`) : 'did not end in time');
  let said = got.code === 0 ? '' : troubleLine(got.stderr, got.stdout);
  for (const [, text] of secrets) if (text !== '') said = said.replaceAll(text, '…');
  const detail = `${name} ${action} of ${node}: ${end}${said ? `: "${clean(said)}"` : ''}`;
  return { code: done ? got.code : null, detail };
}

/** Who is to be fenced; null: nobody, and why. */
function target({ planned, from, node }: Context): { readonly node: string } | { readonly nobody: string } {
  if (planned) return { nobody: 'the old node gave the group up by itself' };
  if (from === null) return { nobody: 'nobody had the group before' };
  return from === node ? { nobody: 'this node had it before' } : { node: from };
}

/** The devices that know this node. */
const devicesFor = ({ options: wanted }: Context, node: string): readonly Device[] =>
  wanted.devices.filter(({ nodes }) => Object.hasOwn(nodes, node));

/** One device. An agent ends an `off` well only when it has seen the power off; asked again, it must not say on. */
async function fence(context: Context, one: Device, node: string): Promise<ActionResult> {
  const { action } = context.options;
  const done = await call(context, one, node, action);
  // After a reboot it may be on again: that it was off in between, the agent has seen.
  if (action === 'reboot') return { ok: done.code === 0, detail: done.detail };
  const after = await call(context, one, node, 'status');
  if (after.code === 2) return { ok: true, detail: `${node} is off: ${after.detail}` };
  if (after.code === 0 || done.code !== 0) return bad(`${done.detail}; ${after.detail}`);
  return { ok: true, detail: `${done.detail}; its status could not be asked: ${after.detail}` };
}

/** Every supply is switched off before any is asked: one that is left on, or on again, keeps the node alive. One device
 *  that cannot be told is one that may be on. */
async function fenceAll(context: Context, devices: readonly Device[], node: string): Promise<ActionResult> {
  const done: Said[] = [];
  for (const [index, one] of devices.entries()) {
    context.progress(index, devices.length, `${one.agent} for ${node}`);
    if (context.signal.aborted) return bad(`it was given up: ${done.map(({ detail }) => detail).join('; ')}`);
    done.push(await call(context, one, node, 'off'));
  }
  const after = await Promise.all(devices.map((one) => call(context, one, node, 'status')));
  const on = after.flatMap(({ code, detail }, at) => (code === 2 ? [] : [`${done[at]?.detail}; ${detail}`]));
  if (on.length > 0)
    return bad(`${node} may have power: ${on.length} of ${devices.length} supplies are not off: ${on.join('; ')}`);
  return { ok: true, detail: `${node} is off: all ${devices.length} supplies say so` };
}

async function bring(context: Context): Promise<ActionResult> {
  const who = target(context);
  if ('nobody' in who) return { ok: true, detail: `nothing to fence: ${who.nobody}` };
  const devices = devicesFor(context, who.node);
  if (devices.length === 0) return bad(`no device knows ${who.node}`, 'misconfigured');
  if (context.options.all) return fenceAll(context, devices, who.node);
  const faults: string[] = [];
  for (const [index, one] of devices.entries()) {
    context.progress(index, devices.length, `${one.agent} for ${who.node}`);
    const result = await fence(context, one, who.node);
    if (result.ok || context.signal.aborted) return result;
    faults.push(result.detail);
  }
  return bad(`${who.node} could not be fenced: ${faults.join('; ')}`);
}

/** In place when there is nobody to fence, or a device says that the node is off; of several supplies, all say so. */
async function probe(context: Context): Promise<Probe> {
  const who = target(context);
  if ('nobody' in who) return { state: 'done', detail: `nothing to fence: ${who.nobody}` };
  const said: Said[] = [];
  for (const one of devicesFor(context, who.node)) {
    const status = await call(context, one, who.node, 'status');
    if (status.code === 2 && !context.options.all) return { state: 'done', detail: status.detail };
    said.push(status);
  }
  if (said.length > 0 && said.every(({ code }) => code === 2))
    return { state: 'done', detail: `all ${said.length} supplies are off` };
  const detail = said.map((one) => one.detail).join('; ') || `no device knows ${who.node}`;
  return { state: said.some(({ code }) => code === 0) ? 'undone' : 'unknown', detail };
}

/** Each other node of each device can be asked for, so that a plug that is not there is known before it is needed. */
async function ready(context: Context): Promise<ActionResult> {
  const asked = context.options.devices.flatMap((one) =>
    Object.keys(one.nodes)
      .filter((node) => node !== context.node)
      .map((node) => call(context, one, node, 'status')),
  );
  const mute = (await Promise.all(asked)).filter(({ code }) => code !== 0 && code !== 2);
  return mute.length > 0
    ? bad(mute.map(({ detail }) => detail).join('; '))
    : { ok: true, detail: 'the devices answer for the other nodes' };
}

export default defineStep({
  about: 'Powers the node off that fell silent, by fence agents, before anything of the group is begun here.',
  options,
  example: {
    devices: [
      {
        agent: 'fence_ipmilan',
        options: { lanplus: '1', username: 'fence' },
        secrets: { password: 'file:/etc/watchkeeper/ipmi' },
        nodes: { n1: { ip: '192.0.2.101' }, n2: { ip: '192.0.2.102' } },
      },
    ],
  },
  scope: 'shared',
  // It is done first, before the pivot, and a group that is already elsewhere fences nobody: nothing of it stays here.
  exclusive: false,
  timeoutMs: 180_000,
  probe,
  do: bring,
  undo: async () => ({ ok: true, detail: 'a node is never powered on by it' }),
  ready,
});
