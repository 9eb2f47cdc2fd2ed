// People's own plugins: finds them below a folder and in packages, trusts only what nobody else could have written,
// imports each once, and holds it to the contract. Whatever a file does, it becomes a fault with a name, never a throw.
import { createHash } from 'node:crypto';
import { register } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AlertChannel, Check, Recovery } from '../define.ts';
import { KINDS, type PluginKind, type Plugins, pluginNames } from '../registry.ts';
import { apiFault, definitionFaults, messageOf } from './definition.ts';
import { type Distrust, distrust, type Trusting } from './trust.ts';

export interface OwnPlugin {
  readonly kind: PluginKind;
  readonly name: string;
  /** The file, or `package NAME`. */
  readonly origin: string;
  readonly definition: Check | Recovery | AlertChannel;
}

/** Something that cannot be used. With a kind and a name it is a plugin; without, a folder or a package. */
export interface OwnFault extends Distrust {
  readonly kind?: PluginKind;
  readonly name?: string;
  readonly package?: string;
  /** It can be used, and yet a person should know this of it. */
  readonly only?: 'warning';
}

export interface Own {
  readonly plugins: readonly OwnPlugin[];
  readonly faults: readonly OwnFault[];
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
}

export interface OwnWanted {
  readonly folder: string;
  /** Somebody wrote that folder down: it has to be there. */
  readonly named: boolean;
  readonly packages: readonly string[];
}

const IMPORT_MS = 10_000;
const FILE_MAX = 4 * 1024 * 1024;
const NAME = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

let hooked = false;

/** Lets a plugin import `watchkeeper/define` from wherever it lies. Costs a thread: only who has plugins pays it. */
function hook(): void {
  if (hooked) return;
  hooked = true;
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  register(`./resolve-hook${extension}`, import.meta.url, {
    data: { define: new URL(`../define${extension}`, import.meta.url).href },
  });
}

type Module = Readonly<Record<string, unknown>>;
interface Imported {
  readonly sha256: string;
  readonly tries: number;
  readonly module: Module | null;
  readonly fault: string;
  /** It kept the contract, and somebody may run it. */
  used: boolean;
}
const imported = new Map<string, Imported>();

/** Node keeps a module for good: what is used stays as it was until a restart. What could not be used may be tried
 *  again when its text is another. `specifier` gets the number of the try. */
