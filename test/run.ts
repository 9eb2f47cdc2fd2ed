// The runner over uvu. uvu alone exits 0 when a hook throws, `.run()` is forgotten, no file matches or `.only` is left
// in; it has no time limit and no isolation. So: one process a file, two or three at once, a limit each, and every
// such case fails.
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
  readonly output: string;
}

const LIMIT_MS: Record<Kind, number> = { unit: 120_000, live: 150_000, real: 300_000, lab: 1_800_000, all: 0 };

const REST_MS = 10_000;

function runFile(file: string, kind: Kind): Promise<Report> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--enable-source-maps', join(home, 'support/one.js'), join(home, file)], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (data: Buffer): void => {
      if (output.length < 400_000) output += data.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      killGroup(child.pid);
    }, LIMIT_MS[kind]);
    child.on('exit', () => {
      clearTimeout(timer);
      killGroup(child.pid);
      // What it said last is still in the pipe; somebody it left behind may hold that open.
      setTimeout(() => [child.stdout, child.stderr].forEach((pipe) => pipe.destroy()), REST_MS).unref();
    });
    child.on('close', (code) => {
      const found = /^@@ (\d+) (\d+) (\d+)$/m.exec(output);
      const [passed, total, skipped] = found ? [Number(found[1]), Number(found[2]), Number(found[3])] : [0, 0, 0];
      let failed = total - passed;
      if (!found || code !== 0 || total + skipped === 0) failed = Math.max(1, failed);
      const trouble = late
        ? `\n${file}: over its limit of ${LIMIT_MS[kind] / 1000} s`
        : found
          ? ''
          : `\n${file}: no result`;
      resolve({ passed, failed, skipped, output: output.replace(/^@@ .*$/m, '').trimEnd() + trouble });
    });
  });
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
  // Unit tests mostly wait; whole daemons and servers compare times, and get the two cores to themselves.
  const phases: readonly { readonly queue: string[]; readonly width: number }[] = [
    { queue: ofKind('unit'), width: 3 },
    { queue: ofKind('live', 'real'), width: 2 },
    { queue: ofKind('lab').filter((file) => !isAlone(file)), width: 2 },
    { queue: files.filter(isAlone), width: 1 },
  ];
  const one = async (file: string): Promise<void> => {
    const started = performance.now();
    const report = await runFile(file, kindOf(file));
    total.passed += report.passed;
    total.failed += report.failed;
    total.skipped += report.skipped;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (!quiet || report.failed)
      console.log(`${report.failed ? 'FAIL' : 'ok  '} ${file} (${report.passed} passed, ${seconds} s)`);
    if (report.failed) console.log(report.output);
    // Why a whole file was left out is to be seen, and not only that it was.
    else for (const line of report.output.match(/^SKIPPED, .*$/gm) ?? []) console.log(line);
  };
  for (const { queue, width } of phases) {
    const lane = async (): Promise<void> => {
      for (let file = queue.shift(); file; file = queue.shift()) await one(file);
    };
    await Promise.all(Array.from({ length: width }, lane));
  }
  if (files.length === 0) console.log('no test file matches');
  console.log(`${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
}

await main();
