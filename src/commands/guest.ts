// One service of the command line, without daemon and without file: a kit, a unit or a single check, with values given
// as words. It becomes a configuration of one service, so that all is judged as in a file; `check` and `manage` use it.
import { hostname } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { shippedKits } from '../config/kits.ts';
import { load } from '../config/load.ts';
import { LIMITS, parse } from '../config/parse.ts';
import { get, itemsOf, textAt, type Tree } from '../config/tree.ts';
import type { CheckConfig, Loaded, Problem, ServiceConfig } from '../config/types.ts';
import { suggest } from '../config/problems.ts';
import { type Files, files } from '../ports/files.ts';
import type { Ports } from '../ports/ports.ts';
import { realPorts } from '../ports/real.ts';
import { type PluginKind, type Plugins, pluginNames, somePlugins } from '../registry.ts';
import type { Io } from './io.ts';

export interface GuestWords {
  /** A kit that ships, or the file of one: it has a slash. */
  readonly kit?: string;
  /** A single check: one that ships, or the file of a plugin of one's own: it ends in .js. */
  readonly type?: string;
  /** A systemd unit: of the kit, or instead of one. */
  readonly unit?: string;
  /** Asked over the network only: what can only be seen on the machine itself is left out. */
  readonly host?: string;
  /** `key=value`: parameters of the kit, or options of the check. A value that is JSON is that, else it is text. */
  readonly set?: readonly string[];
  /** Checks of the kit, by name, that are not wanted. */
  readonly skip?: readonly string[];
}

export interface Guest {
  readonly name: string;
  readonly config: ServiceConfig;
  /** Those of its checks that are asked, and the names of those that are not. */
  readonly checks: readonly CheckConfig[];
  readonly leftOut: readonly string[];
  readonly plugins: Plugins;
  readonly stateDir: string;
}

/** Why the words make no service; for people. */
export class GuestError extends Error {}

type Values = Record<string, unknown>;

