// One long-lived child that is told lines: what it says, what a child that is silent costs, and who is to blame for it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Batch } from '../../src/ports/batch.ts';

const test = suite('ports/batch');
const made: Batch[] = [];
test.after.each(() => {
  for (const batch of made.splice(0)) batch.close();
});

/** Says what it is told and who it is; `silent` ends that. */
const SHELL = 'while read -r line; do [ "$line" = silent ] && sleep 5; echo "$$ $line"; done';
function batchOf(answerMs: number): Batch {
  const batch = new Batch({ argv: ['sh', '-c', SHELL], after: 'after', answered: /^\d+ after$/m, answerMs });
  made.push(batch);
  return batch;
}
const pidIn = (answer: { readonly out: string } | null): string => /^(\d+) one$/m.exec(answer?.out ?? '')?.[1] ?? '';
const block = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

test('a child that does not answer is replaced, and what it was told counts as not done', async () => {
  const batch = batchOf(300);
  const first = pidIn(await batch.ask('one'));
  assert.match(first, /^\d+$/);
  assert.is(await batch.ask('silent'), null);
  const next = pidIn(await batch.ask('one'));
  assert.match(next, /^\d+$/);
  assert.is.not(next, first);
});

test('who stood still himself reads the answer, and leaves the child alone', async () => {
  const batch = batchOf(300);
  const first = pidIn(await batch.ask('one'));
  const asked = batch.ask('one');
  block(800);
  assert.is(pidIn(await asked), first);
  assert.is(pidIn(await batch.ask('one')), first);
});

test.run();
