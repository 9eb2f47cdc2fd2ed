// `watchkeeper kits list|show`: which products it knows, what a kit asks, how it repairs, and what a person does.
import Table from 'cli-table3';
import { type JsonSchema, reflect } from '../config/reflect.ts';
import { openKits, shippedKits } from '../config/kits.ts';
import { formatProblem, suggest } from '../config/problems.ts';
import { kit as kitSchema, service as serviceSchema } from '../config/schema.ts';
import { plainOf } from '../config/tree.ts';
import type { Problem } from '../config/types.ts';
import { defaultCures } from '../core/ladder.ts';
import type { Cause, RungName } from '../core/types.ts';
import type { z } from '../define.ts';
import { files } from '../ports/files.ts';
import { type Plugins, plugins } from '../registry.ts';
import { EXIT, type Io } from './io.ts';
import { paint, plainBorders } from './status.ts';

export interface KitsOptions {
  readonly output: 'table' | 'json';
  /** Where the kits are; default: those that ship with the program. */
  readonly folder?: string;
}

type Kit = z.output<typeof kitSchema>;

interface Shown {
  readonly name: string;
  readonly about: string;
  readonly detect: Kit['detect'] | null;
  readonly parameters: readonly { readonly name: string; readonly about: string; readonly default?: unknown }[];
  readonly checks: readonly {
    readonly name: string;
    readonly type: string;
    readonly depth: string;
    readonly asks: string;
    readonly needs: readonly string[];
  }[];
  readonly manager: string | null;
  readonly parts: readonly string[];
  readonly ladder: readonly { readonly rung: string; readonly cures: readonly Cause[] }[];
  readonly runbook: string | null;
}

const json = (value: object): string => `${JSON.stringify({ schemaVersion: 1, ...value }, null, 2)}\n`;
const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** The ladder that a service has when neither it nor its kit names one. */
function usualLadder(): readonly unknown[] {
  const { properties } = reflect(serviceSchema);
  const recover = (properties?.['recover'] ?? {}) as JsonSchema;
  const usual = recover.properties?.['ladder']?.default;
  return Array.isArray(usual) ? (usual as readonly unknown[]) : [];
}

function rungOf(rung: unknown): Shown['ladder'][number] {
  if (typeof rung === 'string') return { rung, cures: defaultCures[rung as RungName] ?? [] };
  const { command, cures } = record(rung);
  const words = Array.isArray(command) ? command.join(' ') : '?';
  return { rung: words, cures: (cures as readonly Cause[] | undefined) ?? defaultCures.command };
}

function checkOf(check: Readonly<Record<string, unknown>>, known: Plugins): Shown['checks'][number] {
  const type = String(check['type']);
  const plugin = known.checks.get(type);
  return {
    name: String(check['name'] ?? type),
    type,
    depth: String(check['depth'] ?? plugin?.depth ?? '?'),
    asks: plugin?.about ?? `there is no check of type ${type}`,
    needs: (check['needs'] as readonly string[] | undefined) ?? [],
  };
}

function shownOf(name: string, kit: Kit, known: Plugins): Shown {
  const manager = record(kit.manager)['type'];
  const ladder = record(kit.recover)['ladder'] ?? (manager === undefined ? [] : usualLadder());
  return {
    name,
    about: kit.about,
    detect: kit.detect ?? null,
    parameters: Object.entries(kit.params ?? {}).map(([key, parameter]) => ({ name: key, ...parameter })),
    checks: (kit.checks ?? []).map((check) => checkOf(check, known)),
    manager: typeof manager === 'string' ? manager : null,
    parts: Object.keys(record(record(kit.manager)['parts'])),
    ladder: (Array.isArray(ladder) ? ladder : []).map(rungOf),
    runbook: kit.runbook ?? null,
  };
}

