// `watchkeeper plugin test|new|list`: people's own plugins, before any daemon runs them. Exit codes: 0 it holds, 1 it
// does not, 64 usage, 78 the configuration is bad.
import { existsSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { loadWithOwn } from '../config/load.ts';
import { formatProblem, suggest } from '../config/problems.ts';
import { API, DEFINED_BY } from '../contract/definition.ts';
import { isPlugin, loadFile } from '../contract/own.ts';
import { type Held, holdToContract } from '../contract/trial.ts';
import { clean } from '../core/clean.ts';
import { files } from '../ports/files.ts';
import { KINDS, type PluginKind, pluginNames, plugins } from '../registry.ts';
import { EXIT, type Io } from './io.ts';
import { templates } from './plugin-templates.ts';
import { paint } from './status.ts';

const DEFAULT_FILE = '/etc/watchkeeper/watchkeeper.yaml';
const USAGE = `usage: watchkeeper plugin test FILE [--kind KIND] [-o table|json]
       watchkeeper plugin new  check|recovery|alert|step|replication|coordinator NAME
       watchkeeper plugin list [--config FILE] [-o table|json]
The kind of FILE is the folder that it lies in (checks, recovery, alerts, switchover, replication, cluster); without one
of that name, what its definition looks like.
`;
const VERBS = ['test', 'new', 'list'] as const;
const FILE_MAX = 4 * 1024 * 1024;

interface Call {
  readonly io: Io;
  readonly json: boolean;
  readonly kind?: string;
  readonly config?: string;
}

const usage = (io: Io, text: string): number => {
  io.err(`${text}\n${USAGE}`);
  return EXIT.usage;
};

/** `words` is what stands after `plugin`. */
export async function run(words: readonly string[], io: Io): Promise<number> {
  let parsed: { values: { output?: string; kind?: string; config?: string }; positionals: string[] };
  try {
    parsed = parseArgs({
      args: [...words],
      options: {
        output: { type: 'string', short: 'o' },
        kind: { type: 'string' },
        config: { type: 'string' },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return usage(io, (error as Error).message);
  }
  const [verb, first, second, more] = parsed.positionals;
  const { output = 'table', kind, config } = parsed.values;
  if (output !== 'table' && output !== 'json') return usage(io, `-o ${output}: table or json`);
  const call: Call = { io, json: output === 'json', ...(kind ? { kind } : {}), ...(config ? { config } : {}) };
  if (verb === 'test' && first !== undefined && second === undefined) return test(first, call);
  if (verb === 'new' && first !== undefined && second !== undefined && more === undefined)
    return write(first, second, io);
  if (verb === 'list' && first === undefined) return list(call);
  if (verb !== undefined && !VERBS.some((known) => known === verb))
    return usage(io, `plugin ${verb}: ${suggest(verb, VERBS) ?? 'unknown'}`);
  return usage(io, verb === undefined ? 'plugin: which verb?' : `plugin ${verb}: wrong number of words`);
}

// ------------------------------------------------------------------------------------------------------------- test

/** By the folder, or by a function that only this kind has. */
function kindOf(path: string, text: string, wanted: string | undefined): PluginKind | undefined {
  if (wanted !== undefined) return KINDS.find((kind) => kind === wanted);
  const folder = KINDS.find((kind) => path.split(sep).at(-2) === kind);
  if (folder) return folder;
  const defined = KINDS.find((kind) => new RegExp(`\\b${DEFINED_BY[kind]}\\b`).test(text));
  if (defined) return defined;
  if (/\binspect\b/.test(text)) return 'recovery';
  return /\bsend\b/.test(text) ? 'alerts' : 'checks';
}

async function test(file: string, { io, json, kind: wanted }: Call): Promise<number> {
  const path = resolve(file);
  let text: string | null;
  try {
    text = files.readText(path, FILE_MAX);
  } catch (error) {
    return usage(io, `${file}: ${(error as { detail?: string }).detail ?? 'cannot be read'}`);
  }
  if (text === null) return usage(io, `${file}: there is no such file`);
  const kind = kindOf(path, text, wanted);
  if (!kind) return usage(io, `--kind ${wanted}: ${KINDS.join(', ')}`);
  const name = path.slice(path.lastIndexOf(sep) + 1).replace(/\.m?js$/, '');
  const found = await loadFile(kind, path, text);
  const held: Held[] = found.map((one) =>
    isPlugin(one)
      ? { rule: 'it loads, and has all its parts' }
      : { rule: 'it loads, and has all its parts', fault: one.text },
  );
  const [good] = found.filter(isPlugin);
  if (good) held.push(...(await holdToContract({ kind, name, plugin: good.definition })));
  const faults = held.filter((one) => one.fault !== undefined).length;
  if (json)
    io.out(`${JSON.stringify({ schemaVersion: 1, file: path, kind, name, ok: faults === 0, rules: held }, null, 2)}\n`);
  else show(held, `${kind} ${name}`, io);
  return faults === 0 ? EXIT.done : EXIT.failed;
}

function show(held: readonly Held[], what: string, io: Io): void {
  for (const { rule, fault, open } of held) {
    const mark = fault !== undefined ? paint(io, 'red', '!') : open !== undefined ? '-' : paint(io, 'green', '+');
    const more = fault ?? open;
    io.out(`${mark} ${rule}${more === undefined ? '' : `: ${clean(more, 600)}`}\n`);
  }
  const faults = held.filter((one) => one.fault !== undefined).length;
  const open = held.filter((one) => one.open !== undefined).length;
  const tail = open > 0 ? `, ${open} could not be tried` : '';
  io.out(
    `${what}: ${faults === 0 ? `keeps the contract (api ${API})` : `${faults} of ${held.length} do not hold`}${tail}\n`,
  );
}

// -------------------------------------------------------------------------------------------------------------- new

const WORDS: Readonly<Record<string, PluginKind>> = {
  ...{ check: 'checks', recovery: 'recovery', alert: 'alerts' },
  ...{ step: 'switchover', replication: 'replication', coordinator: 'cluster' },
};

function write(word: string, name: string, io: Io): number {
  const kind = WORDS[word];
  if (!kind) return usage(io, `plugin new ${word}: ${Object.keys(WORDS).join(', ')}`);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || name.length > 60)
    return usage(io, `plugin new: ${clean(name, 60)}: small letters, digits and dashes, such as my-${word}`);
  if (pluginNames(kind).includes(name))
    return usage(io, `plugin new: the name ${name} is taken: a plugin of that name ships with the program`);
  const file = `${name}.js`;
  try {
    writeFileSync(file, templates[kind](name), { flag: 'wx', mode: 0o644 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    io.err(`watchkeeper: ${file}: ${code === 'EEXIST' ? 'it is there already, and is left as it is' : code}\n`);
    return code === 'EACCES' || code === 'EROFS' ? EXIT.notAllowed : EXIT.failed;
  }
  io.out(`${file} is written. Next:
  watchkeeper plugin test ${file}
  install -D -m 644 ${file} /etc/watchkeeper/plugins/${kind}/${file}
  watchkeeper config check
`);
  return EXIT.done;
}

// ------------------------------------------------------------------------------------------------------------- list

interface Row {
  readonly kind: PluginKind;
  readonly type: string;
  readonly origin: string;
  readonly about: string;
}

async function list({ io, json, config }: Call): Promise<number> {
  const shipped = await plugins();
  let all = shipped;
  let origins: ReadonlyMap<string, string> = new Map();
  const path = resolve(config ?? DEFAULT_FILE);
  if (config !== undefined || existsSync(path)) {
    const uid = process.getuid?.() ?? null;
    const loaded = await loadWithOwn(path, { files, plugins: shipped, hostname: hostname(), uid });
    if ('problems' in loaded) {
      for (const problem of loaded.problems) io.err(`${formatProblem(problem)}\n`);
      return EXIT.badConfiguration;
    }
    ({ plugins: all, origins } = loaded);
  }
  const rows: Row[] = KINDS.flatMap((kind) =>
    [...(all[kind] as ReadonlyMap<string, { readonly about: string }>)].map(([type, { about }]) => ({
      ...{ kind, type, about },
      origin: origins.get(`${kind}/${type}`) ?? 'shipped',
    })),
  );
  if (json) io.out(`${JSON.stringify({ schemaVersion: 1, api: API, plugins: rows }, null, 2)}\n`);
  else for (const row of rows) io.out(`${lineOf(row, io.width)}\n`);
  return EXIT.done;
}

function lineOf({ kind, type, about, origin }: Row, width: number): string {
  const from = origin === 'shipped' ? '' : `  (${clean(origin, 200)})`;
  return `${kind.padEnd(11)} ${clean(type, 60).padEnd(16)} ${clean(about, Math.max(40, width - 29))}${from}`;
}
