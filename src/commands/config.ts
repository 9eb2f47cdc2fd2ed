// `watchkeeper config check|show|schema|diff|routes`: what a configuration file says, before any daemon obeys it.
// Exit codes: 0 fine, 64 usage, 78 bad configuration (sysexits.h).
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { diff, diffText } from '../config/diff.ts';
import { jsonSchema } from '../config/json-schema.ts';
import { loadWithOwn } from '../config/load.ts';
import { formatProblem, suggest } from '../config/problems.ts';
import { showJson, showYaml } from '../config/show.ts';
import type { Good, Problem } from '../config/types.ts';
import { files } from '../ports/files.ts';
import { plugins } from '../registry.ts';
import { waysOf, waysText, type Wish, wishFault } from './routes.ts';

export interface Io {
  out(text: string): void;
  err(text: string): void;
}

export const DEFAULT_FILE = '/etc/watchkeeper/watchkeeper.yaml';
const USAGE = `usage: watchkeeper config check  [FILE] [-o table|json]
       watchkeeper config show   [FILE] [--effective] [-o table|json]
       watchkeeper config schema [FILE]
       watchkeeper config diff   [OLD] NEW [-o table|json]
       watchkeeper config routes [test] [FILE] [--event E] [--service S] [--severity S] [--cause C] [-o table|json]
FILE is ${DEFAULT_FILE} unless given, and so is OLD. With a FILE, the schema knows its own plugins.
`;
const VERBS = ['check', 'show', 'schema', 'diff', 'routes'] as const;
/** Of `routes` only. */
const WISHES = ['event', 'service', 'severity', 'cause'] as const;
const OK = 0;
const BAD_USAGE = 64;
const BAD_CONFIG = 78;

interface Call {
  readonly json: boolean;
  readonly effective: boolean;
  readonly io: Io;
}

const json = (value: object): string => `${JSON.stringify({ schemaVersion: 1, ...value }, null, 2)}\n`;

/** `args` is what stands after `config`. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  let parsed: { values: { output?: string; effective?: boolean } & Wish; positionals: string[] };
  try {
    parsed = parseArgs({
      args: [...args],
      options: {
        ...{ output: { type: 'string', short: 'o' }, effective: { type: 'boolean' } },
        ...{ event: { type: 'string' }, service: { type: 'string' } },
        ...{ severity: { type: 'string' }, cause: { type: 'string' } },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return usage(io, (error as Error).message);
  }
  const [verb, ...words] = parsed.positionals;
  // `config routes test` is how one says it; there is nothing else to do with routes.
  const paths = verb === 'routes' && words[0] === 'test' ? words.slice(1) : words;
  const { output = 'table', effective = false, ...wish } = parsed.values;
  if (output !== 'table' && output !== 'json') return usage(io, `-o ${output}: table or json`);
  const call: Call = { json: output === 'json', effective, io };
  if (effective && verb !== 'show') return usage(io, '--effective belongs to show');
  if (verb !== 'routes' && WISHES.some((key) => key in wish))
    return usage(io, `--${Object.keys(wish)[0]} belongs to routes`);
  if (verb === 'routes' && paths.length < 2) return routes(paths[0] ?? DEFAULT_FILE, wish, call);
  if (verb === 'check' && paths.length < 2) return check(paths[0] ?? DEFAULT_FILE, call);
  if (verb === 'show' && paths.length < 2) return show(paths[0] ?? DEFAULT_FILE, call);
  if (verb === 'schema' && paths.length < 2) return schema(paths[0], call);
  const [first, second] = paths;
  if (verb === 'diff' && first !== undefined && paths.length < 3)
    return second === undefined ? compare(DEFAULT_FILE, first, call) : compare(first, second, call);
  if (verb !== undefined && !VERBS.some((known) => known === verb))
    return usage(io, `config ${verb}: ${suggest(verb, VERBS) ?? 'unknown'}`);
  return usage(io, verb === undefined ? 'config: which verb?' : `config ${verb}: wrong number of files`);
}

function usage(io: Io, text: string): number {
  io.err(`${text}\n${USAGE}`);
  return BAD_USAGE;
}

/** The configuration, or undefined after its problems were told. */
async function read(path: string, { io, json: asJson }: Call): Promise<Good | undefined> {
  const loaded = await loadWithOwn(path, {
    files,
    plugins: await plugins(),
    hostname: hostname(),
    uid: process.getuid?.() ?? null,
  });
  if (!('problems' in loaded)) {
    for (const warning of loaded.warnings) io.err(`${formatProblem(warning)}\n`);
    return loaded;
  }
  if (asJson) io.out(json({ ok: false, problems: loaded.problems }));
  else io.out(loaded.problems.map((problem) => `${formatProblem(problem)}\n`).join(''));
  io.err(`${path}: ${summary(loaded.problems)}\n`);
  return undefined;
}

function summary(problems: readonly Problem[]): string {
  const errors = problems.filter((problem) => problem.level === 'error').length;
  return errors === 1 ? '1 error' : `${errors} errors`;
}

async function check(path: string, call: Call): Promise<number> {
  const good = await read(path, call);
  if (!good) return BAD_CONFIG;
  const { config, warnings } = good;
  const services = Object.values(config.services);
  const count = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;
  const checks = services.reduce((sum, service) => sum + service.checks.length, 0);
  const channels = Object.keys(config.alerts).length;
  if (call.json)
    call.io.out(json({ ok: true, node: config.node, services: services.length, checks, channels, warnings }));
  else {
    const whole = [count(services.length, 'service'), count(checks, 'check'), count(channels, 'alert channel')];
    call.io.out(`${path}: good: ${whole.join(', ')}\n`);
  }
  return OK;
}

async function routes(path: string, wish: Wish, call: Call): Promise<number> {
  const good = await read(path, call);
  if (!good) return BAD_CONFIG;
  const { policy, services } = good.config;
  const names = Object.keys(services);
  const fault = wishFault(wish, names);
  if (fault !== null) return usage(call.io, fault);
  const ways = waysOf(policy.routing ?? { routes: [], heartbeat: null }, wish, names);
  call.io.out(call.json ? json({ ways }) : waysText(ways));
  return OK;
}

async function show(path: string, call: Call): Promise<number> {
  const good = await read(path, call);
  if (!good) return BAD_CONFIG;
  const tree = call.effective ? good.effective() : good.written;
  call.io.out(call.json ? json(showJson(tree)) : showYaml(tree));
  return OK;
}

async function schema(path: string | undefined, call: Call): Promise<number> {
  const known = path === undefined ? { plugins: await plugins() } : await read(path, call);
  if (!known) return BAD_CONFIG;
  call.io.out(`${JSON.stringify(jsonSchema(known.plugins), null, 2)}\n`);
  return OK;
}

async function compare(old: string, next: string, call: Call): Promise<number> {
  const [before, after] = [await read(old, call), await read(next, call)];
  if (!before || !after) return BAD_CONFIG;
  const changes = diff(before.config, after.config);
  call.io.out(call.json ? json({ changes }) : diffText(changes, before.effective(), after.effective()));
  return OK;
}
