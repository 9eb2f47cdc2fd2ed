// `preflight [GROUP] [--fix]`: asks every criterion about this node, says what to do about each finding, and mends what
// can be mended once it is printed and meant. Exit code: 0 all is well, 1 warnings, 2 errors.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { loadWithOwn } from '../config/load.ts';
import { formatProblem } from '../config/problems.ts';
import type { Config } from '../config/types.ts';
import { clean } from '../core/clean.ts';
import { gatherInventory } from '../daemon/groups/inventory.ts';
import type { GroupShown, InventoryShown } from '../daemon/groups/show-groups.ts';
import type { Status } from '../daemon/status.ts';
import { clock } from '../ports/clock.ts';
import { type Exec, exec as realExec } from '../ports/exec.ts';
import { type Files, files as realFiles } from '../ports/files.ts';
import { type Net, net as realNet } from '../ports/net.ts';
import { criteria, judge, type Judgement } from '../preflight/all.ts';
import { type ClusterLook, type Fix, fixText, type Look } from '../preflight/criterion.ts';
import { type Plugins, plugins } from '../registry.ts';
import { ask, body, ClientError, socketOf } from './client.ts';
import type { Ask } from './groups.ts';
import { guestPorts } from './guest.ts';
import { EXIT, type Io } from './io.ts';
import { stepAsker } from './preflight-steps.ts';
import { paint } from './status.ts';
import type { Common } from './telling.ts';
import { within } from '../ports/limit.ts';

export interface PreflightOptions extends Common {
  readonly group: string | null;
  readonly config: string;
  readonly fix?: boolean;
  readonly yes?: boolean;
  readonly list?: boolean;
  readonly all?: boolean;
}

/** The doors that it looks through and mends with. */
export interface PreflightDoors {
  readonly exec: Exec;
  readonly files: Files;
  readonly net: Net;
  append(path: string, line: string): void;
  write(path: string, text: string): void;
}

const doorsHere: PreflightDoors = {
  ...{ exec: realExec, files: realFiles, net: realNet },
  append: (path, line) => appendFileSync(path, `${line}\n`),
  write: (path, text) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o644 });
  },
};

const CODE = { ok: 0, skipped: 0, warning: 1, error: 2 } as const;
const CALL_MS = 15_000;
const TEXT_MAX = 1024 * 1024;

export async function preflight(options: PreflightOptions, io: Io, person: Ask, doors = doorsHere): Promise<number> {
  if (options.list) return list(options, io);
  if (options.fix && !options.dryRun && !options.yes && !person)
    throw new ClientError(EXIT.usage, 'there is no terminal to ask on: --yes says that it is meant');
  const known = await plugins();
  const loaded = await loadWithOwn(resolve(options.config), {
    ...{ files: doors.files, plugins: known, hostname: hostname(), uid: process.getuid?.() ?? null },
  });
  if ('problems' in loaded) {
    for (const problem of loaded.problems) io.err(`${clean(formatProblem(problem), 600)}\n`);
    return EXIT.badConfiguration;
  }
  const { config } = loaded;
  if (options.group !== null && !Object.hasOwn(config.groups ?? {}, options.group))
    throw new ClientError(EXIT.usage, `no group "${options.group}"`);
  const look = await lookAround(config, known, options, io, doors);
  const first = await judgeAll(look);
  if (!options.fix) return show(first, options, io);
  const mended = await mend(first, options, io, person, doors);
  return show(mended && !options.dryRun ? await judgeAll(look) : first, options, io);
}

function list({ output }: PreflightOptions, io: Io): number {
  const all = criteria.map(({ id, about, fixable }) => ({ id, about, fixable }));
  if (output === 'json') io.out(`${JSON.stringify({ schemaVersion: 1, criteria: all }, null, 2)}\n`);
  else for (const { id, about, fixable } of all) io.out(`${id.padEnd(26)} ${about}${fixable ? '  (--fix)' : ''}\n`);
  return EXIT.done;
}

async function judgeAll(look: Look): Promise<readonly Judgement[]> {
  const all: Judgement[] = [];
  for (const one of criteria) all.push(await judge(one, look));
  return all;
}

// ------------------------------------------------------------------------------------------------- what it looks with

