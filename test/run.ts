// The runner over uvu. uvu alone exits 0 when a hook throws, `.run()` is forgotten, no file matches or `.only` is left
// in; it has no time limit and no isolation. So: one process a file (unit tests: a few files), two or three at once, a
// limit each, and every such case fails.
//
//   node dist/test/run.js [KIND,KIND…] [WORD…]     only files whose path holds one of the words
//
// Kinds: `unit` needs nothing but Node; `live` (test/e2e, test/hostile, test/sandbox, `*.live.test.ts`) takes its time,
// also without root; `real` (`*.real.test.ts`) needs real servers and root; `lab` needs root; `all`. Closes with
// `N passed, N failed`, counted from what ran.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = dirname(fileURLToPath(import.meta.url));
const KINDS = ['unit', 'live', 'real', 'lab', 'all'] as const;
type Kind = (typeof KINDS)[number];

function kindOf(path: string): Kind {
  if (path.startsWith('lab/')) return 'lab';
  if (/^(e2e|hostile|sandbox)\/|\.live\.test\.js$/.test(path)) return 'live';
  return path.endsWith('.real.test.js') ? 'real' : 'unit';
}

function listFiles(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return listFiles(path);
    return entry.name.endsWith('.test.js') ? [relative(home, path)] : [];
  });
}

interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly ms: number;
  readonly output: string;
}

const LIMIT_MS: Record<Kind, number> = { unit: 120_000, live: 150_000, real: 300_000, lab: 1_800_000, all: 0 };
const REST_MS = 10_000;
/** So many files of unit tests share a process. */
const BATCH = 13;

/** Neighbours go to different processes: long ones often lie side by side. */
function inBatches(files: readonly string[], size: number): string[][] {
  const count = Math.ceil(files.length / size);
  return Array.from({ length: count }, (_, index) => files.filter((__, at) => at % count === index));
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
  /** What is to be said of a file that gave no result; empty: that it gave none. */
  readonly why: string;
}

/** Runs files one after the other in a process of their own. */
function runProcess(files: readonly string[], limitMs: number): Promise<Ended> {
  return new Promise((resolve) => {
    const paths = files.map((file) => join(home, file));
    const child = spawn(process.execPath, ['--enable-source-maps', join(home, 'support/one.js'), ...paths], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (data: Buffer): void => {
      if (output.length < 400_000) output += data.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    let why = '';
    const timer = setTimeout(() => {
      why = `over its limit of ${limitMs / 1000} s`;
      killGroup(child.pid);
    }, limitMs);
    child.on('exit', () => {
      clearTimeout(timer);
      killGroup(child.pid);
      // What it said last is still in the pipe; somebody it left behind may hold that open.
      setTimeout(() => [child.stdout, child.stderr].forEach((pipe) => pipe.destroy()), REST_MS).unref();
    });
    child.on('close', (code) => resolve({ code, output, why }));
  });
}

/** What became of each file. Each one's output ends with its result; who gave none has failed. */
function reportsOf(files: readonly string[], { code, output, why }: Ended): readonly Report[] {
  const said = output.split(/(?<=^@@ \d+ \d+ \d+ \d+$)/m);
  const reports = files.map((file, index): Report => {
    const text = said[index] ?? '';
    const found = /^@@ (\d+) (\d+) (\d+) (\d+)$/m.exec(text);
    const [passed = 0, total = 0, skipped = 0, ms = 0] = found?.slice(1).map(Number) ?? [];
    const failed = found && total + skipped > 0 ? total - passed : Math.max(1, total - passed);
    const trouble = found ? '' : `\n${file}: ${why || 'no result'}`;
    return { passed, failed, skipped, ms, output: text.replace(/^@@ .*$/m, '').trimEnd() + trouble };
  });
  const last = reports.at(-1);
  if (code === 0 || !last || reports.some(({ failed }) => failed > 0)) return reports;
  return [...reports.slice(0, -1), { ...last, failed: 1, output: `${last.output}\n${why || `it ended with ${code}`}` }];
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is gone already, which is what we want.
  }
}

/** `unit,live` → those kinds; null when the word is none. */
function kindsIn(word: string | undefined): readonly Kind[] | null {
  const kinds = (word ?? '').split(',').map((part) => KINDS.find((name) => name === part));
  const known = kinds.filter((kind) => kind !== undefined);
  return known.length === kinds.length ? known : null;
}

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const kinds = kindsIn(words[0]);
  if (kinds) words.shift();
  const files = listFiles(home)
    .filter((file) => !kinds || kinds.includes('all') || kinds.includes(kindOf(file)))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort();
  const total = { passed: 0, failed: 0, skipped: 0 };
  const quiet = process.env['QUIET'] === '1';
  // Labs never meet, so two may be up at once. Those of several nodes, and that of Pacemaker, are about fractions of a
  // second, and have the machine to themselves.
  const isAlone = (file: string): boolean => /^lab\/.*(cluster|pacemaker)/.test(file);
  const ofKind = (...wanted: Kind[]): string[] => files.filter((file) => wanted.includes(kindOf(file)));
  // To begin costs most unit tests more than to run: several share a process. Whole daemons and servers compare times,
  // and get the two cores to themselves.
  const phases: readonly { readonly some: readonly string[]; readonly size: number; readonly width: number }[] = [
    { some: ofKind('unit'), size: BATCH, width: 3 },
    { some: ofKind('live', 'real'), size: 1, width: 2 },
    { some: ofKind('lab').filter((file) => !isAlone(file)), size: 1, width: 2 },
    { some: files.filter(isAlone), size: 1, width: 1 },
  ];
  const batch = async (some: readonly string[]): Promise<void> => {
    const ended = await runProcess(some, LIMIT_MS[kindOf(some[0] ?? '')]);
    for (const [index, report] of reportsOf(some, ended).entries()) tell(some[index] ?? '', report);
  };
  const tell = (file: string, report: Report): void => {
    const seconds = (report.ms / 1000).toFixed(1);
    total.passed += report.passed;
    total.failed += report.failed;
    total.skipped += report.skipped;
    if (!quiet || report.failed)
      console.log(`${report.failed ? 'FAIL' : 'ok  '} ${file} (${report.passed} passed, ${seconds} s)`);
    if (report.failed) console.log(report.output);
    // Why a whole file was left out is to be seen, and not only that it was.
    else for (const line of report.output.match(/^SKIPPED, .*$/gm) ?? []) console.log(line);
  };
  for (const { some: all, size, width } of phases) {
    const queue = inBatches(all, size);
    const lane = async (): Promise<void> => {
      for (let some = queue.shift(); some; some = queue.shift()) await batch(some);
    };
    await Promise.all(Array.from({ length: width }, lane));
  }
  if (files.length === 0) console.log('no test file matches');
  console.log(`${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
}

await main();
