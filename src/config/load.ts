// A configuration file → the whole effective configuration, or all of its problems. Never half a configuration, and
// never a throw for what stands in a file.
import { z } from '../define.ts';
import type { Files } from '../ports/files.ts';
import type { Plugins } from '../registry.ts';
import { agentOf } from './agent-schema.ts';
import { type Building, type Built, buildChannel, buildService } from './build.ts';
import { effectiveTree } from './effective.ts';
import { buildClustering, type Clustering, clusteringOf } from './clustering.ts';
import { checkClustering } from './cluster-rules.ts';
import { explain, problemAt } from './issues.ts';
import { applyKit, type Kits, openKits, shippedKits } from './kits.ts';
import { mergeFiles } from './merge.ts';
import { ownProblems, unusable, type WithOwn, withOwnPlugins } from './own-plugins.ts';
import { checkNamedServices } from './named-services.ts';
import { parse } from './parse.ts';
import { withPaths } from './paths.ts';
import { sortProblems } from './problems.ts';
import { checkTelling, maintenanceOf, routingOf, type Telling } from './routing.ts';
import { checkDepends, checkNode, checkService, unusedKits } from './rules.ts';
import { laterKeys, name as nameSchema, type RootInput, root as rootSchema, SERVICES_MAX } from './schema.ts';
import { readSources, type Source } from './source.ts';
import {
  entriesOf,
  get,
  itemsOf,
  type MapTree,
  mapOf,
  placeAt,
  plainOf,
  textAt,
  type Tree,
  withKeys,
  wordsOf,
} from './tree.ts';
import type { ChannelConfig, Config, Loaded, Problem, ServiceConfig } from './types.ts';

export interface LoadOptions {
  readonly files: Files;
  readonly plugins: Plugins;
  /** The name of the node unless the file has one. */
  readonly hostname: string;
  /** The user that this process runs as; null where there is no such thing. */
  readonly uid: number | null;
  /** Refuse files and folders that others may write to. Default true; false only for what ships with the program. */
  readonly modes?: boolean;
  /** Where the kits are; default: those that ship with the program. */
  readonly kitsDir?: string;
}

/** The root without its services: those are judged one by one, so that one bad service hides nothing of the others. */
const head = rootSchema.extend({
  services: z.record(nameSchema('The name of a service'), z.unknown()).describe('What is kept working'),
  alerts: z.record(nameSchema('The name of a channel'), z.unknown()).default({}),
  cluster: z.unknown().optional(),
  groups: z.record(nameSchema('The name of a group'), z.unknown()).default({}),
});
type Head = z.output<typeof head>;

/** Reads, merges, expands and judges a configuration, with the plugins that it is given. See the head of this file. */
export function load(path: string, options: LoadOptions): Loaded {
  const read = readWhole(path, options);
  if (!read.written) return { problems: sortProblems(read.problems) };
  return judge(read.written, read.sources, options, [...read.problems]);
}

/** The same, with people's own plugins beside those that it is given. */
export async function loadWithOwn(path: string, options: LoadOptions): Promise<Loaded> {
  return judgeWithOwn(path, readWhole(path, options), options);
}

async function judgeWithOwn(path: string, read: ReadWhole, options: LoadOptions): Promise<Loaded> {
  if (!read.written) return { problems: sortProblems(read.problems) };
  const found = await withOwnPlugins(withPaths(read.written), path, options);
  const all = { ...options, plugins: found.plugins };
  return judge(read.written, read.sources, all, [...read.problems], found);
}

/** The same for a daemon that must begin soon: `pluginsFor` loads those that a word of the configuration or of its
 *  kits names; null: all of them, so that a problem can say what may have been meant. */
export async function loadNamed(
  path: string,
  options: Omit<LoadOptions, 'plugins'>,
  pluginsFor: (words: ReadonlySet<string> | null) => Promise<Plugins>,
): Promise<Loaded> {
  const read = readWhole(path, { ...options });
  if (!read.written) return { problems: sortProblems(read.problems) };
  const kits = openKits(get(read.written, 'kits'), options.kitsDir ?? shippedKits, options.files);
  const words = new Set(wordsOf(expand(read.written, kits, []).tree));
  const loaded = await judgeWithOwn(path, read, { ...options, plugins: await pluginsFor(words) });
  return 'config' in loaded ? loaded : judgeWithOwn(path, read, { ...options, plugins: await pluginsFor(null) });
}

