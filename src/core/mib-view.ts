// The tables as an agent answers from them: every instance in the order of identifiers, found by where it is or by what
// comes next. Pure. Values are made when they are asked for: of ten thousand services few are.
import { clean } from './clean.ts';
import type { Row, Rows, Value } from './mib-rows.ts';
import { type Column, scalars, SCALARS_ARC, STANDARD, type StandardName, standardTables } from './mib-tables.ts';
import { type Syntax, type Table, tables, type TableName } from './mib-tables.ts';
import { BRANCH } from './snmp.ts';

export type Oid = readonly number[];

/** What a value is on the wire: its kind, and text not yet in octets. */
export type Shown =
  | { readonly kind: 'integer' | 'gauge32' | 'ticks'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'date'; readonly value: number };

export interface Instance {
  readonly oid: Oid;
  readonly shown: Shown;
}

/** `object`: there is no such object; `instance`: there is, without this instance. */
export type Missing = 'object' | 'instance';

export interface View {
  get(oid: Oid): Instance | Missing;
  /** The first after `from` (or at it, if `include`), before `end`; null: there is none. */
  next(from: Oid, include: boolean, end: Oid | null): Instance | null;
}

export const oidOf = (text: string): Oid => text.split('.').map(Number);

/** Below 0: `a` comes before `b`. */
export function compare(a: Oid, b: Oid): number {
  const most = Math.min(a.length, b.length);
  for (let at = 0; at < most; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export const within = (oid: Oid, root: Oid): boolean =>
  oid.length >= root.length && root.every((arc, at) => oid[at] === arc);

const TEXT_MAX = 255;
const GAUGE_MAX = 4_294_967_295;
const bounded = (value: number, most: number): number =>
  Number.isFinite(value) ? Math.min(most, Math.max(0, Math.round(value))) : 0;

/** The clock of moments: `upTime` is how many hundredths of a second the agent is up, now. A moment in the past is
 *  reckoned back from now each time; `steady` keeps it from trembling by a tick (its key names the instance). */
export interface Moments {
  readonly upTime: number;
  steady(key: string, ticks: number): number;
}

function shownOf(value: Exclude<Value, null>, syntax: Syntax, moments: Moments, key: () => string): Shown | null {
  if (typeof syntax !== 'string') {
    const number = syntax[String(value)];
    return number === undefined ? null : { kind: 'integer', value: number };
  }
  if (syntax === 'TruthValue') return { kind: 'integer', value: value === true ? 1 : 2 };
  if (typeof value === 'object' && 'ago' in value)
    return { kind: 'ticks', value: moments.steady(key(), bounded(moments.upTime - value.ago / 10, GAUGE_MAX)) };
  if (typeof value === 'object') return Number.isFinite(value.date) ? { kind: 'date', value: value.date } : null;
  if (syntax === 'WkText') return { kind: 'text', value: clean(String(value), TEXT_MAX) };
  if (syntax === 'Gauge32') return { kind: 'gauge32', value: bounded(Number(value), GAUGE_MAX) };
  return { kind: 'integer', value: bounded(Number(value), 2_147_483_647) };
}

const utf8 = new TextEncoder();

/** The arcs of a row: numbers, and a text at the end octet by octet (IMPLIED), cut to what it may be long. */
function indexOf(row: Row, table: Pick<Table, 'index' | 'columns'>): Oid {
  const arcs: number[] = [];
  for (const name of table.index) {
    const value = row[name];
    const most = table.columns[name]?.index;
    if (typeof value === 'number') arcs.push(value);
    else arcs.push(...utf8.encode(String(value)).subarray(0, typeof most === 'number' ? most : TEXT_MAX));
  }
  return arcs;
}

interface Indexed {
  readonly index: Oid;
  readonly row: Row;
}

interface Strip {
  readonly prefix: Oid;
  readonly rows: readonly Indexed[];
  readonly name: string;
  readonly syntax: Syntax;
}

/** Rows in order, each index once. */
function sorted(rows: readonly Row[], table: Pick<Table, 'index' | 'columns'>): readonly Indexed[] {
  const all = rows.map((row): Indexed => ({ index: indexOf(row, table), row }));
  all.sort((a, b) => compare(a.index, b.index));
  return all.filter(({ index }, at) => at === 0 || compare(index, all[at - 1]?.index ?? []) !== 0);
}

function strips(root: Oid, table: Pick<Table, 'index' | 'columns'>, rows: readonly Row[]): readonly Strip[] {
  const inOrder = sorted(rows, table);
  return Object.entries<Column>(table.columns)
    .filter(([, column]) => column.index === undefined)
    .map(([name, { arc, syntax }]) => ({ prefix: [...root, 1, arc], rows: inOrder, name, syntax }));
}

/** The first row whose index is at `index` or after it. */
function lowerBound(rows: readonly Indexed[], index: Oid): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(rows[middle]?.index ?? [], index) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function allStrips(base: Oid, rows: Rows): readonly Strip[] {
  const ours: Oid = [...base, BRANCH.tables];
  const own = (Object.keys(tables) as TableName[]).flatMap((name) =>
    strips([...ours, tables[name].arc], tables[name], rows.tables[name]),
  );
  const standard = (Object.keys(STANDARD) as StandardName[]).flatMap((name) =>
    strips(oidOf(STANDARD[name]), standardTables[name], rows.standard[name]),
  );
  const single = Object.entries<Column>(scalars).map(
    ([name, { arc, syntax }]): Strip => ({
      ...{ prefix: [...ours, SCALARS_ARC, arc], name, syntax },
      rows: [{ index: [0], row: rows.scalars }],
    }),
  );
  return [...own, ...standard, ...single].sort((a, b) => compare(a.prefix, b.prefix));
}

/** What is registered with the SNMP daemon: our tables as a whole, standard ones column by column, since that is how a
 *  module of the daemon itself may hold them (mta_sendmail of Net-SNMP), and the longer identifier wins. */
export const rootsOf = (base: string): readonly Oid[] => [
  [...oidOf(base), BRANCH.tables],
  ...(Object.keys(STANDARD) as StandardName[]).flatMap((name) =>
    Object.values(standardTables[name].columns).map(({ arc }) => [...oidOf(STANDARD[name]), 1, arc]),
  ),
];

export function viewOf(base: string, rows: Rows, moments: Moments): View {
  const all = allStrips(oidOf(base), rows);
  const at = ({ prefix, name, syntax }: Strip, one: Indexed | undefined): Instance | null => {
    const value = one?.row[name] ?? null;
    const key = (): string => `${name} ${one?.index.join('.')}`;
    const shown = value === null ? null : shownOf(value, syntax, moments, key);
    return one && shown ? { oid: [...prefix, ...one.index], shown } : null;
  };
  return {
    get(oid) {
      const strip = all.find(({ prefix }) => within(oid, prefix));
      if (!strip) return 'object';
      const index = oid.slice(strip.prefix.length);
      const one = strip.rows[lowerBound(strip.rows, index)];
      return (one && compare(one.index, index) === 0 ? at(strip, one) : null) ?? 'instance';
    },
    next(from, include, end) {
      for (const strip of all) {
        const inside = within(from, strip.prefix);
        if (!inside && compare(strip.prefix, from) < 0) continue;
        const index = inside ? from.slice(strip.prefix.length) : [];
        let row = lowerBound(strip.rows, index);
        const first = strip.rows[row];
        if (inside && !include && first && compare(first.index, index) === 0) row += 1;
        for (; row < strip.rows.length; row++) {
          const found = at(strip, strip.rows[row]);
          if (found) return end !== null && compare(found.oid, end) >= 0 ? null : found;
        }
      }
      return null;
    },
  };
}
