// `watchkeeper check` and `manage` without a daemon: words become a service, or one line that says why not.
import { createServer, type Server } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CheckOptions, run } from '../../src/commands/check.ts';
import { ClientError } from '../../src/commands/client.ts';
import { run as manage } from '../../src/commands/manage.ts';
import type { Io } from '../../src/commands/io.ts';
import { type ConfigFolder, configFolder } from '../support/config-folder.ts';
import { readNagios } from '../support/nagios-line.ts';

const test = suite<{ folder: ConfigFolder }>('guest');
let server: Server;
let port = 0;
test.before(async (context) => {
  context.folder = configFolder();
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end('220 ready\r\n');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  port = (server.address() as { port: number }).port;
});
test.after(({ folder }) => {
  server.close();
  folder.remove();
});

interface Said {
  readonly code: number | string;
  readonly out: string;
}
async function said(work: (io: Io) => Promise<number>): Promise<Said> {
  let out = '';
  const io: Io = { out: (text) => void (out += text), err: () => undefined, env: {}, isTty: false, width: 100 };
  const code = await work(io).catch((error: Error) => {
    if (error instanceof ClientError) return `${error.exit}: ${error.message}`;
    throw error;
  });
  return { code, out };
}
const ask = (words: Partial<CheckOptions>): Promise<Said> =>
  said((io) => run({ depth: 'quick', output: 'nagios', ...words }, io));

test('a single check: well, failing, and by every output', async () => {
  const well = await ask({ type: 'tcp', set: [`port=${port}`, 'expect=220'] });
  assert.is(well.code, 0);
  assert.equal([readNagios(well.out).service, readNagios(well.out).state], ['TCP', 'OK']);
  const bad = await ask({ type: 'tcp', host: '127.0.0.1', set: ['port=1'], timeout: '5' });
  assert.equal([bad.code, readNagios(bad.out).state], [2, 'CRITICAL']);
  const json = JSON.parse((await ask({ type: 'tcp', set: [`port=${port}`], output: 'json' })).out) as {
    verdict: object;
  };
  assert.equal(Object.keys(json), ['schemaVersion', 'name', 'leftOut', 'verdict', 'ms', 'checks']);
  assert.match((await ask({ type: 'tcp', set: [`port=${port}`], output: 'table' })).out, /\ntcp: pass, /);
});

test('a kit: over the network only what can be asked over it; checks by name left out', async () => {
  const kit = { kit: 'postfix', set: [`port=${port}`] };
  const far = await ask({ ...kit, host: '127.0.0.1', output: 'json' });
  const told = JSON.parse(far.out) as { leftOut: string[]; checks: { name: string }[] };
  assert.equal(
    [told.leftOut, told.checks.map(({ name }) => name)],
    [['systemd', 'postfix-queue', 'disk', 'incoming', 'active'], ['smtp']],
  );
  assert.is(far.code, 0);
  const near = await ask({ ...kit, skip: ['systemd', 'disk', 'postfix-queue', 'incoming', 'active'], output: 'json' });
  assert.equal(
    (JSON.parse(near.out) as { checks: { name: string }[] }).checks.map(({ name }) => name),
    ['smtp'],
  );
});

test("a check of one's own, from its file", async ({ folder }) => {
  const text = `import { defineCheck, opt, pass, z } from 'watchkeeper/define';
export const api = 1;
export default defineCheck({ about: 'Says a word that it was told.', depth: 'quick',
  options: z.strictObject({ word: opt.text('The word.') }), example: { word: 'a' },
  run: async ({ options }) => pass(options.word) });`;
  const file = folder.write('say-it.js', text);
  assert.equal(await ask({ type: file, set: ['word=so'] }), { code: 0, out: 'SAY-IT OK - so\n' });
  const broken = folder.write('broken.js', 'export const api = 3;');
  assert.match((await ask({ type: broken })).out, /UNKNOWN - .*broken.js: it was written for the contract api 3/);
  assert.match((await ask({ type: `${folder.path}/none.js` })).out, /UNKNOWN - .*there is no such file/);
});

