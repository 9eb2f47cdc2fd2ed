// Lists the plugin folders: file name = the name in the configuration. Nothing else needs to know which plugins exist.
// People's own are put beside them by src/contract/own.ts.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AlertChannel, Check, Coordinator, Recovery, Replication, SwitchStep } from './define.ts';

/** The kinds of plugins: each is a folder of src, and one of people's own (src/contract/own.ts). */
export const KINDS = ['checks', 'recovery', 'alerts', 'switchover', 'replication', 'cluster'] as const;
export type PluginKind = (typeof KINDS)[number];
export interface Plugins {
  readonly checks: ReadonlyMap<string, Check>;
  readonly recovery: ReadonlyMap<string, Recovery>;
  readonly alerts: ReadonlyMap<string, AlertChannel>;
  readonly switchover: ReadonlyMap<string, SwitchStep>;
  readonly replication: ReadonlyMap<string, Replication>;
  readonly cluster: ReadonlyMap<string, Coordinator>;
}

const home = dirname(fileURLToPath(import.meta.url));

/** Names of the plugins of one kind, sorted. */
export function pluginNames(kind: PluginKind): readonly string[] {
  return readdirSync(join(home, kind))
    .filter((file) => /\.(js|ts)$/.test(file) && !file.endsWith('.d.ts') && !file.startsWith('_'))
    .map((file) => file.replace(/\.(js|ts)$/, ''))
    .sort();
}

async function loadKind<P>(kind: PluginKind, names = pluginNames(kind)): Promise<ReadonlyMap<string, P>> {
  const found = new Map<string, P>();
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  for (const name of names) {
    const module = (await import(pathToFileURL(join(home, kind, name + extension)).href)) as { default: P };
    found.set(name, module.default);
  }
  return found;
}

let loaded: Promise<Plugins> | undefined;

async function load(namesOf: (kind: PluginKind) => readonly string[]): Promise<Plugins> {
  const [checks, recovery, alerts, switchover, replication, cluster] = await Promise.all([
    loadKind<Check>('checks', namesOf('checks')),
    loadKind<Recovery>('recovery', namesOf('recovery')),
    loadKind<AlertChannel>('alerts', namesOf('alerts')),
    loadKind<SwitchStep>('switchover', namesOf('switchover')),
    loadKind<Replication>('replication', namesOf('replication')),
    loadKind<Coordinator>('cluster', namesOf('cluster')),
  ]);
  return { checks, recovery, alerts, switchover, replication, cluster };
}

/** All plugins, imported once. */
export function plugins(): Promise<Plugins> {
  loaded ??= load(pluginNames);
  return loaded;
}

/** Only these, for a command that cannot wait for the libraries of all others. Names that do not ship are left out. */
export function somePlugins(wanted: Readonly<Partial<Record<PluginKind, Iterable<string>>>>): Promise<Plugins> {
  return load((kind) => {
    const names = new Set(wanted[kind] ?? []);
    return pluginNames(kind).filter((name) => names.has(name));
  });
}

/** Those that one of these words names, of the kinds that bring libraries along; all others whole. */
export function pluginsNamed(words: ReadonlySet<string> | null): Promise<Plugins> {
  if (words === null) return plugins();
  return load((kind) =>
    kind === 'cluster' || kind === 'switchover'
      ? pluginNames(kind)
      : pluginNames(kind).filter((name) => words.has(name)),
  );
}