interface ReadWhole {
  /** All files as one tree; undefined when they make none. */
  readonly written: MapTree | undefined;
  readonly sources: readonly Source[];
  readonly problems: readonly Problem[];
}

function readWhole(path: string, { files, uid, modes = true }: Omit<LoadOptions, 'plugins'>): ReadWhole {
  const { sources, complete, problems: before } = readSources(path, { files, uid, modes });
  const problems: Problem[] = [...before];
  const trees = sources.flatMap((source) => {
    const parsed = parse(source.path, source.text, source.path);
    problems.push(...parsed.problems);
    return parsed.tree ? [parsed.tree] : [];
  });
  // A part that cannot be read leaves gaps that would look like problems of the other parts.
  if (!complete || trees.length < sources.length) return { written: undefined, sources, problems };
  const written = mergeFiles(trees, problems);
  if (written?.kind === 'map') return { written, sources, problems };
  if (written) problems.push(problemAt(written.place, 'expected a map of keys such as services', 'wrong-type'));
  return { written: undefined, sources, problems };
}

const hasErrors = (problems: readonly Problem[]): boolean => problems.some((problem) => problem.level === 'error');

function judge(
  written: MapTree,
  sources: readonly Source[],
  options: LoadOptions,
  problems: Problem[],
  found?: WithOwn,
): Loaded {
  const now = refuseLater(withPaths(written) as MapTree, problems);
  const kits = openKits(get(now, 'kits'), options.kitsDir ?? shippedKits, options.files);
  const { tree, unfit } = expand(now, kits, problems);
  const fallback = now.place;
  const judged = head.safeParse(plainOf(withoutServices(tree)));
  if (!judged.success) problems.push(...explain(judged.error.issues, { tree, base: [], schema: head, fallback }));
  if (found) problems.push(...ownProblems(found.own, tree));
  const building: Building = {
    tree,
    plugins: options.plugins,
    problems,
    ...(found ? { bad: unusable(found.own) } : {}),
  };
  const names = [...entriesOf(get(tree, 'services'))].map(([name]) => name);
  refuseNone(tree, names, problems);
  const built = names.slice(0, SERVICES_MAX).map((name) => buildService(building, name));
  const channels = [...entriesOf(get(tree, 'alerts'))].map(
    ([name, entry]) => [name, channelOf(building, name, entry.value)] as const,
  );
  const clustering = buildClustering(building, judged.success ? judged.data : null, options.hostname);
  checkDepends(building, dependsOf(tree));
  checkNamedServices(building, names);
  for (const one of built) if (one && !unfit.has(one.config.name)) checkService(building, one);
  checkClustering(building, clustering, built);
  const telling: Telling = {
    ...{ tree, plugins: options.plugins, problems, services: names },
    channels: Object.fromEntries(channels.flatMap(([name, channel]) => (channel ? [[name, channel]] : []))),
  };
  if (judged.success) checkNode(building, judged.data as unknown as RootInput);
  if (judged.success && channels.every(([, channel]) => channel)) checkTelling(telling, judged.data);
  const used = new Set(names.map((name) => textAt(get(get(tree, 'services'), name), 'kit') ?? ''));
  problems.push(...unusedKits(building, used));
  if (hasErrors(problems) || !judged.success) return { problems: sortProblems(problems) };
  const complete = built.filter((one): one is Built => one !== undefined);
  const all = [...sources, ...(found?.own.files ?? [])];
  return {
    config: assemble(judged.data, complete, telling, clusteringOf(clustering), all, options),
    plugins: options.plugins,
    origins: new Map(found?.own.plugins.map((one) => [`${one.kind}/${one.name}`, one.origin])),
    warnings: sortProblems(problems),
    written,
    effective: () => effectiveTree(tree, options),
  };
}