function valuesOf({ set = [], host, unit }: GuestWords, whole: boolean): Values {
  const values: Values = {};
  for (const pair of set) {
    const [, key, text] = /^([A-Za-z0-9_.-]+)=(.*)$/s.exec(pair) ?? [];
    if (key === undefined || text === undefined) throw new GuestError(`--set ${pair}: expected key=value`);
    values[key] = valueOf(text);
  }
  if (host !== undefined) values['host'] = host;
  if (unit !== undefined && whole) values['unit'] = unit;
  return values;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** The service as it would stand in a file. */
function written(words: GuestWords): { readonly name: string; readonly service: Values; readonly kitsDir: string } {
  const { kit, type, unit, host, set = [], skip = [] } = words;
  if (kit !== undefined && type !== undefined) throw new GuestError('--kit and --type: one of them');
  const off = skip.map((name) => ({ name, off: true }));
  if (kit !== undefined) {
    const own = kit.includes('/');
    const name = own ? basename(kit).replace(/\.yaml$/, '') : kit;
    const service = { kit: name, set: valuesOf(words, true), ...(off.length > 0 ? { checks: off } : {}) };
    return { name, service, kitsDir: own ? dirname(resolve(kit)) : shippedKits };
  }
  if (off.length > 0) throw new GuestError('--skip belongs to --kit');
  if (type !== undefined) {
    const own = ownFile(type);
    if (own !== null) {
      const name = basename(own).replace(/\.m?js$/, '');
      return { name, service: { checks: [{ type: name, ...valuesOf(words, false) }] }, kitsDir: shippedKits };
    }
    if (!pluginNames('checks').includes(type)) {
      const hint = suggest(type, pluginNames('checks'));
      throw new GuestError(`there is no check of type ${type}${hint ? `; ${hint}` : ''}`);
    }
    return { name: type, service: { checks: [{ type, ...valuesOf(words, false) }] }, kitsDir: shippedKits };
  }
  if (unit === undefined) throw new GuestError('name a service, or give --kit, --type or --unit');
  if (set.length > 0 || host !== undefined) throw new GuestError('--set and --host belong to --kit or --type');
  const one = { type: 'systemd', unit };
  return {
    name: unit.replace(/\.service$/, '').replace(/[^A-Za-z0-9_.@-]/g, '-'),
    service: { checks: [one], manager: one },
    kitsDir: shippedKits,
  };
}

const ownFile = (type: string | undefined): string | null =>
  type !== undefined && /\.m?js$/.test(type) ? resolve(type) : null;

/** A check of one's own beside those that ship. */
async function withOwn(path: string, shipped: Plugins): Promise<Plugins> {
  const { beside, isPlugin, loadFile } = await import('../contract/own.ts');
  const text = files.readText(path, LIMITS.bytes);
  if (text === null) throw new GuestError(`${path}: there is no such file`);
  const found = await loadFile('checks', path, text);
  const bad = found.find((one) => !isPlugin(one));
  if (bad && 'text' in bad) throw new GuestError(`${path}: ${bad.text}`);
  return beside(shipped, found.filter(isPlugin));
}

/** The kinds of plugins that a service needs: the libraries of all the others stay unread. */
function neededBy(service: Values, kitsDir: string): Readonly<Record<PluginKind, readonly string[]>> {
  const trees: Tree[] = [parse('', JSON.stringify(service), '').tree].flatMap((tree) => tree ?? []);
  const kit = service['kit'];
  if (typeof kit === 'string' && /^[A-Za-z0-9_.@-]+$/.test(kit)) {
    const text = files.readText(`${kitsDir}/${kit}.yaml`, LIMITS.bytes);
    trees.push(...[text === null ? null : parse('', text, '').tree].flatMap((tree) => tree ?? []));
  }
  const types = (part: readonly (Tree | undefined)[]): string[] => part.flatMap((one) => textAt(one, 'type') ?? []);
  return {
    checks: types(trees.flatMap((tree) => itemsOf(get(tree, 'checks')))),
    recovery: types(trees.map((tree) => get(tree, 'manager'))),
    ...{ alerts: [], switchover: [], replication: [], cluster: [] },
  };
}

/** Values that begin with ./ are taken from here, as in a file that stood here. */
const HERE = resolve('command line');

/** The files of the machine, and one that is not there. */
const withText = (text: string): Files => ({
  ...files,
  facts: (path) => {
    if (path === HERE) return { uid: 0, gid: 0, mode: 0o600, size: text.length, kind: 'file', modifiedMs: 0 };
    return path === resolve('conf.d') ? null : files.facts(path);
  },
  realPath: (path) => (path === HERE ? path : files.realPath(path)),
  readText: (path, max) => (path === HERE ? text : files.readText(path, max)),
});

const said = (problem: Problem, name: string): string => {
  const text = problem.text.replaceAll(`services.${name}.`, '');
  return problem.hint ? `${text}; ${problem.hint}` : text;
};

/** Does an option of it, at any depth, name this host? */
const names = (options: unknown, host: string): boolean =>
  typeof options === 'object' && options !== null
    ? Object.values(options).some((value) => names(value, host))
    : options === host;

/** Builds the service, or throws a GuestError. */
export async function makeGuest(words: GuestWords): Promise<Guest> {
  const { name, service, kitsDir } = written(words);
  const shipped = await somePlugins(neededBy(service, kitsDir));
  const own = ownFile(words.type);
  const plugins = own === null ? shipped : await withOwn(own, shipped);
  const judge = (one: Values): Loaded =>
    load(HERE, {
      ...{ files: withText(JSON.stringify({ services: { [name]: one } })), plugins, kitsDir },
      ...{ hostname: hostname(), uid: null, modes: false },
    });
  const loaded = textsWhereWanted(service, judge);
  const config = 'config' in loaded ? loaded.config.services[name] : undefined;
  if (!('config' in loaded) || !config) {
    const problems = 'problems' in loaded ? loaded.problems : [];
    throw new GuestError(problems.map((one) => said(one, name)).join('; ') || 'nothing can be made of that');
  }
  const { host } = words;
  const far = ({ options }: CheckConfig): boolean => host === undefined || names(options, host);
  const checks = config.checks.filter(far);
  if (checks.length === 0) throw new GuestError(`nothing of ${name} can be asked over the network`);
  const leftOut = config.checks.filter((check) => !far(check)).map((check) => check.name);
  return { name, config, checks, leftOut, plugins, stateDir: loaded.config.stateDir };
}

/** `expect=220` is a number, and a text is wanted there: nobody has to know. A number is tried as text when the service
 *  is not good with it, and stays text where that mends something. */
function textsWhereWanted(service: Values, judge: (service: Values) => Loaded): Loaded {
  const problems = (loaded: Loaded): number => ('problems' in loaded ? loaded.problems.length : 0);
  const [check] = Array.isArray(service['checks']) ? (service['checks'] as Values[]) : [];
  const values = (service['set'] ?? check ?? {}) as Values;
  let best = judge(service);
  for (const [key, value] of Object.entries(values)) {
    if (problems(best) === 0) return best;
    if (typeof value !== 'number') continue;
    values[key] = String(value);
    const other = judge(service);
    if (problems(other) < problems(best)) best = other;
    else values[key] = value;
  }
  return best;
}

const mute = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The doors of a single question. */
export const guestPorts = (io: Io): Ports =>
  realPorts({ env: io.env, pid: process.pid, underSystemd: false, out: process.stdout, log: mute });
