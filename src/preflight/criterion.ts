// What a criterion of preflight is: one small question about this node, asked without changing anything, whose finding
// always says what to do, and if it can, how to have it done. Fixes are data: they are printed before they are done.
import type { Config } from '../config/types.ts';
import type { Inventory } from '../core/inventory.ts';

export interface Ran {
  readonly ok: boolean;
  readonly code: number | null;
  readonly out: string;
  /** The program is not installed. */
  readonly missing: boolean;
}

export interface FileLook {
  readonly kind: string;
  readonly mode: number;
  readonly uid: number;
}

/** What the daemon says of the cluster; null where none answers. */
export interface ClusterLook {
  readonly groups: readonly GroupLook[];
  readonly nodes: readonly {
    readonly node: string;
    readonly own: boolean;
    readonly ageMs: number | null;
    readonly version: string | null;
  }[];
  readonly members: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly leader: boolean;
    readonly ms: number | null;
    readonly detail: string;
  }[];
  /** What each other node says of itself. */
  readonly others: Readonly<Record<string, Inventory>>;
  /** The wall clocks of others as they stood when this was heard, against ours, ms. */
  readonly offsets: Readonly<Record<string, number>>;
}

export interface GroupLook {
  readonly name: string;
  readonly owner: string | null;
  readonly nodes: readonly {
    readonly node: string;
    readonly owner: boolean;
    readonly ready: boolean;
    readonly unready: readonly string[];
    readonly dataEpoch: number;
    readonly replication: {
      readonly state: string;
      readonly queue: number | null;
      readonly lagMs: number | null;
      readonly detail: string;
    } | null;
  }[];
}

export interface Look {
  readonly node: string;
  readonly config: Config;
  /** Only these groups; null: all. */
  readonly only: string | null;
  readonly cluster: ClusterLook | null;
  readonly inventory: Inventory;
  readonly wallMs: number;
  run(argv: readonly string[]): Promise<Ran>;
  read(path: string): string | null;
  look(path: string): FileLook | null;
  /** Names in a folder; none if it is not there. */
  list(path: string): readonly string[];
  /** Null: it can be reached; else why not. */
  connect(host: string, port: number): Promise<string | null>;
  /** Could this step of a group be done on this node now? Its plugin is asked; nothing is changed. */
  ready(group: string, step: string): Promise<{ readonly ok: boolean; readonly detail: string }>;
}

export type Fix =
  | { readonly argv: readonly string[] }
  /** One line at the end of a file. */
  | { readonly file: string; readonly line: string }
  /** A whole small file of our own, in a folder that is made if it is not there. */
  | { readonly write: string; readonly text: string };

export interface Finding {
  readonly level: 'error' | 'warning';
  readonly text: string;
  readonly suggestion: string;
  readonly fix?: readonly Fix[];
}

/** A text: it could not be asked here, and why. No findings: all is well. */
export type Judged = readonly Finding[] | string;

export interface Criterion {
  readonly id: string;
  readonly about: string;
  readonly fixable: boolean;
  check(look: Look): Promise<Judged>;
}

export const criterion = (
  id: string,
  about: string,
  check: Criterion['check'] | ((look: Look) => Judged),
  fixable = false,
): Criterion => ({ id, about, fixable, check: async (look) => check(look) });

export const error = (text: string, suggestion: string, ...fix: readonly Fix[]): Finding => ({
  ...{ level: 'error', text, suggestion },
  ...(fix.length > 0 ? { fix } : {}),
});

export const warning = (text: string, suggestion: string, ...fix: readonly Fix[]): Finding => ({
  ...error(text, suggestion, ...fix),
  level: 'warning',
});

export const ALONE = 'this node stands alone';
export const NO_DAEMON = 'no daemon answers';
export const missing = (program: string): string => `${program} is not installed`;

/** The groups that are asked about, with their configuration. */
export const groupsOf = ({ config, only }: Look) =>
  Object.values(config.groups ?? {}).filter(({ name }) => only === null || name === only);

export function fixText(fix: Fix): string {
  if ('argv' in fix) return fix.argv.join(' ');
  if ('write' in fix) return `write ${fix.write}: ${fix.text.trim().replaceAll('\n', ', ')}`;
  return `add to ${fix.file}: ${fix.line}`;
}

/** What sed takes as it stands, between `#`. */
export const isPlainWord = (text: string): boolean => /^[A-Za-z0-9_./:@-]+$/.test(text);
/** A change of a line that somebody else wrote: what stood there stays beside it. */
export const edit = (expression: string, path: string): Fix => ({
  argv: ['sed', '-E', '-i.before-watchkeeper', expression, path],
});
export const modeOf = (value: number): string => (value & 0o777).toString(8);

/** Something that all nodes must have alike. */
export const sameEverywhere = (
  id: string,
  key: string,
  about: string,
  level: Finding['level'],
  suggestion: string,
): Criterion =>
  criterion(id, about, ({ cluster, inventory }) => {
    const own = inventory[key];
    if (own === undefined) return 'there is none on this node';
    if (!cluster) return NO_DAEMON;
    const different = Object.entries(cluster.others).filter(([, one]) => (one[key] ?? own) !== own);
    return different.map(([node, one]) => ({ level, text: `here ${own}, on ${node} ${one[key]}`, suggestion }));
  });

/** Something that no two nodes may have alike. */
export const differentEverywhere = (id: string, key: string, about: string, suggestion: string): Criterion =>
  criterion(id, about, ({ cluster, inventory }) => {
    const own = inventory[key];
    if (own === undefined) return 'there is none on this node';
    if (!cluster) return NO_DAEMON;
    const alike = Object.entries(cluster.others).filter(([, one]) => one[key] === own);
    return alike.map(([node]) => error(`the same as on ${node}`, suggestion));
  });

/** Texts below these names in the options of a step, wherever they stand: what a plugin calls them is its own. */
export function optionTexts(options: unknown, names: readonly string[]): readonly string[] {
  if (typeof options !== 'object' || options === null) return [];
  return Object.entries(options).flatMap(([name, value]) => {
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (names.includes(name)) return list.filter((one): one is string => typeof one === 'string');
    return list.flatMap((one) => optionTexts(one, names));
  });
}
