// A run of dsync that a change came into (exit code 2, doveadm(1)): it is run again, and not for ever.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sync } from '../../src/dialogues/dsync.ts';
import type { ExecResult } from '../../src/ports/exec.ts';
import { hostPorts } from '../support/host.ts';

const test = suite('dialogues/dsync');

/** What each run ends with; the last one again and again. Gives the states that were handed over. */
async function runs(codes: readonly number[], stop = new AbortController()) {
  const states: string[] = [];
  const run = (argv: readonly string[]): Promise<ExecResult> => {
    states.push(argv[argv.indexOf('-s') + 1] ?? 'none');
    const code = codes[Math.min(states.length, codes.length) - 1] ?? 0;
    if (code === 75) stop.abort();
    const rest = { signal: null, stderr: 'a word', timedOut: false, failed: null, truncated: false, ms: 1 };
    return Promise.resolve({ code: code === 75 ? 2 : code, stdout: 'FRESH\n', ...rest });
  };
  const here = { ports: hostPorts({ exec: { run } }), signal: stop.signal, config: undefined };
  return { got: await sync(here, 'u1', 'tcp:127.0.0.1:1', 'OLD', 1000), states };
}

test('done at once: the state it gave is for the next one', async () => {
  const { got, states } = await runs([0]);
  assert.equal(got, { ok: true, state: 'FRESH', detail: 'done' });
  assert.equal(states, ['OLD']);
});

test('a change came into it: again, and everything is compared', async () => {
  const { got, states } = await runs([2, 2, 0]);
  assert.is(got.ok, true);
  assert.equal(states, ['OLD', '', '']);
});

test('changes all the time: not for ever, and it is not done', async () => {
  const { got, states } = await runs([2]);
  assert.is(got.ok, false);
  assert.is(states.length, 5);
});

test('what failed is not tried again, nor anything after the end', async () => {
  const failed = await runs([75, 0]);
  assert.equal([failed.got.ok, failed.states.length], [false, 1]);
  const broken = await runs([1, 0]);
  assert.equal([broken.got.ok, broken.states.length], [false, 1]);
});

test.run();
