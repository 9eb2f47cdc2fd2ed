// One service, or one channel, from its tree to what the daemon runs. What cannot be built becomes problems, each at
// its place; the plugin's own schema judges the plugin's options.
import { clean } from '../core/clean.ts';
import type { Depth, LogSign, Rung, ServicePolicy } from '../core/types.ts';
import { defaultCures } from '../core/ladder.ts';
import type { z } from '../define.ts';
import type { OwnFault } from '../contract/own.ts';
import type { PluginKind, Plugins } from '../registry.ts';
import { explain, problemAt } from './issues.ts';
import { quote, suggest } from './problems.ts';
import { channelKeys, checkKeys, type RungInput, type ServiceInput, service as serviceSchema } from './schema.ts';
import { limit as channelLimit } from './telling-schema.ts';
import { at, get, itemsOf, type Path, pathText, type Place, placeAt, plainOf, textAt, type Tree } from './tree.ts';
import type { ChannelConfig, CheckConfig, ManagerConfig, Problem, ServiceConfig } from './types.ts';

/** What every judgement needs: the whole tree (for texts and places), the plugins, and the list of problems. */
export interface Building {
  readonly tree: Tree;
  readonly plugins: Plugins;
  readonly problems: Problem[];
  /** Own plugins that cannot be used, by `kind/name`. */
  readonly bad?: ReadonlyMap<string, OwnFault>;
}

/** A service that can run, with what it was written as: the rules read that. */
export interface Built {
  readonly config: ServiceConfig;
  readonly input: ServiceInput;
}

type Kind = PluginKind;
const WHAT: Readonly<Record<Kind, string>> = {
  ...{ checks: 'check', recovery: 'manager', alerts: 'channel' },
  ...{ switchover: 'step', replication: 'source', cluster: 'coordinator' },
};

const strict = new WeakMap<z.ZodObject, z.ZodObject>();

/** The plugin's schema, refusing unknown keys whatever its author chose. */
export function strictOf(schema: z.ZodObject): z.ZodObject {
  const known = strict.get(schema) ?? schema.strict();
  strict.set(schema, known);
  return known;
}

/** Options of a plugin that is named by the key `type` beside them. Undefined: problems were noted. */
function optionsOf(building: Building, path: Path, kind: Kind, own: readonly string[]): Judged | undefined {
  const type = textAt(at(building.tree, path), 'type');
  if (type === undefined) return undefined; // noted by the schema of the service, or by the kit
  const place = placeAt(building.tree, [...path, 'type']).value;
  return judgeOptions(building, { kind, type, place, path, own });
}

interface Judged {
  readonly type: string;
  readonly options: unknown;
}

interface Named {
  readonly kind: Kind;
  readonly type: string;
  /** Where the type stands. */
  readonly place: Place;
  /** Where its options stand, among keys that are not the plugin's own. */
  readonly path: Path;
  readonly own: readonly string[];
  /** What stands there unless it is written, of what the plugin knows. */
  readonly more?: Readonly<Record<string, unknown>>;
  /** Nobody wrote options: what stands at the path is something else. */
  readonly empty?: boolean;
}

/** Options of a plugin, judged by its schema. Undefined: problems were noted. */
export function judgeOptions(building: Building, named: Named): Judged | undefined {
  const { kind, type, place, path, own, more = {}, empty = false } = named;
  const plugins: ReadonlyMap<string, { readonly options: z.ZodObject }> = building.plugins[kind];
  const plugin = plugins.get(type);
  if (!plugin) {
    const where = pathText(building.tree, path);
    const bad = building.bad?.get(`${kind}/${type}`);
    const none = `${where}: there is no ${WHAT[kind]} of type ${quote(type)}`;
    building.problems.push(
      bad
        ? problemAt(place, `${where}: ${bad.path}: ${bad.text}`, bad.rule, bad.hint)
        : problemAt(place, none, 'unknown-type', suggest(type, plugins.keys())),
    );
    return undefined;
  }
  const tree = empty ? undefined : at(building.tree, path);
  // `- service:` without anything below it is a step with no options.
  const plain = (tree && plainOf(tree)) ?? {};
  if (typeof plain === 'object' && !Array.isArray(plain)) {
    const values = plain as Record<string, unknown>;
    for (const key of own) delete values[key];
    for (const [key, value] of Object.entries(more))
      if (values[key] === undefined && Object.hasOwn(plugin.options.shape, key)) values[key] = value;
  }
  const schema = strictOf(plugin.options);
  const fallback = placeAt(building.tree, path).key;
  const judged = guarded(building, fallback, type, () => schema.safeParse(plain));
  if (!judged) return undefined;
  if (judged.success) return { type, options: judged.data };
  const problems = explain(judged.error.issues, { tree: building.tree, base: path, schema, fallback, also: own });
  building.problems.push(...problems);
  return undefined;
}

/** A plugin's own code, run while a configuration is judged: if it throws, that is a problem like others. */
function guarded<T>(building: Building, place: Place, type: string, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    const text = `the plugin ${type} broke while it was asked: ${clean(String((error as Error)?.message ?? error), 200)}`;
    building.problems.push(problemAt(place, text, 'plugin-contract'));
    return undefined;
  }
}

export function buildChannel(building: Building, name: string): ChannelConfig | undefined {
  const path = ['alerts', name];
  const found = optionsOf(building, path, 'alerts', Object.keys(channelKeys));
  const written = get(at(building.tree, path), 'limit');
  if (!found || !written) return found && { ...found, limit: null };
  const judged = channelLimit.safeParse(plainOf(written));
  if (judged.success) return { ...found, limit: { burst: judged.data.burst, everyMs: judged.data.every } };
  const base = [...path, 'limit'];
  const fallback = placeAt(building.tree, base).key;
  building.problems.push(
    ...explain(judged.error.issues, { tree: building.tree, base, schema: channelLimit, fallback }),
  );
  return undefined;
}

