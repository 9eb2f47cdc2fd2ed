// Files that are too large, too deep or too clever: a clear refusal in bounded time. And large ones that are fine.
import { openSync, closeSync, ftruncateSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ConfigFolder, configFolder, good } from '../support/config-folder.ts';

const test = suite<{ folder: ConfigFolder }>('config limits');
test.before.each((context) => {
  context.folder = configFolder();
});
test.after.each(({ folder }) => folder.remove());

/** The report for a text, and how long it took. Generous limits: the machine may be busy; the faults cost minutes. */
function refuse(folder: ConfigFolder, text: string, limitMs: number): string {
  folder.write('wk.yaml', text);
  const started = performance.now();
  const report = folder.report(folder.load());
  const ms = performance.now() - started;
  assert.ok(ms < limitMs, `${ms} ms`);
  assert.ok(report.length < 60_000, `${report.length} characters`);
  return report;
}

const lines = (count: number, line: (index: number) => string): string =>
  `services:\n${Array.from({ length: count }, (_, index) => line(index)).join('\n')}\n`;

test('an alias bomb', ({ folder }) => {
  const levels = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
  const bomb = levels.map((name, index) => {
    const before = levels[index - 1];
    return `${name}: &${name} [${Array(9)
      .fill(before ? `*${before}` : 'lol')
      .join(', ')}]`;
  });
  assert.match(refuse(folder, bomb.join('\n'), 5000), 'more than 100 values by alias [too-many-aliases]');
});

test('few aliases of much', ({ folder }) => {
  const text = `a: &a [${'1,'.repeat(20_000)}]\nb: [${'*a,'.repeat(90)}]\n`;
  assert.match(refuse(folder, text, 10_000), 'the file has too many values [too-big]');
});

test('50 MB', ({ folder }) => {
  const file = openSync(folder.write('wk.yaml', ''), 'w');
  ftruncateSync(file, 50_000_000);
  closeSync(file);
  const started = performance.now();
  const report = folder.report(folder.load());
  assert.ok(performance.now() - started < 2000);
  assert.is(report, 'wk.yaml: error: larger than 1 MiB; split it into conf.d/*.yaml [too-big]\n');
});

test('nesting that would end the process', ({ folder }) => {
  for (const text of [
    '['.repeat(10_000) + ']'.repeat(10_000),
    '{a: '.repeat(20_000),
    '- '.repeat(20_000),
    '? '.repeat(20_000),
    Array.from({ length: 200 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
  ])
    assert.match(refuse(folder, text, 10_000), 'nested too deeply [too-deep]');
  assert.match(refuse(folder, `a: ${'['.repeat(40)}${']'.repeat(40)}`, 5000), 'nested too deeply');
});

test('one million tokens', ({ folder }) => {
  assert.match(refuse(folder, '- '.repeat(400_000), 20_000), /too-big|too-deep/);
});

test('sixty thousand keys do not take a minute', ({ folder }) => {
  const text = Array.from({ length: 60_000 }, (_, index) => `k${index}: 1`).join('\n');
  const report = refuse(folder, text, 15_000);
  assert.match(report, 'unknown key "k0"');
  assert.match(report, /error: \d+ more problems are not shown \[and-more\]/);
});

test('ten thousand mistakes are a short report', ({ folder }) => {
  const text = lines(2000, (index) => `  s${index}: { chekcs: [], quick: 5 }`);
  assert.match(refuse(folder, text, 20_000), 'more problems are not shown');
});

test('a thousand services with a kit load in well under a second', ({ folder }) => {
  folder.write(
    'kits/box.yaml',
    `about: A box
params: { port: { about: The port } }
checks:
  - { type: tcp, port: $port }
  - { type: login, port: $port }
  - { type: tcp, name: front, port: 993, every: 1m }
manager: { type: unit, unit: box.service, ports: [$port] }
`,
  );
  const text = Array.from(
    { length: 1000 },
    (_, index) =>
      `  s${index}:\n    kit: box\n    set: { port: ${index + 1} }\n    quick: { every: 1s, timeout: 1s }\n` +
      (index > 0 ? `    depends: [s${index - 1}]\n` : ''),
  );
  folder.write('wk.yaml', `services:\n${text.join('')}`);
  const times = [1, 2, 3].map(() => {
    // Time of the processor: the machine may be busy with other tests.
    const before = process.cpuUsage();
    assert.is(Object.keys(good(folder.load()).config.services).length, 1000);
    const used = process.cpuUsage(before);
    return (used.user + used.system) / 1000;
  });
  assert.ok(Math.min(...times) < 1200, `${times.map(Math.round).join(', ')} ms`);
});

test('ten thousand services are the most', ({ folder }) => {
  const some = (count: number): string =>
    lines(count, (index) => `  s${index}: { checks: [{ type: process, exe: /x }] }`);
  folder.write('wk.yaml', some(10_000));
  assert.is(Object.keys(good(folder.load()).config.services).length, 10_000);
  assert.match(refuse(folder, some(10_001), 20_000), 'services: 10001; at most 10000 [too-big]');
});

test('a long circle is found without a deep stack', ({ folder }) => {
  const many = 3000;
  const text = Array.from(
    { length: many },
    (_, index) => `  s${index}: { depends: [s${(index + 1) % many}], checks: [{ type: process, exe: /x }] }\n`,
  );
  assert.match(refuse(folder, `services:\n${text.join('')}`, 20_000), 'a circle: s0 -> s1 -> s2');
});

test.run();
