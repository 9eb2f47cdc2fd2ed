// The house rules as functions from files to faults: `path:line: text`. test/tidy.test.ts runs them over the project,
// and over a bad example of each.
import { PROGRAMS } from './layers.ts';
import { codeOnly, functionsOf, importsOf, type SourceFile } from './source.ts';

export type Rule = (files: readonly SourceFile[]) => string[];

const MAX_FUNCTION_LINES = 70;
const MAX_FILE_LINES = 400;
const MAX_LINE = 120;
const PLUGIN_KINDS: Readonly<Record<string, string>> = {
  checks: 'defineCheck',
  recovery: 'defineRecovery',
  alerts: 'defineAlert',
  switchover: 'defineStep',
  replication: 'defineReplication',
  cluster: 'defineCoordinator',
};

const isSource = ({ path }: SourceFile): boolean => /\.(ts|mjs|js)$/.test(path);
const isTypeScript = ({ path }: SourceFile): boolean => path.endsWith('.ts');
const isTest = ({ path }: SourceFile): boolean => path.endsWith('.test.ts');

/** Runs a test on each line of the chosen files. */
function eachLine(
  files: readonly SourceFile[],
  chosen: (file: SourceFile) => boolean,
  fault: (line: string, file: SourceFile) => string | null,
  code = false,
): string[] {
  return files.filter(chosen).flatMap((file) =>
    (code ? codeOnly(file.text) : file.text).split('\n').flatMap((line, index) => {
      const text = fault(line, file);
      return text === null ? [] : [`${file.path}:${index + 1}: ${text}`];
    }),
  );
}

