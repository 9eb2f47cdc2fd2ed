// A program as a source: what it says is believed only when it is whole, and nothing else ever says that all is well.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clock } from '../../src/ports/clock.ts';
import command from '../../src/replication/command.ts';
import { sourceContext } from '../support/replication.ts';
import { stepFolder } from '../support/step.ts';

const test = suite('replication command');
const folder = stepFolder();
test.after(() => folder.remove());

const script = (name: string, text: string): string => {
  const path = join(folder.path, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
};
const look = (name: string, text: string, more: Parameters<typeof sourceContext>[2] = {}) =>
  command.look(sourceContext(command, { run: [script(name, text)] }, more));

test('what it says is what there is, and what it leaves out is not known', async () => {
  const whole = await look('whole', `echo '{"state":"synchronizing","queue":3,"lagMs":1500,"detail":"two of five"}'`);
  assert.equal(whole, { state: 'synchronizing', queue: 3, lagMs: 1500, detail: 'two of five' });
  const bare = await look('bare', `echo '{"state":"healthy"}'`);
  assert.equal(bare, { state: 'healthy', queue: null, lagMs: null, detail: '' });
});

test('it hears who is who', async () => {
  const text = `echo '{"state":"healthy","detail":"'"$WATCHKEEPER_NODE $WATCHKEEPER_OWNER $WATCHKEEPER_ACTIVE"'"}'`;
  assert.is((await look('who', text)).detail, 'n2 n1 0');
  assert.is((await look('who', text, { node: 'n1', active: true })).detail, 'n1 n1 1');
  assert.is((await look('who', text, { owner: null })).detail, 'n2  0');
});

test('its copies are brought up to date, and turned, by programs of their own', async () => {
  const well = `echo '{"state":"healthy"}'`;
  const options = (flush: string, turn: string) => ({
    ...{ run: [script('well', well)], flush: [script('flush', flush)], turn: [script('turn', turn)] },
  });
  const good = sourceContext(command, options('echo all of it', '[ "$WATCHKEEPER_OWNER" = n1 ]'), {});
  assert.equal(await command.flush?.(good), { ok: true, detail: 'all of it' });
  assert.is((await command.direct?.(good))?.ok, true);
  const bad = sourceContext(command, options('echo no room >&2; exit 3', 'exit 1'), {});
  const refused = await command.flush?.(bad);
  assert.is(refused?.ok, false);
  assert.match(refused?.detail ?? '', /exit code 3: "no room"/);
  assert.is((await command.direct?.(bad))?.ok, false);
  const none = sourceContext(command, { run: [script('well', well)] }, {});
  assert.is((await command.flush?.(none))?.ok, true);
});

for (const [name, text] of Object.entries({
  'no JSON': 'echo healthy',
  nothing: 'true',
  'a number below zero': `echo '{"state":"healthy","queue":-1}'`,
  'a number without end': `echo '{"state":"healthy","queue":1e999}'`,
  'a word for a number': `echo '{"state":"healthy","lagMs":"0"}'`,
  'a state that is none': `echo '{"state":"fine"}'`,
  'a list': `echo '[{"state":"healthy"}]'`,
  'good words and a bad end': `echo '{"state":"healthy","queue":0,"lagMs":0}'; exit 1`,
  'good words and a death': `echo '{"state":"healthy","queue":0,"lagMs":0}'; kill -9 $$`,
  'words without end': `head -c 3000000 /dev/zero | tr '\\0' '{'`,
}))
  test(`${name} is not known`, async () => {
    const facts = await look('odd', text);
    assert.equal([facts.state, facts.queue, facts.lagMs], ['failed', null, null]);
    assert.ok(facts.detail.length < 600, facts.detail);
    assert.not.match(facts.detail, /[\n\u001b]/);
  });

test('hostile words come on one line, printable and short', async () => {
  const facts = await look('evil', `printf '{"state":"failed","detail":"a\\\\n\\\\u001b[31mb%0900d"}' 7`);
  assert.not.match(facts.detail, /[\n\u001b]/);
  assert.ok(facts.detail.length <= 310, String(facts.detail.length));
});

test('what is not there, or is anybody’s, is not run', async () => {
  const gone = await command.look(sourceContext(command, { run: ['/nonexistent/x'] }));
  assert.equal([gone.state, /is not there/.test(gone.detail)], ['failed', true]);
  const path = script('open', `echo '{"state":"healthy"}'`);
  chmodSync(path, 0o777);
  const open = await command.look(sourceContext(command, { run: [path] }));
  assert.equal([open.state, /refused/.test(open.detail)], ['failed', true]);
});

test('a program that hangs ends with the signal', async () => {
  const started = clock.monotonic();
  const facts = await look('hangs', 'trap "" TERM; sleep 60', { signal: AbortSignal.timeout(300) });
  assert.equal([facts.state, /over its time/.test(facts.detail)], ['failed', true]);
  assert.ok(clock.monotonic() - started < 20_000);
});

test.run();