export async function lookAround(
  config: Config,
  known: Plugins,
  options: PreflightOptions,
  io: Io,
  doors: PreflightDoors,
): Promise<Look> {
  const { exec, files, net } = doors;
  const cluster = await clusterLook(socketOf(io, options.socket)).catch(() => null);
  const owner = (group: string): string | null => cluster?.groups.find(({ name }) => name === group)?.owner ?? null;
  const ports = { ...guestPorts(io), exec, files, net };
  const inventory = await gatherInventory(config, doors);
  const quiet = <T>(work: () => T): T | null => {
    try {
      return work();
    } catch {
      return null;
    }
  };
  return {
    ...{ node: config.node, config, only: options.group, inventory, wallMs: clock.wall() },
    ...{ cluster, ready: stepAsker(config, known, ports, owner) },
    run: async (argv) => {
      const found = await exec.run(argv, { timeoutMs: CALL_MS, maxBytes: TEXT_MAX, env: { LC_ALL: 'C' } });
      const out = found.stdout === '' ? found.stderr : found.stdout;
      return { ok: found.code === 0, code: found.code, out: plainLines(out), missing: found.failed !== null };
    },
    read: (path) => quiet(() => files.readText(path, TEXT_MAX)),
    look: (path) => quiet(() => files.facts(path)),
    list: (path) => quiet(() => files.list(path)) ?? [],
    connect: async (host, port) => {
      try {
        (await net.open({ host, port, signal: within(3000), timeoutMs: 3000 })).close();
        return null;
      } catch (fault) {
        return (fault as Error).message;
      }
    },
  };
}

/** Lines stay lines; what could move a terminal does not. */
const plainLines = (text: string): string =>
  text
    .split('\n')
    .map((line) => clean(line, 4096))
    .join('\n');

async function clusterLook(socket: string): Promise<ClusterLook> {
  const status = await body<Status>(ask(socket, 'GET', '/api/v1/status'));
  const { nodes, time } = await body<{ readonly nodes: readonly InventoryShown[]; readonly time: string }>(
    ask(socket, 'GET', '/api/v1/inventory'),
  );
  const others = Object.fromEntries(nodes.map(({ node, inventory }) => [node, inventory]));
  const offsets = nodes.map(
    ({ node, ageMs, time: said }) => [node, Date.parse(said) + ageMs - Date.parse(time)] as const,
  );
  const groups: readonly GroupShown[] = status.groups;
  return {
    groups,
    nodes: status.nodes,
    members: status.coordinator.members,
    others,
    offsets: Object.fromEntries(offsets),
  };
}

// -------------------------------------------------------------------------------------------------------------- shown

const COLOUR = { ok: 'green', skipped: 'gray', warning: 'yellow', error: 'red' } as const;

function show(all: readonly Judgement[], options: PreflightOptions, io: Io): number {
  const worst = Math.max(0, ...all.map(({ outcome }) => CODE[outcome]));
  if (options.output === 'json') {
    io.out(`${JSON.stringify({ schemaVersion: 1, criteria: all }, null, 2)}\n`);
    return worst;
  }
  for (const { id, about, outcome, skipped, findings } of all) {
    if (!options.all && (outcome === 'ok' || outcome === 'skipped')) continue;
    const why = skipped === null ? '' : `: ${clean(skipped, 200)}`;
    io.out(`${paint(io, COLOUR[outcome], outcome.padEnd(7))} ${id}: ${about}${why}\n`);
    for (const { text, suggestion, fix } of findings) {
      io.out(`          ${clean(text, 400)}\n`);
      io.out(`          do: ${clean(suggestion, 300)}${fix ? '  (--fix)' : ''}\n`);
    }
  }
  const count = (outcome: Judgement['outcome']): number => all.filter((one) => one.outcome === outcome).length;
  io.out(
    `${all.length} criteria: ${count('ok')} well, ${count('warning')} with warnings, ${count('error')} with errors, ` +
      `${count('skipped')} could not be asked here\n`,
  );
  return worst;
}

// -------------------------------------------------------------------------------------------------------------- fixes

/** True if anything was done. */
async function mend(
  all: readonly Judgement[],
  options: PreflightOptions,
  io: Io,
  person: Ask,
  doors: PreflightDoors,
): Promise<boolean> {
  let done = false;
  for (const { id, findings } of all)
    for (const { text, fix = [] } of findings) {
      if (fix.length === 0) continue;
      io.err(`${id}: ${clean(text, 300)}\n`);
      for (const one of fix) io.err(`  ${clean(fixText(one), 300)}\n`);
      if (options.dryRun) continue;
      if (!options.yes && !(await person?.('do it? [y/N] '))) continue;
      for (const one of fix) if (await apply(one, io, doors)) done = true;
    }
  if (options.dryRun) io.err('nothing was changed (--dry-run)\n');
  return done;
}

async function apply(fix: Fix, io: Io, { exec, files, append, write }: PreflightDoors): Promise<boolean> {
  if ('argv' in fix) {
    const ran = await exec.run(fix.argv, { timeoutMs: 60_000, maxBytes: TEXT_MAX });
    if (ran.code === 0) return true;
    io.err(`  it failed: ${clean(ran.failed ?? ran.stderr, 300)}\n`);
    return false;
  }
  try {
    if ('write' in fix) {
      write(fix.write, fix.text);
      return true;
    }
    const text = files.readText(fix.file, TEXT_MAX) ?? '';
    if (!text.split('\n').includes(fix.line)) append(fix.file, fix.line);
    return true;
  } catch (fault) {
    io.err(`  it failed: ${clean((fault as Error).message, 300)}\n`);
    return false;
  }
}