/** Null: none is wanted. Undefined: problems were noted. */
function buildManager(building: Building, path: Path): ManagerConfig | null | undefined {
  const tree = at(building.tree, path);
  if (!tree) return null;
  if (tree.kind !== 'map') return undefined; // noted by the schema
  if (textAt(tree, 'type') !== undefined) return optionsOf(building, path, 'recovery', ['type']);
  if (!get(tree, 'type'))
    building.problems.push(problemAt(tree.place, `${path.join('.')}: a manager needs a type`, 'missing'));
  return undefined;
}

const BOTH: readonly Depth[] = ['quick', 'deep'];
const depthsOf = (depth: Depth | 'both'): readonly Depth[] => (depth === 'both' ? BOTH : [depth]);

function buildCheck(building: Building, path: Path, input: ServiceInput['checks'][number]): CheckConfig | undefined {
  const found = optionsOf(building, path, 'checks', Object.keys(checkKeys));
  if (!found) return undefined;
  const able = building.plugins.checks.get(found.type)?.depth ?? 'both';
  const wanted = textAt(at(building.tree, path), 'depth');
  if (able !== 'both' && wanted !== able && /^(quick|deep|both)$/.test(wanted ?? '')) {
    const text = `${pathText(building.tree, path)}: the check ${found.type} is for ${able} only`;
    building.problems.push(problemAt(placeAt(building.tree, [...path, 'depth']).value, text, 'bad-depth'));
  }
  return {
    name: input.name ?? found.type,
    type: found.type,
    depths: depthsOf(input.depth ?? able),
    options: found.options,
    everyMs: input.every ?? null,
  };
}

/** Builds one service, or notes why it cannot be. Whatever can be judged is judged. */
export function buildService(building: Building, name: string): Built | undefined {
  const path = ['services', name];
  const tree = at(building.tree, path) as Tree;
  const fallback: Place = placeAt(building.tree, path).key;
  const judged = serviceSchema.safeParse(plainOf(tree));
  const before = building.problems.length;
  if (!judged.success)
    building.problems.push(
      ...explain(judged.error.issues, { tree: building.tree, base: path, schema: serviceSchema, fallback }),
    );
  const manager = buildManager(building, [...path, 'manager']);
  const checks = itemsOf(get(tree, 'checks')).flatMap((item, index) => {
    const off = get(item, 'off');
    if (item.kind !== 'map' || (off?.kind === 'leaf' && off.value === true)) return [];
    const input = judged.success ? judged.data.checks[index] : {};
    return buildCheck(building, [...path, 'checks', index], input ?? {}) ?? [];
  });
  if (!judged.success || manager === undefined || building.problems.length > before) return undefined;
  const input = judged.data;
  const kit = input.kit ?? null;
  const beat = ({ every, timeout }: { every: number; timeout: number }) => ({ everyMs: every, timeoutMs: timeout });
  const plugin = manager ? building.plugins.recovery.get(manager.type) : undefined;
  const parts =
    guarded(building, fallback, manager?.type ?? '', () => plugin?.parts?.(manager?.options as never)) ?? [];
  const policy = policyOf(input, parts, manager !== null || get(get(tree, 'recover'), 'ladder') !== undefined);
  const beats = { quick: beat(input.quick), deep: beat(input.deep) };
  const logSigns = Object.values(input['log-signs']).map(
    ({ part, stays, ...sign }): LogSign => ({
      ...sign,
      ...(part === undefined ? {} : { part }),
      ...(stays === undefined ? {} : { stays: { forMs: stays.for, processes: stays.processes } }),
    }),
  );
  return { input, config: { name, kit, checks, ...beats, manager, policy, logSigns } };
}

const rungOf = (rung: RungInput, parts: readonly string[]): Rung =>
  typeof rung === 'string'
    ? { name: rung, cures: defaultCures[rung], ...(rung === 'part' ? { parts } : {}) }
    : { name: 'command', cures: rung.cures ?? defaultCures.command, run: rung.command };

function policyOf(input: ServiceInput, parts: readonly string[], repaired: boolean): ServicePolicy {
  const { recover } = input;
  return {
    depends: input.depends,
    fall: input.quick.fall,
    rise: input.quick.rise,
    unknowns: recover.unknowns,
    confirmMs: recover.confirm ?? input.deep.timeout + 1000,
    ladder: repaired ? recover.ladder.map((rung) => rungOf(rung, parts)) : [],
    attempts: recover.attempts,
    windowMs: recover.window,
    backoff: { firstMs: recover.backoff.first, factor: recover.backoff.factor, maxMs: recover.backoff.max },
    repairMs: recover.repair,
    verifyMs: recover.verify,
    stableMs: recover.stable,
    graceMs: recover.grace,
    settleMs: recover.settle,
    byHandMs: recover['by-hand'],
    // oxlint-disable-next-line unicorn/no-thenable -- the word of the configuration; nobody awaits a policy
    then: recover.then,
    switchMs: recover.switch,
    againMs: recover.again,
    observe: recover.observe,
    flap: {
      changes: recover.flapping.changes,
      windowMs: recover.flapping.window,
      calmMs: recover.flapping.calm,
    },
    ...(input.runbook === undefined ? {} : { runbook: input.runbook }),
  };
}
