// Seeded mutations of a good file: the loader never throws, never takes long, and a report never lacks a place.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problems.ts';
import { showYaml } from '../../src/config/show.ts';
import type { Files } from '../../src/ports/files.ts';
import { somePlugins } from '../support/config-plugins.ts';

const SEEDS = 600;
const SECRET = 'hunter2';

const KIT = `about: A box
params:
  port: { about: The port, default: 143 }
  user: { about: Who, default: null }
  password: { about: Key, default: null }
checks:
  - { type: tcp, port: $port }
  - { type: login, port: $port, user: $user, password: $password, needs: [user, password] }
manager: { type: unit, unit: box.service, ports: [$port] }
`;
const START = `node: n1
services:
  store: { kit: box, set: { port: 143, user: probe, password: file:/etc/pw } }
  mta: &mta
    kit: box
    depends: [store]
    checks:
      - { name: tcp, slow: 300ms, room: 2M }
      - type: login
        password: env:PW
        words: ["a b", 'c', "\\u00e9"]
    quick: { every: 2s, timeout: 1s, fall: 3, rise: 1 }
    deep: { every: 1m, timeout: 20s }
    manager: { start-timeout: 5s }
    recover:
      ladder: [reload, restart, { command: [/bin/true, -x], cures: [dead, hung] }]
      by-hand: never
      backoff: { first: 1s, factor: 2, max: 1m }
    runbook: |
      Look at
      the page
  copy: *mta
kits:
  own: { about: Own, params: { p: { about: P } }, checks: [{ type: tcp, port: $p }] }
alerts:
  log: { type: log, facility: mail }
  page: { type: page, to: [ops], token: credential:page }
tilt: { share: 0.6, least: 3 } # done
`;

/** mulberry32: small, fast, and the same everywhere. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

const SPICE = [
  '',
  ' ',
  '\n',
  '\n  ',
  '\t',
  ':',
  ': ',
  '- ',
  '[',
  ']',
  '{',
  '}',
  ',',
  '&a ',
  '*a',
  '*mta',
  '!!',
  '!x ',
  '|',
  '>',
  '"',
  "'",
  '#',
  '%',
  '@',
  '`',
  '? ',
  '~',
  'null',
  'true',
  'no',
  '.nan',
  '-1',
  '1e999',
  '0',
  '08',
  '5s',
  '$p',
  '$$',
  'off: true',
  '<<: *mta',
  '---\n',
  '...\n',
  '\r',
  '\ufeff',
  '\ufffd',
  '\u0000',
  '\u2028',
  '\u202e',
  '__proto__: 1\n',
  'constructor: {}\n',
  'type: tcp',
  '{}',
  '[]',
  `password: ${SECRET}`,
  'x'.repeat(2000),
] as const;

function mutate(text: string, next: (below: number) => number): string {
  let made = text;
  for (let count = 1 + next(4); count > 0; count--) {
    const at = next(made.length + 1);
    const end = Math.min(made.length, at + next(12));
    const lines = made.split('\n');
    switch (next(6)) {
      case 0:
        made = made.slice(0, at) + made.slice(end);
        break;
      case 1:
        made = made.slice(0, at) + made.slice(at, end) + made.slice(at);
        break;
      case 2:
        lines.splice(next(lines.length), 1);
        made = lines.join('\n');
        break;
      case 3:
        lines.splice(next(lines.length), 0, lines[next(lines.length)] ?? '');
        made = lines.join('\n');
        break;
      default:
        made = made.slice(0, at) + (SPICE[next(SPICE.length)] ?? '') + made.slice(end);
    }
  }
  return made;
}

const filesOf = (text: string): Files => {
  const all: Readonly<Record<string, string>> = { '/etc/wk/wk.yaml': text, '/kits/box.yaml': KIT };
  return {
    readText: (path) => all[path] ?? null,
    facts: (path) =>
      path in all || path === '/kits'
        ? { uid: 0, gid: 0, mode: 0o600, size: 1, kind: path === '/kits' ? 'directory' : 'file', modifiedMs: 0 }
        : null,
    list: () => ['box.yaml'],
    realPath: (path) => path,
  };
};

const read = (text: string) =>
  load('/etc/wk/wk.yaml', { files: filesOf(text), plugins: somePlugins, hostname: 'n1', uid: 0, kitsDir: '/kits' });

const test = suite('config fuzz');

test('the file to start from is good', () => {
  const loaded = read(START);
  assert.equal('problems' in loaded ? loaded.problems.map(formatProblem) : [], []);
});

test(`${SEEDS} seeds: a configuration or problems, never a throw`, () => {
  let refused = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const text = mutate(START, random(seed));
    try {
      const started = performance.now();
      const loaded = read(text);
      assert.ok(performance.now() - started < 5000, 'time');
      if (!('problems' in loaded)) {
        assert.ok(Object.keys(loaded.config.services).length > 0);
        showYaml(loaded.effective());
        continue;
      }
      refused++;
      assert.ok(loaded.problems.some((problem) => problem.level === 'error'));
      for (const problem of loaded.problems) {
        assert.ok(problem.line >= 0 && problem.column >= 0 && problem.text.length > 0);
        const shown = formatProblem(problem);
        assert.not.match(shown, /[^\P{Cc}]/u);
        assert.not.match(shown, `: ${SECRET}`);
      }
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).stack}\n--- file\n${text}`);
    }
  }
  assert.ok(refused > SEEDS / 3, `${refused} refused`);
  assert.ok(refused < SEEDS, 'some are still good');
});

test('every prefix of a file', () => {
  for (let end = 0; end < START.length; end += 7) read(START.slice(0, end));
});

test('random bytes', () => {
  const self = readFileSync(process.execPath).subarray(0, 200_000);
  for (let at = 0; at < 200_000; at += 10_000) {
    assert.ok('problems' in read(self.subarray(at, at + 2000).toString('latin1')));
    assert.ok('problems' in read(self.subarray(at, at + 2000).toString('utf8')));
  }
});

test.run();