async function importOnce(key: string, sha256: string, specifier: (attempt: number) => string): Promise<Imported> {
  const before = imported.get(key);
  if (before && (before.used || before.sha256 === sha256)) return before;
  hook();
  const tries = (before?.tries ?? 0) + 1;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${IMPORT_MS / 1000} s`)), IMPORT_MS);
  });
  const now: Imported = await Promise.race([import(specifier(tries)) as Promise<Module>, late]).then(
    (module) => ({ sha256, tries, module, fault: '', used: false }),
    (error: unknown) => ({ sha256, tries, module: null, fault: messageOf(error), used: false }),
  );
  clearTimeout(timer);
  imported.set(key, now);
  return now;
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What one definition is worth: a plugin, or why not. */
function judge(kind: PluginKind, name: string, origin: string, definition: unknown): OwnPlugin | OwnFault {
  const at = { kind, name, path: origin };
  if (!NAME.test(name))
    return { ...at, text: 'its name is none: small letters, digits and . _ -, at most 64', rule: 'bad-name' };
  if (pluginNames(kind).includes(name))
    return {
      ...at,
      text: `the name ${name} is taken: a plugin of that name ships with the program`,
      rule: 'taken-name',
    };
  const [first, ...more] = definitionFaults(kind, definition);
  if (first === undefined) return { kind, name, origin, definition: definition as Check };
  return { ...at, text: [first, ...more].join('; '), rule: 'plugin-contract' };
}

const isFault = (one: OwnPlugin | OwnFault): one is OwnFault => 'rule' in one;
export const isPlugin = (one: OwnPlugin | OwnFault): one is OwnPlugin => !isFault(one);

/** One file as a plugin. Whether it may be trusted is the caller's to know. */
export async function loadFile(kind: PluginKind, path: string, text: string): Promise<(OwnPlugin | OwnFault)[]> {
  const name = path.slice(dirname(path).length + 1).replace(/\.m?js$/, '');
  const at = { kind, name, path };
  const sha256 = hash(text);
  const { href } = pathToFileURL(path);
  const found = await importOnce(path, sha256, (attempt) => `${href}?plugin=${attempt}`);
  if (!found.module) return [{ ...at, text: `it cannot be imported: ${found.fault}`, rule: 'plugin-import' }];
  const api = apiFault(found.module['api']);
  if (api !== null) return [{ ...at, text: api, rule: 'plugin-api' }];
  const judged = judge(kind, name, path, found.module['default']);
  if (isFault(judged)) return [judged];
  found.used = true;
  if (found.sha256 === sha256) return [judged];
  const text2 = 'its file was changed after it was loaded; the new code needs a restart of the daemon';
  return [judged, { ...at, text: text2, rule: 'plugin-changed', only: 'warning' }];
}

async function fromFolder(wanted: OwnWanted, trusting: Trusting, own: Found): Promise<void> {
  const { files } = trusting;
  const { folder } = wanted;
  const real = files.realPath(folder);
  if (real === null || files.facts(real)?.kind !== 'directory') {
    if (wanted.named) own.faults.push({ path: folder, text: 'there is no such folder', rule: 'no-file' });
    return;
  }
  const kinds = KINDS.filter((kind) => files.facts(join(real, kind)));
  // What npm put beside them is judged package by package.
  const strange = kinds.length > 0 ? distrust(real, trusting, ['node_modules']) : null;
  if (strange) {
    own.faults.push({ ...strange, ...partOf(real, strange.path) });
    return;
  }
  for (const kind of KINDS) {
    const place = join(real, kind);
    if (files.facts(place)?.kind !== 'directory') continue;
    const names = files.list(place).filter((name) => /^[^._].*\.m?js$/.test(name));
    for (const name of names.sort()) {
      const path = join(place, name);
      const text = files.readText(files.realPath(path) ?? path, FILE_MAX) ?? '';
      own.files.push({ path, sha256: hash(text) });
      own.add(await loadFile(kind, path, text));
    }
  }
}

/** Which plugin a file of the folder is. */
function partOf(folder: string, path: string): { kind?: PluginKind; name?: string } {
  const [first = '', name = ''] = path.slice(folder.length + 1).split('/');
  const kind = KINDS.find((one) => one === first);
  return kind && /\.m?js$/.test(name) ? { kind, name: name.replace(/\.m?js$/, '') } : {};
}

/** Where Node would find a package from a folder. */
function packageFolder(name: string, from: string, { files }: Trusting): string | null {
  for (let at = from; ; at = dirname(at)) {
    const real = files.realPath(join(at, 'node_modules', name));
    if (real !== null && files.facts(join(real, 'package.json'))) return real;
    if (at === dirname(at)) return null;
  }
}

async function fromPackage(name: string, folder: string, trusting: Trusting, own: Found): Promise<void> {
  const at = { package: name, path: `package ${name}` };
  const home = fileURLToPath(new URL('../..', import.meta.url));
  const from = [folder, home].find((one) => packageFolder(name, one, trusting) !== null);
  const real = from === undefined ? null : packageFolder(name, from, trusting);
  if (real === null || from === undefined) {
    const hint = `npm install --prefix ${folder} ${name}`;
    own.faults.push({ ...at, text: 'it is not installed where plugins are', rule: 'no-package', hint });
    return;
  }
  const strange = distrust(real, trusting);
  if (strange) {
    own.faults.push({ ...strange, package: name });
    return;
  }
  const text = trusting.files.readText(join(real, 'package.json'), FILE_MAX) ?? '';
  own.files.push({ path: join(real, 'package.json'), sha256: hash(text) });
  const parent = pathToFileURL(join(from, 'plugins.js')).href;
  const query = (attempt: number) => new URLSearchParams({ name, from: parent, plugin: String(attempt) }).toString();
  const found = await importOnce(`package ${name}`, hash(text), (attempt) => `watchkeeper-package:?${query(attempt)}`);
  if (!found.module) {
    own.faults.push({ ...at, text: `it cannot be imported: ${found.fault}`, rule: 'plugin-import' });
    return;
  }
  const api = apiFault(found.module['api']);
  if (api !== null) {
    own.faults.push({ ...at, text: api, rule: 'plugin-api' });
    return;
  }
  const brought = KINDS.flatMap((kind) =>
    Object.entries((found.module?.[kind] ?? {}) as Module).map(([key, one]) => judge(kind, key, at.path, one)),
  );
  own.add(brought.map((one) => (isFault(one) ? { ...one, package: name } : one)));
  if (brought.length === 0)
    own.faults.push({ ...at, text: `it exports no ${KINDS.join(', ')}`, rule: 'plugin-contract' });
  found.used ||= brought.some(isPlugin);
  if (found.sha256 !== hash(text)) {
    const changed = 'it was changed after it was loaded; the new code needs a restart of the daemon';
    own.faults.push({ ...at, text: changed, rule: 'plugin-changed', only: 'warning' });
  }
}

interface Found {
  readonly plugins: OwnPlugin[];
  readonly faults: OwnFault[];
  readonly files: { readonly path: string; readonly sha256: string }[];
  /** Takes what was judged; a name that another has already is a fault. */
  add(judged: readonly (OwnPlugin | OwnFault)[]): void;
}

/** All own plugins that are wanted, and everything that is wrong with any. */
export async function loadOwn(wanted: OwnWanted, trusting: Trusting): Promise<Own> {
  const own: Found = {
    ...{ plugins: [], faults: [], files: [] },
    add(judged) {
      for (const one of judged) {
        if (isFault(one)) {
          own.faults.push(one);
          continue;
        }
        const { kind, name, origin } = one;
        const other = own.plugins.find((each) => each.kind === kind && each.name === name);
        if (!other) own.plugins.push(one);
        else
          own.faults.push({
            ...{ kind, name, path: origin, rule: 'taken-name' },
            text: `the name ${name} is taken by ${other.origin}`,
          });
      }
    },
  };
  const guarded = async (path: string, work: () => Promise<void>): Promise<void> =>
    work().catch((error: unknown) => void own.faults.push({ path, text: messageOf(error), rule: 'unreadable' }));
  await guarded(wanted.folder, () => fromFolder(wanted, trusting, own));
  for (const name of wanted.packages)
    await guarded(`package ${name}`, () => fromPackage(name, wanted.folder, trusting, own));
  return own;
}

/** The shipped plugins with own ones beside them. */
export function beside(shipped: Plugins, own: readonly OwnPlugin[]): Plugins {
  if (own.length === 0) return shipped;
  const merged = <P>(kind: PluginKind, all: ReadonlyMap<string, P>): ReadonlyMap<string, P> =>
    new Map([...all, ...own.flatMap((one) => (one.kind === kind ? [[one.name, one.definition as P] as const] : []))]);
  return {
    checks: merged('checks', shipped.checks),
    recovery: merged('recovery', shipped.recovery),
    alerts: merged('alerts', shipped.alerts),
    switchover: merged('switchover', shipped.switchover),
    replication: merged('replication', shipped.replication),
    cluster: merged('cluster', shipped.cluster),
  };
}
