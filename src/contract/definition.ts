// What the file of a plugin must give, as far as that can be seen without running it. Names each fault; loads nothing.
import { clean } from '../core/clean.ts';
import { z } from '../define.ts';
import type { PluginKind } from '../registry.ts';

/** The version of the contract that this program speaks. A plugin of one's own says which one it was written for, by
 *  `export const api = 1`, beside the definition and not in it: it can be read whatever the definition looks like. It
 *  grows when a plugin that was right before could go wrong; what is only added leaves it as it is. */
export const API = 1;

/** The functions of each kind: those it must have, and those it may have. */
const FUNCTIONS: Readonly<Record<PluginKind, { readonly must: readonly string[]; readonly may: readonly string[] }>> = {
  checks: { must: ['run'], may: [] },
  recovery: {
    must: ['inspect', 'start', 'stop'],
    may: ['restart', 'reload', 'sweep', 'parts', 'repairPart', 'evidence', 'validate', 'watch', 'release'],
  },
  alerts: { must: ['send'], may: [] },
  switchover: { must: ['probe', 'do', 'undo'], may: ['prepare', 'unprepare', 'hold', 'ready'] },
  replication: { must: ['look'], may: ['prove', 'flush', 'suspend', 'resume', 'reseed', 'direct'] },
  cluster: { must: ['open'], may: [] },
};

export const DEFINED_BY: Readonly<Record<PluginKind, string>> = {
  checks: 'defineCheck',
  recovery: 'defineRecovery',
  alerts: 'defineAlert',
  switchover: 'defineStep',
  replication: 'defineReplication',
  cluster: 'defineCoordinator',
};

/** The version that a module says it was written for: a fault, or null when it is ours. */
export function apiFault(api: unknown): string | null {
  if (api === API) return null;
  if (api === undefined) return `it does not say for which contract it was written: export const api = ${API}`;
  const shown = typeof api === 'number' ? String(api) : typeof api;
  return `it was written for the contract api ${shown}; this version of Watchkeeper speaks ${API}`;
}

/** What is wrong with a definition; none when the program can use it. */
export function definitionFaults(kind: PluginKind, definition: unknown): readonly string[] {
  if (typeof definition !== 'object' || definition === null)
    return [`it has no definition: export default ${DEFINED_BY[kind]}({ … })`];
  try {
    return [...partFaults(kind, definition as Readonly<Record<string, unknown>>)];
  } catch (error) {
    return [`its definition cannot be read: ${messageOf(error)}`];
  }
}

/** What was thrown, as one clean line. */
export const messageOf = (error: unknown): string => oneLine(String((error as Error | undefined)?.message ?? error));
const oneLine = (text: string): string => clean(text.trim().replace(/\s*\n\s*/g, ', '), 300);

function* channelFaults({ reader, heartbeat }: Readonly<Record<string, unknown>>): Generator<string> {
  if (reader !== undefined && !['record', 'program', 'person'].includes(reader as string))
    yield "`reader` is 'record', 'program' or 'person'";
  if (heartbeat !== undefined && heartbeat !== 'too' && heartbeat !== 'only') yield "`heartbeat` is 'too' or 'only'";
}

function* partFaults(kind: PluginKind, plugin: Readonly<Record<string, unknown>>): Generator<string> {
  const { about, depth } = plugin;
  if (typeof about !== 'string' || about === '' || about.length > 400)
    yield '`about` is missing: one sentence that says what it does';
  if (kind === 'checks' && depth !== 'quick' && depth !== 'deep' && depth !== 'both')
    yield "`depth` is missing: 'quick', 'deep' or 'both'";
  if (kind === 'alerts') yield* channelFaults(plugin);
  if (kind === 'switchover' && plugin['scope'] !== 'node' && plugin['scope'] !== 'shared')
    yield "`scope` is missing: 'node' or 'shared'";
  for (const name of FUNCTIONS[kind].must)
    if (typeof plugin[name] !== 'function') yield `\`${name}\` is missing: a function`;
  for (const name of FUNCTIONS[kind].may)
    if (plugin[name] !== undefined && typeof plugin[name] !== 'function') yield `\`${name}\` is no function`;
  yield* optionFaults(plugin['options'], plugin['example']);
}

function* optionFaults(options: unknown, example: unknown): Generator<string> {
  const schema = options as z.ZodObject | undefined;
  if (typeof schema?.safeParse !== 'function' || typeof schema.strict !== 'function') {
    yield '`options` is missing: z.strictObject({ … }), also when there are none';
    return;
  }
  if (z.toJSONSchema(schema.strict(), { io: 'input', unrepresentable: 'any' }).type !== 'object')
    yield '`options` is no object of options';
  if (example === undefined) yield '`example` is missing: options that validate';
  else {
    const read = schema.safeParse(example);
    if (!read.success) yield `\`example\` does not fit \`options\`: ${oneLine(z.prettifyError(read.error))}`;
  }
}
