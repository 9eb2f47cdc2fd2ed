// One group from its tree to what the daemon runs: its rules for the core, its steps and sources with what their
// plugins made of the options.
import type { Gate, GroupPolicy, StepPolicy } from '../core/group-types.ts';
import { type Building, judgeOptions } from './build.ts';
import { type GroupInput, group as groupSchema, sourceKeys, stepKeys } from './cluster-schema.ts';
import { explain, problemAt } from './issues.ts';
import { quote } from './problems.ts';
import { entriesOf, get, itemsOf, at, type Path, pathText, type Place, placeAt, plainOf, type Tree } from './tree.ts';
import type { GroupConfig, HoursConfig, SourceConfig, StepConfig } from './types.ts';

export interface BuiltGroup {
  readonly name: string;
  readonly input: GroupInput;
  /** Null: its steps or sources are not good. The rest can be judged all the same. */
  readonly config: GroupConfig | null;
}

/** What brings data to a node: it comes before the services that use it. */
const STORAGE: ReadonlySet<string> = new Set(['mount', 'ocf', 'lifekeeper', 'fence', 'command']);
export const SERVICE = 'service';
const STEP_MS = 60_000;
const TRIES = 3;

interface Typed {
  readonly type: string;
  readonly options: unknown;
}

/** A step of the services means those of the group, unless it names some. */
export const moreFor = (type: string, services: readonly unknown[]) =>
  type === SERVICE && services.length > 0 ? { services } : {};

/** An item of a list that names its type by its one key: `- address: { … }`. Undefined: problems were noted. */
function typedItem(
  building: Building,
  path: Path,
  kind: 'switchover' | 'replication',
  services: readonly string[] = [],
): Typed | undefined {
  const item = at(building.tree, path) as Tree;
  if (item.kind !== 'map') return undefined; // noted by the schema
  const own = Object.keys(kind === 'switchover' ? stepKeys : sourceKeys);
  const types = [...entriesOf(item)].filter(([key]) => !own.includes(key));
  const [first, ...others] = types;
  const where = pathText(building.tree, path);
  if (!first) {
    const example = kind === 'switchover' ? 'address: { … }' : 'dovecot: { … }';
    building.problems.push(problemAt(item.place, `${where}: names no type`, 'missing', `write it as ${example}`));
    return undefined;
  }
  const known = building.plugins[kind];
  const type = types.find(([key]) => known.has(key)) ?? first;
  for (const [key, entry] of [first, ...others])
    if (key !== type[0]) {
      const text = `${where}: ${quote(key)} beside ${quote(type[0])}: one key is the type, its options stand below it`;
      building.problems.push(problemAt(entry.key, text, 'unknown-key', `known beside it: ${own.join(', ')}`));
    }
  if (others.length > 0) return undefined;
  return judgeOptions(building, {
    kind,
    type: first[0],
    place: first[1].key,
    path: [...path, first[0]],
    own: [],
    more: moreFor(first[0], services),
  });
}

/** Names: as written, or the type, numbered when it is used again. Doubles are noted. */
function namesOf(building: Building, path: Path, items: readonly Pick<Made, 'type' | 'name' | 'index'>[]) {
  const given = new Set(items.flatMap(({ name }) => name ?? []));
  const used = new Set<string>();
  return items.map(({ name, type, index }) => {
    let own = name ?? type;
    for (let number = 2; name === undefined && (used.has(own) || given.has(own)); number++) own = `${type}-${number}`;
    if (used.has(own)) {
      const place = placeAt(building.tree, [...path, index ?? 0, 'name']).value;
      building.problems.push(
        problemAt(place, `${path.join('.')}: the name ${quote(own)} stands here twice`, 'duplicate-name'),
      );
    }
    used.add(own);
    return own;
  });
}

/** Where the services come if nobody said so: after what brings their data, before what brings their clients. */
export function afterStorage(types: readonly string[]): number {
  const index = types.findIndex((type) => !STORAGE.has(type));
  return index < 0 ? types.length : index;
}

/** A group whose services are started with it has a step that does so, if nobody wrote one: after the storage. */
function withServices(building: Building, name: string, input: GroupInput, written: readonly Made[]): readonly Made[] {
  if (input.standby !== 'stopped' || input.services.length === 0) return written;
  if (written.some(({ type }) => type === SERVICE)) return written;
  const path: Path = ['groups', name, 'services'];
  const place: Place = placeAt(building.tree, path).key;
  const found = judgeOptions(building, {
    kind: 'switchover',
    type: SERVICE,
    place,
    path,
    own: [],
    empty: true,
    more: moreFor(SERVICE, input.services),
  });
  if (!found) return written;
  const before = afterStorage(written.map(({ type }) => type));
  const made: Made = { ...found, name: undefined, timeout: undefined, tries: TRIES, index: null };
  return [...written.slice(0, before), made, ...written.slice(before)];
}

interface Made extends Typed {
  readonly name: string | undefined;
  readonly timeout: number | undefined;
  readonly tries: number;
  /** Where it stands in the list; null: nobody wrote it. */
  readonly index: number | null;
}