/** Keys of later versions: refused by name, and then left out. */
function refuseLater(tree: MapTree, problems: Problem[]): MapTree {
  const entries = [...tree.entries].filter(([key, entry]) => {
    if (!laterKeys.has(key)) return true;
    problems.push(problemAt(entry.key, `${key} is not in this version`, 'not-in-this-version', 'take it out'));
    return false;
  });
  return mapOf(tree.place, entries);
}

/** Services laid over their kits. Those whose kit did not fit are judged no further than their own keys. */
function expand(tree: MapTree, kits: Kits, problems: Problem[]): { tree: MapTree; unfit: ReadonlySet<string> } {
  const unfit = new Set<string>();
  const services = get(tree, 'services');
  if (services?.kind !== 'map') return { tree, unfit };
  const expanded = [...services.entries].map(([name, entry]) => {
    if (entry.value.kind !== 'map') return [name, entry] as const;
    const before = problems.length;
    const value = applyKit(entry.value, `services.${name}`, kits, problems);
    if (problems.length > before) unfit.add(name);
    return [name, { key: entry.key, value }] as const;
  });
  return { tree: withKeys(tree, { services: mapOf(services.place, expanded) }), unfit };
}

/** Only the names of the services are left: the services themselves are judged one by one. */
function withoutServices(tree: MapTree): MapTree {
  const services = get(tree, 'services');
  if (services?.kind !== 'map') return tree;
  const bare = [...services.entries].map(([name, { key }]) => {
    return [name, { key, value: { kind: 'leaf', place: key, value: null } }] as const;
  });
  return withKeys(tree, { services: mapOf(services.place, bare) });
}

function refuseNone(tree: Tree, names: readonly string[], problems: Problem[]): void {
  const services = get(tree, 'services');
  if (services?.kind === 'map' && names.length === 0)
    problems.push(
      problemAt(services.place, 'services: none is named; nothing is watched unless it is named', 'no-services'),
    );
  if (services && names.length > SERVICES_MAX)
    problems.push(problemAt(services.place, `services: ${names.length}; at most ${SERVICES_MAX}`, 'too-big'));
}

function channelOf(building: Building, name: string, tree: Tree): ChannelConfig | undefined {
  if (textAt(tree, 'type') !== undefined) return buildChannel(building, name);
  const { key } = placeAt(building.tree, ['alerts', name]);
  building.problems.push(problemAt(key, `alerts.${name}: a channel is a map with a type`, 'missing'));
  return undefined;
}

function dependsOf(tree: Tree): ReadonlyMap<string, readonly string[]> {
  return new Map(
    [...entriesOf(get(tree, 'services'))].map(([name, entry]) => [
      name,
      itemsOf(get(entry.value, 'depends')).map((item) => plainOf(item) as string),
    ]),
  );
}

function assemble(
  root: Head,
  built: readonly Built[],
  telling: Telling,
  clustering: Clustering,
  sources: readonly Pick<Source, 'path' | 'sha256'>[],
  options: LoadOptions,
): Config {
  const services: Record<string, ServiceConfig> = Object.fromEntries(built.map(({ config }) => [config.name, config]));
  const node = root.node ?? options.hostname;
  return {
    node,
    services,
    policy: {
      node,
      services: Object.fromEntries(built.map(({ config }) => [config.name, config.policy])),
      observe: root.observe,
      repairs: { max: root.repairs.max, windowMs: root.repairs.window, parallel: root.repairs.parallel },
      tilt: {
        stallMs: root.tilt.stall,
        share: root.tilt.share,
        least: root.tilt.least,
        windowMs: root.tilt.window,
        limitMs: root.tilt.limit,
      },
      routing: routingOf(telling, root),
      ...clustering.policy,
    },
    alerts: telling.channels,
    ...clustering.config,
    quietHours: Object.fromEntries(
      Object.entries(root['quiet-hours']).map(([name, { at, for: forMs, zone = null }]) => [name, { at, forMs, zone }]),
    ),
    maintenance: maintenanceOf(root, telling.services),
    ...(root.agent ? { agent: agentOf(root.agent) } : {}),
    stateDir: root['state-dir'],
    runDir: root['run-dir'],
    historyMs: root.history.keep,
    purgeAt: root.history.purge,
    sandbox: root.sandbox,
    files: sources.map(({ path: file, sha256 }) => ({ path: file, sha256 })),
  };
}
