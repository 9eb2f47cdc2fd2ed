// Lists the plugin folders: file name = the name in the configuration. Nothing else needs to know which plugins exist.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AlertChannel, Check, Recovery } from './define.ts';

export type PluginKind = 'checks' | 'recovery' | 'alerts';
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

async function loadKind<P>(kind: PluginKind): Promise<ReadonlyMap<string, P>> {
  const found = new Map<string, P>();
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  for (const name of pluginNames(kind)) {
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