function stepsOf(building: Building, name: string, input: GroupInput) {
  const path: Path = ['groups', name, 'steps'];
  const written = input.steps.flatMap((step, index): readonly Made[] => {
    const found = typedItem(building, [...path, index], 'switchover', input.services);
    return found ? [{ ...found, name: step.name, timeout: step.timeout, tries: step.tries, index }] : [];
  });
  const all = withServices(building, name, input, written);
  const names = namesOf(building, path, all);
  const steps = all.map(({ type, options }, index): StepConfig => ({ name: names[index] as string, type, options }));
  const policies = all.map(({ type, timeout, tries }, index): StepPolicy => {
    const plugin = building.plugins.switchover.get(type);
    const scope = plugin?.scope ?? 'node';
    return {
      ...{ name: names[index] as string, type, scope, tries },
      pivot: plugin?.pivot ?? false,
      ...((plugin?.takesIn ?? plugin?.pivot) ? { takesIn: true as const } : {}),
      exclusive: plugin?.exclusive ?? scope === 'node',
      prepares: plugin?.prepare !== undefined,
      timeoutMs: timeout ?? plugin?.timeoutMs ?? STEP_MS,
    };
  });
  return { steps, policies };
}

function sourcesOf(building: Building, name: string, input: GroupInput): readonly SourceConfig[] {
  const path: Path = ['groups', name, 'replication'];
  const made = input.replication.flatMap((source, index) => {
    const found = typedItem(building, [...path, index], 'replication');
    return found ? [{ found, source, index }] : [];
  });
  const names = namesOf(
    building,
    path,
    made.map(({ found, source, index }) => ({ name: source.name, type: found.type, index })),
  );
  return made.map(({ found, source }, index) => ({
    ...{ name: names[index] as string, ...found },
    ...{ everyMs: source.every, timeoutMs: source.timeout, warnUnits: source.warn, failUnits: source.fail },
    proveMs: source.prove,
  }));
}

/** Builds one group, or notes why it cannot be. */
export function buildGroup(
  building: Building,
  name: string,
  quiet: Readonly<Record<string, HoursConfig>>,
): BuiltGroup | undefined {
  const path: Path = ['groups', name];
  const tree = at(building.tree, path) as Tree;
  const fallback = placeAt(building.tree, path).key;
  const judged = groupSchema.safeParse(plainOf(tree));
  const before = building.problems.length;
  if (!judged.success) {
    const about = { tree: building.tree, base: path, schema: groupSchema, fallback };
    building.problems.push(...explain(judged.error.issues, about));
    for (const [key, kind] of [
      ['steps', 'switchover'],
      ['replication', 'replication'],
    ] as const)
      for (const index of itemsOf(get(tree, key)).keys()) typedItem(building, [...path, key, index], kind);
    return undefined;
  }
  const input = judged.data;
  const { steps, policies } = stepsOf(building, name, input);
  const sources = sourcesOf(building, name, input);
  if (building.problems.length > before) return { name, input, config: null };
  const hours = input.switchback.hours;
  const config: GroupConfig = {
    name,
    policy: policyOf(input, policies, sources, flushing(building, sources)),
    ...{ steps, sources },
    switchbackHours: typeof hours === 'string' ? (quiet[hours] ?? null) : hours ? hoursOf(hours) : null,
    drillAt: input.drill?.at ?? null,
  };
  return { name, input, config };
}

export const hoursOf = (hours: { at: string; for: number; zone?: string | undefined }): HoursConfig => ({
  ...{ at: hours.at, forMs: hours.for, zone: hours.zone ?? null },
});

const UNITS = { good: 6, best: 12 } as const;

function gateOf(gate: GroupInput['gate'], sources: readonly SourceConfig[]): Gate {
  const wanted = gate ?? (sources.length > 0 ? 'good' : 'none');
  if (typeof wanted !== 'string') return { kind: 'rpo', ms: wanted.rpo };
  return wanted === 'none' || wanted === 'lossless' ? { kind: wanted } : { kind: 'within', units: UNITS[wanted] };
}

type Flushing = Pick<GroupPolicy, 'noFlush' | 'flushLast'>;

/** What the sources can do for a planned move, and what they need. */
function flushing({ plugins }: Building, sources: readonly SourceConfig[]): Flushing {
  const found = sources.map(({ type, options }) => ({ plugin: plugins.replication.get(type), options }));
  const can = found.every(
    ({ plugin, options }) => plugin?.flush !== undefined && plugin.flushes?.(options as never) !== false,
  );
  const last = found.some(({ plugin, options }) => plugin?.flush && plugin.oneWay?.(options as never) === true);
  return { ...(can ? {} : { noFlush: true as const }), ...(last ? { flushLast: true as const } : {}) };
}

function policyOf(
  input: GroupInput,
  steps: readonly StepPolicy[],
  sources: readonly SourceConfig[],
  how: Flushing,
): GroupPolicy {
  const { failover, switchback, objectives } = input;
  return {
    ...{ services: input.services, standby: input.standby, nodes: input.nodes, weight: input.weight },
    failover: {
      ...{ mode: failover.mode, afterMs: failover.after, confirmMs: failover.confirm, otherwise: failover.otherwise },
    },
    switchback: { mode: switchback.mode, dwellMs: switchback.dwell },
    blockMs: input.block,
    gate: gateOf(input.gate, sources),
    steps,
    sources: sources.map(({ name }) => name),
    ...how,
    objectives: { rtoMs: objectives.rto ?? null, rpoMs: objectives.rpo ?? null },
    factsMs: input.facts,
  };
}