/** What makes a function depend on more than its arguments. */
const IMPURE =
  /(?<![\w.$#])(Date|setTimeout|setInterval|setImmediate|queueMicrotask|process|console|async|await|Promise|performance|fetch|globalThis|require|crypto|AbortSignal)\b(?!\s*[:?])|\bMath\.random\b|\bimport\(/;

const pure: Rule = (files) =>
  eachLine(
    files,
    ({ path }) => path.startsWith('src/core/'),
    (line) => {
      const found = IMPURE.exec(line);
      return found ? `core is pure: no ${found[0]}` : null;
    },
    true,
  );

const sizes: Rule = (files) =>
  files.filter(isSource).flatMap((file) => {
    const lines = file.text.trimEnd().split('\n').length;
    const long = functionsOf(file).filter((found) => found.lines > MAX_FUNCTION_LINES);
    return [
      ...(lines > MAX_FILE_LINES ? [`${file.path}: ${lines} lines, at most ${MAX_FILE_LINES}`] : []),
      ...long.map(({ line, lines: count, head }) => `${file.path}:${line}: a function of ${count} lines: ${head}`),
    ];
  });

const isComment = (line: string): boolean => /^\s*(\/\/|\/?\*)/.test(line);

/** biome breaks code; a literal (a text, a template, a regular expression) may go on, because it cannot be broken. */
const lineLength: Rule = (files) =>
  files.filter(isSource).flatMap(({ path, text }) => {
    const code = codeOnly(text).split('\n');
    return text.split('\n').flatMap((line, index) => {
      const measured = isComment(line) ? line : (code[index] ?? '').replace(/ {20,}/g, ' ').trimEnd();
      const { length } = [...measured];
      return length > MAX_LINE ? [`${path}:${index + 1}: ${length} characters, at most ${MAX_LINE}`] : [];
    });
  });

const VAGUE =
  /\b(?:class|interface|type)\s+(\w*(?:Manager|Helper|Utils?))\b|\b(?:function|const|let)\s+(\w*(?:Helper|Utils?))\b/;

const names: Rule = (files) => {
  const odd = files
    .filter(isSource)
    .filter(({ path }) => !path.split('/').every((part) => /^[a-z0-9.]+(-[a-z0-9.]+)*$/.test(part)))
    .map(({ path }) => `${path}: not in kebab-case`);
  const vague = files
    .filter(({ path }) => isSource({ path, text: '' }) && /\b(utils?|helpers?|managers?|misc|common)\b/.test(path))
    .map(({ path }) => `${path}: says nothing about what is in it`);
  const declared = eachLine(
    files,
    isTypeScript,
    (line) => {
      const found = VAGUE.exec(line);
      return found ? `${found[1] ?? found[2]}: name what it does` : null;
    },
    true,
  );
  return [...odd, ...vague, ...declared];
};

const heads: Rule = (files) =>
  files
    .filter((file) => isSource(file) && !isTest(file))
    .filter(({ text }) => !/^(#!.*\n)?\/\/ \S/.test(text))
    .map(({ path }) => `${path}:1: begins with a comment that says what it owns and may not do`);

/** Built from parts, so that this file does not break its own rule. */
const LATER = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`);
const unfinished: Rule = (files) =>
  eachLine(
    files,
    () => true,
    (line) => (LATER.test(line) ? 'do it, or open an issue' : null),
  );

const classes: Rule = (files) =>
  files
    .filter(({ path }) => /^src\/.*\.ts$/.test(path))
    .flatMap(({ path, text }) => {
      const lines = codeOnly(text).split('\n');
      return lines.flatMap((line, index) => {
        const found = /^(\s*)(?:export )?(?:abstract )?class (\w+)([^{]*)\{/.exec(line);
        if (!found || found[3]?.includes('extends') || line.trimEnd().endsWith('}')) return [];
        const rest = lines.slice(index + 1);
        const body = rest.slice(
          0,
          rest.findIndex((next) => next.startsWith(`${found[1]}}`)),
        );
        const closes = body.some((next) => /^\s*(async )?close\(/.test(next));
        return closes ? [] : [`${path}:${index + 1}: class ${found[2]} has no close(): make it functions and values`];
      });
    });

/** Places that exist on one machine only, and hosts that packages came from. Built from parts as above. */
const PLACES = new RegExp(
  `(^|[\\s"'\`=(:])/(${['work', 'tmp/wk'].join('|')})/|${['registry', 'npmjs'].join('\\.')}|"${'resol' + 'ved'}":`,
);
const places: Rule = (files) =>
  eachLine(
    files,
    () => true,
    (line) => (PLACES.test(line) ? 'a path or a host of one machine' : null),
  );

/** A folder of plugins holds only plugins, and a test of the same kind is about each: it imports it. */
const plugins: Rule = (files) => {
  const tested = new Set(
    files.filter(isTest).flatMap((file) =>
      importsOf(file).flatMap(({ from }) => {
        const [, kind = '', name = ''] = /\/src\/([a-z]+)\/([a-z0-9-]+)\.ts$/.exec(from) ?? [];
        return file.path.startsWith(`test/${kind}/`) ? [`src/${kind}/${name}.ts`] : [];
      }),
    ),
  );
  return files.flatMap(({ path, text }) => {
    const [, kind = ''] = /^src\/([a-z]+)\/.+\.ts$/.exec(path) ?? [];
    const define = PLUGIN_KINDS[kind];
    if (!define) return [];
    const faults = codeOnly(text).includes(`export default ${define}(`)
      ? []
      : [`${path}: no export default ${define}(…)`];
    return tested.has(path) ? faults : [...faults, `${path}: no test in test/${kind}/ is about it`];
  });
};

/** argv, the environment and the end of the process belong to main.ts. */
const OWNED_BY_MAIN = /\bprocess\.(env|argv|exit)\b/;
const ownedByMain: Rule = (files) =>
  eachLine(
    files,
    ({ path }) => /^src\/(?!main\.ts|sandbox\/)/.test(path) && !PROGRAMS.includes(path),
    (line) => (OWNED_BY_MAIN.test(line) ? `${OWNED_BY_MAIN.exec(line)?.[0]} is for main.ts only` : null),
    true,
  );

const shell: Rule = (files) =>
  eachLine(
    files,
    ({ path }) => path.startsWith('src/'),
    (line) => (/\bshell:\s*true\b/.test(line) ? 'argv arrays, never a shell string' : null),
  );

const limits: Rule = (files) =>
  eachLine(
    files,
    ({ path }) => path.startsWith('src/'),
    (line) => (/\bAbortSignal\.timeout\(/.test(line) ? 'within() of ports/limit.ts: it may never end' : null),
    true,
  );

const childProcess: Rule = (files) =>
  files
    .filter(({ path }) => path.startsWith('src/'))
    .flatMap((file) =>
      importsOf(file)
        .filter(
          ({ from, values }) => from === 'node:child_process' && values.some((name) => /^exec(Sync)?$/.test(name)),
        )
        .map(({ line }) => `${file.path}:${line}: exec takes a shell string: use ports.exec, or spawn with argv`),
    );

export const rules: Readonly<Record<string, Rule>> = {
  pure,
  sizes,
  'line length': lineLength,
  names,
  heads,
  unfinished,
  classes,
  places,
  plugins,
  'owned by main': ownedByMain,
  limits,
  shell: (files) => [...shell(files), ...childProcess(files)],
};
