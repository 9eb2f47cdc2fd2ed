import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clock } from '../../src/ports/clock.ts';
import type { Exec, ExecResult } from '../../src/ports/exec.ts';
import { makeUnits, parseShow, UNIT, unitName } from '../../src/ports/units.ts';

const test = suite('units');
const signal = new AbortController().signal;
const ended: ExecResult = {
  code: 0,
  signal: null,
  stdout: '',
  stderr: '',
  timedOut: false,
  failed: null,
  truncated: false,
  ms: 1,
};
const answering = (calls: (readonly string[])[], answer: Partial<ExecResult>): Exec => ({
  run(argv) {
    calls.push(argv);
    return Promise.resolve({ ...ended, ...answer });
  },
});
const block = (name: string, state: string): string =>
  `Id=${name}\nNames=${name} alias-${name}\nActiveState=${state}\n`;

test('questions of one moment are one call, and each gets its own block', async () => {
  const calls: (readonly string[])[] = [];
  const stdout = `${block('a.service', 'active')}\n${block('postfix@-.service', 'failed')}`;
  const units = makeUnits(answering(calls, { stdout }), clock);
  const all = await Promise.all([
    units.show('a', signal),
    units.show('postfix@-.service', signal),
    units.show('a.service', signal),
    units.show('alias-a', signal),
    units.show('unheard-of', signal),
  ]);
  assert.equal(
    all.map((facts) => facts?.['ActiveState'] ?? null),
    ['active', 'failed', 'active', 'active', null],
  );
  assert.is(calls.length, 1);
  assert.equal(calls[0]?.slice(-5), ['--', 'a.service', 'postfix@-.service', 'alias-a.service', 'unheard-of.service']);
});

test('a question that cannot wait takes the others along', async () => {
  const calls: (readonly string[])[] = [];
  const units = makeUnits(answering(calls, { stdout: block('a.service', 'active') }), clock);
  const started = performance.now();
  await Promise.all([units.show('a', signal), units.show('b', signal, 'soon')]);
  assert.ok(performance.now() - started < 18);
  assert.is(calls.length, 1);
  await units.show('a', signal);
  assert.is(calls.length, 2);
});

test('more units than fit one call', async () => {
  const calls: (readonly string[])[] = [];
  const units = makeUnits(answering(calls, {}), clock);
  await Promise.all(Array.from({ length: 250 }, (_, at) => units.show(`u${at}`, signal)));
  assert.is(calls.length, 3);
});

test('no systemd, half an answer, a late one: null, never a throw', async () => {
  for (const answer of [
    { code: 1 },
    { code: null, failed: 'ENOENT' },
    { code: null, timedOut: true },
    { truncated: true },
  ])
    assert.is(
      await makeUnits(answering([], { stdout: block('a.service', 'active'), ...answer }), clock).show('a', signal),
      null,
    );
  const stop = new AbortController();
  const never: Exec = { run: () => new Promise(() => undefined) };
  const asked = makeUnits(never, clock).show('a', stop.signal);
  setTimeout(() => stop.abort(), 5);
  assert.is(await asked, null);
  assert.is(await makeUnits(never, clock).show('a', stop.signal), null);
});

test('only names of one unit reach systemctl', async () => {
  for (const name of ['dovecot', 'postfix@-', 'postfix@-.service', 'a\\x2db.service', 'x:y_z.service'])
    assert.ok(UNIT.test(name), name);
  const bad = ['', '-a', '--version', 'a b', 'a*', 'a;b', '$(id)', 'a\n', 'postfix@', 'a@b@c', '../a', 'ä'];
  const calls: (readonly string[])[] = [];
  const units = makeUnits(answering(calls, {}), clock);
  for (const name of bad) assert.is(await units.show(name, signal), null, name);
  assert.is(calls.length, 0);
  assert.is(unitName('a'), 'a.service');
  assert.is(unitName('a.socket'), 'a.socket');
});

test('an answer of any kind is read without harm', () => {
  assert.is(parseShow('').size, 0);
  assert.is(parseShow('no equals sign\n\n=\n\n=x').size, 0);
  const found = parseShow('Names=a.service\nResult=exit=code\n\nNames=\n');
  assert.is(found.get('a.service')?.['Result'], 'exit=code');
  assert.is(found.size, 1);
});

test.run();
