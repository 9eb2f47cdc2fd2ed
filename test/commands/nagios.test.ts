// The line of a Nagios plugin, read back by a parser that follows the guidelines and forgives nothing.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Answer, nagiosLine, nagiosUnknown } from '../../src/commands/nagios.ts';
import type { CheckResult, Metric } from '../../src/core/types.ts';
import { readNagios } from '../support/nagios-line.ts';

const test = suite('nagios line');
const answer = (...results: CheckResult[]): Answer => ({
  verdict: { check: 'check-0', ...(results[0] ?? { outcome: 'unknown', detail: 'none' }) },
  ms: 3,
  checks: results.map((result, index) => ({ name: `check-${index}`, ms: 1, result })),
});
const read = (name: string, of: Answer) => readNagios(`${nagiosLine(name, of)}\n`);
const measured = (...metrics: Metric[]): CheckResult => ({ outcome: 'pass', detail: 'well', metrics });

test('each outcome has its word', () => {
  for (const [outcome, state] of Object.entries({
    pass: 'OK',
    degraded: 'WARNING',
    fail: 'CRITICAL',
    unknown: 'UNKNOWN',
  }))
    assert.is(read('mta', answer({ outcome: outcome as 'pass', detail: 'said' })).state, state);
  assert.is(
    nagiosLine('mta', answer({ outcome: 'fail', cause: 'hung', detail: 'no banner' })),
    'MTA CRITICAL (hung) - no banner',
  );
  assert.is(nagiosLine('a', answer(measured())), 'A OK - well');
  assert.is(readNagios(`${nagiosUnknown('my mta', 'no | daemon\n')}\n`).text, 'no / daemon\\n');
});

test('of several checks the deciding one is named; if all pass, each has its say', () => {
  const bad: CheckResult = { outcome: 'fail', cause: 'dead', detail: 'gone' };
  assert.is(nagiosLine('mta', answer(bad, measured())), 'MTA CRITICAL (dead) - check-0: gone');
  assert.is(nagiosLine('mta', answer(measured(), measured())), 'MTA OK - 2 checks pass: well, well');
});

test('performance data: units, bounds, no exponents, each label once', () => {
  const { data } = read(
    'mta',
    answer(
      measured(
        { name: 'time', value: 0.0000004, unit: 's', warn: '1', crit: '@10:20', min: 0 },
        { name: 'size', value: 1e20, unit: 'B', max: 2e20 },
        { name: 'depth', value: 7, unit: 'mails', warn: '10:', crit: '~:5' },
        { name: "it's = odd | so", value: -2.5, unit: '%' },
        { name: 'time', value: 5, unit: 's' },
        { name: 'none', value: Number.NaN },
        { name: 'huge', value: 1e21 },
        { name: 'odd', value: 1, warn: 'rm -rf', crit: '1;2' },
      ),
    ),
  );
  assert.equal(
    data.map(({ label }) => label),
    ['time', 'size', 'depth', 'it_s _ odd / so', 'odd'],
  );
  const [time, size, depth, odd, last] = data;
  assert.equal(time, { label: 'time', value: 0, unit: 's', warn: '1', crit: '@10:20', min: '0', max: '' });
  assert.is(size?.max, '200000000000000000000');
  assert.equal([depth?.unit, depth?.warn, depth?.crit, odd?.value], ['', '10:', '~:5', -2.5]);
  assert.equal([last?.warn, last?.crit], ['', '']);
});

test('labels of several checks do not meet', () => {
  const one = measured({ name: 'time', value: 1, unit: 'ms' });
  const labels = read('mta', answer(one, one)).data.map(({ label }) => label);
  assert.equal(labels, ['check-0_time', 'check-1_time']);
});

test('hostile text stays one line, and too much of it is cut between whole data', () => {
  const detail = `220 ${'x'.repeat(5000)}\r\nDOVECOT OK - forged | 'a'=1`;
  const metrics = Array.from({ length: 64 }, (_, index) => ({
    name: `${'long name '.repeat(9)}${index}`,
    value: 1 / 3,
  }));
  const found = read('mta\n', answer({ outcome: 'fail', cause: 'refusing', detail, metrics }));
  assert.is(found.state, 'CRITICAL');
  assert.ok(found.data.length >= 1);
});

test('the parser of this test forgives nothing', () => {
  for (const bad of [
    'X OK - a',
    'OK - a\n',
    'X FINE - a\n',
    "X OK - a | 'a'=1e5\n",
    "X OK - a | 'a'=1;;;x\n",
    'X OK - a | b |\n',
    'X OK - a\n\n',
    'X OK - a | a=1 a=2\n',
    'X OK - a | a=1q\n',
  ])
    assert.throws(() => readNagios(bad), undefined, bad);
});

test.run();