test('what cannot be is UNKNOWN for Nagios, and 64 for people', async () => {
  const table: [Partial<CheckOptions>, RegExp][] = [
    [{ kit: 'dovecott' }, /there is no kit "dovecott"; did you mean "dovecot"\?/],
    [{ kit: 'dovecot', set: ['imapport=1'] }, /unknown parameter "imapport"; did you mean "imap-port"\?/],
    [{ kit: 'dovecot', set: ['imap-port=x'] }, /expected a whole number, got the text "x"/],
    [{ kit: 'dovecot', set: ['imap-port'] }, /expected key=value/],
    [{ kit: 'dovecot', skip: ['imapp'] }, /the kit brings no check "imapp"/],
    [{ kit: 'dovecot', set: ['password=hunter2', 'user=u'] }, /expected a reference to a secret/],
    [{ kit: 'dovecot', type: 'tcp' }, /--kit and --type: one of them/],
    [{ type: 'tpc' }, /there is no check of type tpc; did you mean "tcp"\?/],
    [{ type: 'tcp' }, /port|path/],
    [{ type: 'tcp', timeout: 'soon' }, /--timeout soon: expected 50ms to 1h/],
    [{ type: 'tcp', skip: ['a'] }, /--skip belongs to --kit/],
    [{ unit: 'x', host: 'h' }, /belong to --kit or --type/],
    [{ kit: './no/such/kit.yaml' }, /there is no kit "kit"/],
    [{}, /name a service, or give --kit, --type or --unit/],
    [{ service: 'a', kit: 'b' }, /a: a service, or --kit/],
    [{ service: 'a', timeout: '3' }, /--timeout belong to --kit/],
  ];
  for (const [words, text] of table) {
    const nagios = await ask(words);
    assert.is(nagios.code, 3, JSON.stringify(words));
    assert.is(readNagios(nagios.out).state, 'UNKNOWN');
    assert.match(nagios.out, text);
    assert.not.match(nagios.out, /hunter2/);
    const people = await ask({ ...words, output: 'table' });
    assert.match(String(people.code), /^64: /);
  }
});

test('a server that accepts and says nothing: hung, within the time', async () => {
  const silent = createServer((socket) => void socket.on('error', () => undefined));
  await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
  const { port: mute } = silent.address() as { port: number };
  const { code, out } = await ask({ type: 'smtp', set: [`port=${mute}`], timeout: '600ms' });
  assert.is(code, 2);
  assert.match(out, /^SMTP CRITICAL \(hung\) - /);
  silent.close();
});

test("manage: start, status, stop and validate through a kit of one's own", async ({ folder }) => {
  const [on, file] = [`${folder.path}/on`, folder.write('kits/box.yaml', '')];
  const write = (validate: string): string =>
    folder.write(
      'kits/box.yaml',
      `about: A box\nchecks: [{ type: tcp, port: ${port} }]\nmanager:\n  type: command\n` +
        `  start: [touch, ${on}]\n  stop: [rm, -f, ${on}]\n  status: [sh, -c, 'test -e ${on} || exit 3']\n  validate: [${validate}]\n`,
    );
  write('/bin/true');
  const act = (verb: string): Promise<Said> => said((io) => manage({ verb, kit: file }, io));
  const codes = async (...verbs: string[]): Promise<(number | string)[]> => {
    const all: (number | string)[] = [];
    for (const verb of verbs) all.push((await act(verb)).code);
    return all;
  };
  assert.equal(
    await codes('status', 'validate', 'start', 'status', 'start', 'stop', 'status', 'stop'),
    [3, 0, 0, 0, 0, 0, 3, 0],
  );
  write('/bin/false');
  assert.equal(await codes('validate', 'start', 'status'), [78, 78, 3]);
  assert.match(String((await act('restart')).code), /^64: manage restart: start, stop, status, validate/);
  assert.match(String((await said((io) => manage({ verb: 'start' }, io))).code), /^64: /);
});

test.run();