/** All kits of the folder, by name; problems of theirs are told. */
function readAll(folder: string, io: Io): ReadonlyMap<string, Kit> {
  const kits = openKits(undefined, folder, files);
  const problems: Problem[] = [];
  const found = new Map<string, Kit>();
  for (const name of kits.names()) {
    const tree = kits.read(name, problems);
    const judged = kitSchema.safeParse(tree && plainOf(tree));
    if (judged.success) found.set(name, judged.data);
    else io.err(`the kit ${name} cannot be used: ${judged.error.issues[0]?.message ?? ''}\n`);
  }
  for (const problem of problems) io.err(`${formatProblem(problem)}\n`);
  return found;
}

const needed = (kit: Shown): readonly string[] =>
  kit.parameters.flatMap((one) => (Object.hasOwn(one, 'default') ? [] : [one.name]));

export async function list({ output, folder = shippedKits }: KitsOptions, io: Io): Promise<number> {
  const known = await plugins();
  const all = [...readAll(folder, io)].map(([name, kit]) => shownOf(name, kit, known));
  if (output === 'json') {
    const kits = all.map((kit) => ({ name: kit.name, about: kit.about, detect: kit.detect, needed: needed(kit) }));
    io.out(json({ kits }));
    return EXIT.done;
  }
  const table = new Table({
    head: ['kit', 'about', 'found by', 'must be set'],
    style: { head: [], border: [] },
    ...plainBorders,
  });
  for (const kit of all) {
    const by = kit.detect?.units?.[0] ?? kit.detect?.files?.[0] ?? '-';
    table.push([kit.name, kit.about, by, needed(kit).join(', ') || '-']);
  }
  io.out(`${table.toString()}\n`);
  return EXIT.done;
}

export async function show(name: string, { output, folder = shippedKits }: KitsOptions, io: Io): Promise<number> {
  const all = readAll(folder, io);
  const kit = all.get(name);
  if (!kit) {
    const hint = suggest(name, all.keys());
    io.err(`there is no kit "${name}"${hint ? `; ${hint}` : ''}\n`);
    return EXIT.usage;
  }
  const shown = shownOf(name, kit, await plugins());
  if (output === 'json') io.out(json({ kit: shown }));
  else print(shown, io);
  return EXIT.done;
}

/** A default as one would write it; null leaves out what uses the parameter. */
function defaultText(parameter: Shown['parameters'][number]): string {
  if (!Object.hasOwn(parameter, 'default')) return 'must be set';
  const { default: value } = parameter;
  if (value === null) return 'left out';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function print(kit: Shown, io: Io): void {
  const head = (text: string): void => io.out(`${paint(io, 'bold', text)}\n`);
  const rows = (all: readonly (readonly string[])[]): void => {
    const widths = [0, 1].map((column) => Math.max(0, ...all.map((row) => row[column]?.length ?? 0)));
    for (const row of all) {
      const padded = row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell));
      io.out(`  ${padded.join('  ')}`.trimEnd().concat('\n'));
    }
  };
  head(`${kit.name}: ${kit.about}`);
  const signs = Object.entries(kit.detect ?? {}).map(([what, all]) => [what, all?.join(', ') ?? '']);
  if (signs.length > 0) head('found by');
  rows(signs);
  head('parameters (set: in the service)');
  rows(kit.parameters.map((one) => [one.name, defaultText(one), one.about]));
  head('checks');
  const when = (needs: readonly string[]): string => (needs.length > 0 ? ` [with ${needs.join(', ')}]` : '');
  rows(kit.checks.map((one) => [one.name, one.depth, `${one.type}: ${one.asks}${when(one.needs)}`]));
  head(kit.manager === null ? 'ladder: it is only watched, nothing is repaired' : `ladder (${kit.manager})`);
  rows(
    kit.ladder.map(({ rung, cures }) => [
      rung,
      `${cures.join(', ')}${rung === 'part' && kit.parts.length > 0 ? ` of ${kit.parts.join(', ')}` : ''}`,
    ]),
  );
  if (kit.runbook === null) return;
  head('runbook');
  for (const line of kit.runbook.trimEnd().split('\n')) io.out(`  ${line}\n`);
}
