// Two real Postfixes as two nodes: what waits on one is delivered, held, or handed over to the other, and nothing is
// lost or doubled.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import queue from '../../src/switchover/queue.ts';
import { until } from '../support/host.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { stepContext, stepFolder } from '../support/step.ts';

const test = suite('step queue, real Postfix');
const folder = stepFolder();
let old: Postfix;
let next: Postfix;
test.before(async () => {
  [old, next] = [await startPostfix(), await startPostfix()];
});
test.after(async () => {
  await Promise.all([old, next].map((one) => one?.stop()));
  folder.remove();
});

interface Line {
  readonly queue_name: string;
  readonly queue_id: string;
}
const lines = ({ list: [program = '', ...words] }: Postfix): readonly Line[] =>
  execFileSync(program, words, { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
const waiting = (one: Postfix): number => lines(one).length;
const held = (one: Postfix): number => lines(one).filter(({ queue_name: name }) => name === 'hold').length;
const send = (one: Postfix, number: number): void => {
  for (let at = 0; at < number; at++)
    execFileSync('sendmail', ['-C', one.config, '-f', 'a@lab.test', 'u1@lab.test'], {
      input: `Subject: ${at}\n\nhello\n`,
    });
};
const empty = (one: Postfix): void => {
  execFileSync('postsuper', ['-c', one.config, '-d', 'ALL'], { stdio: 'ignore' });
};
const main = (one: Postfix): string => readFileSync(join(one.config, 'main.cf'), 'utf8').trim();
const sorted = (one: Postfix): readonly string[] => main(one).split('\n').sort();
const context = (options: object) =>
  stepContext(
    queue,
    { config: old.config, drain: '1s', ...options },
    { to: 'n2', from: 'n1', words: { n2: { host: '127.0.0.1' } }, stateDir: folder.path },
  );
test.after.each(() => {
  empty(old);
  empty(next);
});

test('an empty queue leaves at once', async () => {
  const got = await queue.prepare?.(context({ 'must-be-empty': true }));
  assert.is(got?.ok, true, got?.detail);
});

test('what cannot be delivered stays, or ends the move', async () => {
  send(old, 2);
  const got = await queue.prepare?.(context({}));
  assert.equal([got?.ok, got?.detail], [true, '2 messages stay in the queue']);
  assert.is((await queue.prepare?.(context({ 'must-be-empty': true })))?.ok, false);
  assert.is(waiting(old), 2);
});

test('held until the group comes back; what somebody else holds stays held', async () => {
  send(old, 1);
  assert.ok(await until(() => waiting(old) === 1, 20_000));
  execFileSync('postsuper', ['-c', old.config, '-h', 'ALL'], { stdio: 'ignore' });
  send(old, 3);
  const got = await queue.prepare?.(context({ leave: 'hold' }));
  assert.is(got?.ok, true, got?.detail);
  assert.is(held(old), 4);
  assert.is((await queue.probe(context({ leave: 'hold' }))).state, 'undone');
  const undone = await queue.undo(context({ leave: 'hold' }), { force: false });
  assert.equal([undone.ok, held(old)], [true, 4], undone.detail);
  const back = await queue.do(context({ leave: 'hold' }));
  assert.equal([back.ok, held(old), waiting(old)], [true, 1, 4], back.detail);
  assert.is((await queue.do(context({ leave: 'hold' }))).ok, true, 'again');
});

test('handed over: each once, and the routes are as they were', async () => {
  old.set({ transport_maps: 'inline:{{x.test=error:no $myhostname}}' });
  const before = sorted(old);
  send(old, 5);
  const over = context({ leave: 'hand-over', port: next.smtp, drain: '8s' });
  const got = await queue.prepare?.(over);
  assert.is(got?.ok, true, got?.detail);
  assert.equal([waiting(old), waiting(next)], [0, 5]);
  assert.not.equal(sorted(old), before);
  // What comes now goes to the other node too.
  send(old, 1);
  assert.ok(await until(() => waiting(next) === 6 && waiting(old) === 0, 20_000));
  assert.is((await queue.probe(over)).state, 'undone');
  for (const _ of [1, 2]) assert.is((await queue.unprepare?.(over))?.ok, true);
  assert.equal(sorted(old), before);
});

test('the other node refuses: nothing goes back, nothing is lost', async () => {
  next.set({ smtpd_recipient_restrictions: 'reject', smtpd_relay_restrictions: 'reject' });
  const before = sorted(old);
  send(old, 3);
  const over = context({ leave: 'hand-over', port: next.smtp, drain: '3s' });
  const got = await queue.prepare?.(over);
  assert.equal([got?.ok, got?.detail], [true, '3 messages stay in the queue']);
  assert.equal([waiting(old), waiting(next)], [3, 0]);
  const undone = await queue.undo(over, { force: true });
  assert.is(undone.ok, true, undone.detail);
  assert.equal(sorted(old), before);
});

test('a word that is not there, a Postfix that is not there', async () => {
  assert.is((await queue.prepare?.(context({ leave: 'hand-over', to: '$to.nothing' })))?.ok, false);
  const none = context({ config: '/nonexistent' });
  assert.is((await queue.ready?.(none))?.ok, false);
  assert.is((await queue.probe(none)).state, 'unknown');
  assert.is((await queue.prepare?.(none))?.ok, false);
  assert.is((await queue.undo(none, { force: true })).ok, false);
});

test.run();
