// Lists the plugin folders: file name = the name in the configuration. Nothing else needs to know which plugins exist.
// People's own are put beside them by src/contract/own.ts.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AlertChannel, Check, Recovery } from './define.ts';

/** The kinds of plugins: each is a folder of src, and one of people's own (src/contract/own.ts). */
export const KINDS = ['checks', 'recovery', 'alerts'] as const;
export type PluginKind = (typeof KINDS)[number];
export interface Plugins {
  readonly checks: ReadonlyMap<string, Check>;
  readonly recovery: ReadonlyMap<string, Recovery>;
  readonly alerts: ReadonlyMap<string, AlertChannel>;
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

/** All plugins, imported once. */
export function plugins(): Promise<Plugins> {
  loaded ??= Promise.all([
    loadKind<Check>('checks'),
    loadKind<Recovery>('recovery'),
    loadKind<AlertChannel>('alerts'),
  ]).then(([checks, recovery, alerts]) => ({ checks, recovery, alerts }));
  return loaded;
}

/** Only these, for a command that cannot wait for the libraries of all others. Names that do not ship are left out. */
export async function somePlugins(wanted: Readonly<Partial<Record<PluginKind, Iterable<string>>>>): Promise<Plugins> {
  const known = (kind: PluginKind): readonly string[] => {
    const names = new Set(wanted[kind] ?? []);
    return pluginNames(kind).filter((name) => names.has(name));
  };
  const [checks, recovery, alerts] = await Promise.all([
    loadKind<Check>('checks', known('checks')),
    loadKind<Recovery>('recovery', known('recovery')),
    loadKind<AlertChannel>('alerts', known('alerts')),
  ]);
  return { checks, recovery, alerts };
}
