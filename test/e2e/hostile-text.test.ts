// What a service says is text, whatever it says: in status, explain, check, history and the event log nothing moves a
// cursor, forges a line or runs. And secrets that cannot be read are named, never shown.
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  freePorts,
  type Life,
  liveDaemon,
  type LiveDaemon,
  program,
  runProgram,
  served,
  until,
  watched,
  whole,
} from '../support/live-daemon.ts';

const BANNER = Buffer.concat([
  Buffer.from('999 \u001b[2J\u001b]0;owned\u0007 $(touch x) `touch x` ; touch x | <script>alert(1)</script> '),
  Buffer.from([0x00, 0x9b, 0x33, 0x31, 0x6d, 0xff, 0xfe, 0x7f]),
  Buffer.from('\u202egnp.\u0085 %n%s {{7*7}} \u2028 "quoted" \\ \r250 all is well\r\n* OK fine\r\n'),
]);
/** Everything that is no printable text, but for the ends of lines: C0, DEL, C1, and what turns the direction. */
const RAW = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
let shadyPort = 0;
let imapPort = 0;
const VALUE = 'the-secret-value-itself';
let daemon: LiveDaemon;
let life: Life;

const plain = (where: string, text: string): void => {
  const found = RAW.exec(text);
  if (!found) return;
  const near = JSON.stringify(text.slice(Math.max(0, found.index - 60), found.index + 20));
  assert.unreachable(`${where}: U+${found[0].codePointAt(0)?.toString(16)} in ${near}`);
};
const imap = (password: string): object => ({ type: 'imap', port: imapPort, tls: 'off', user: 'probe', password });
const config = (): object =>
  whole(daemon, {
    shady: served(daemon, 'shady', shadyPort, {
      // A detail of its own for each way in: a banner, the output of a program.
      checks: [
        { type: 'tcp', port: shadyPort, expect: 'never said' },
        { type: 'command', name: 'says', run: [daemon.at('says')], cause: 'misconfigured' },
      ],
      recover: { ladder: ['restart'] },
    }),
    gone: watched(imap(`file:${daemon.at('missing')}`), { recover: { unknowns: 1 } }),
    closed: watched(imap(`file:${daemon.at('open-secret')}`), { recover: { unknowns: 1 } }),
    imap: served(daemon, 'imap', imapPort, { checks: [{ type: 'tcp', port: imapPort }] }),
  });

const test = suite('hostile text');
test.before(async () => {
  daemon = liveDaemon('hostile');
  [shadyPort = 0, imapPort = 0] = await freePorts(2);
  writeFileSync(daemon.at('shady.banner'), BANNER);
  writeFileSync(daemon.at('imap.banner'), '* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n');
  writeFileSync(daemon.at('says'), `#!/bin/sh\ncat ${daemon.at('shady.banner')}\nexit 2\n`, { mode: 0o700 });
  // A secret that others may read is as bad as none.
  writeFileSync(daemon.at('open-secret'), VALUE);
  chmodSync(daemon.at('open-secret'), 0o644);
  daemon.write(config());
  life = await daemon.up();
});
test.after(() => daemon.end());

test('a banner of control characters, shell, markup and false lines stays one line of text', async () => {
  const bad = async (): Promise<boolean> => {
    const { incident, quick } = await daemon.service('shady');
    return incident !== null && quick?.detail.includes('$(touch x)') === true;
  };
  await until('its words', bad, 20_000);
  const { incident, quick } = await daemon.service('shady');
  assert.match(quick?.detail ?? '', '\\x1b');
  const asked: readonly (readonly string[])[] = [
    ['status'],
    ['explain', 'shady'],
    ['explain', incident ?? ''],
    ['check', 'shady', '--deep'],
    ['history', 'shady'],
  ];
  const outputs = await Promise.all(
    asked.flatMap((words) =>
      [words, [...words, '-o', 'json']].map(async (line) => ({ line: line.join(' '), run: await daemon.cli(...line) })),
    ),
  );
  for (const { line, run } of outputs) {
    assert.ok((run.code ?? 99) <= 3, `${line}: ${run.code} ${run.err}`);
    plain(line, run.out + run.err);
    assert.not.match(run.out, /^(250 all is well|\* OK fine)/m, line);
    if (line.endsWith('json')) JSON.parse(run.out);
  }
  const shown = outputs.map(({ run }) => run.out).join('');
  assert.match(shown, '<script>alert(1)</script>');
  plain('event log', readFileSync(daemon.at('events.log'), 'utf8'));
  plain('log', life.told());
  for (const name of readdirSync(daemon.at('state')).filter((file) => file.startsWith('journal')))
    plain(name, readFileSync(join(daemon.at('state'), name), 'utf8'));
  for (const folder of [daemon.dir, daemon.at('state'), daemon.at('run'), process.cwd(), '/'])
    assert.not.ok(existsSync(join(folder, 'x')), folder);
});

test('names from the command line are text too, and no name reaches into the program', async () => {
  const names = ['$(touch x)', '\u001b[31mred', '../../etc/passwd', 'constructor', '__proto__', 'toString', 'shady-99'];
  const verbs = ['explain', 'check', 'pause', 'resume', 'reset'] as const;
  const runs = await Promise.all(
    names.flatMap((name, index) =>
      verbs
        .filter((_verb, at) => name.startsWith('const') || name.startsWith('__') || at === index % verbs.length)
        .map(async (verb) => ({ name, verb, run: await daemon.cli(verb, name) })),
    ),
  );
  for (const { name, verb, run } of runs) {
    assert.is(run.code, 64, `${verb} ${name}: ${run.code} ${run.err}`);
    plain(`${verb} ${name}`, run.out + run.err);
    assert.is(run.out, '');
  }
  assert.is((await daemon.status()).daemon.pid, life.child.pid, 'it lives');
});

test('a secret that cannot be read: unknown, the reference named, never the value; the alarm ends with it', async () => {
  const secrets = (): readonly string[] =>
    daemon
      .alerts()
      .filter(({ event }) => event === 'secret-unreadable')
      .map(({ kind }) => kind);
  await until('both were asked', async () => {
    const [gone, closed] = [await daemon.service('gone'), await daemon.service('closed')];
    return gone.deep !== null && closed.deep !== null;
  });
  const gone = (await daemon.service('gone')).deep;
  assert.is(gone?.outcome, 'unknown', gone?.detail);
  assert.match(gone?.detail ?? '', `file:${daemon.at('missing')} cannot be read: ENOENT`);
  assert.match(
    (await daemon.service('closed')).deep?.detail ?? '',
    `file:${daemon.at('open-secret')} is refused: mode 0644`,
  );
  await until('the alarm', () => secrets().length === 1);
  const alarm = (await daemon.status()).alarms.find(({ event }) => event === 'secret-unreadable');
  assert.match(alarm?.summary ?? '', /secret file:\S+(missing|open-secret)/);

  const where = await Promise.all([daemon.cli('status', '-o', 'json'), daemon.cli('explain', 'closed', '-o', 'json')]);
  for (const { out } of where) assert.not.match(out, VALUE);
  chmodSync(daemon.at('open-secret'), 0o600);
  writeFileSync(daemon.at('missing'), `${VALUE}\n`, { mode: 0o600 });
  await until('its end', () => secrets().length === 2, 15_000);
  assert.equal(secrets(), ['raise', 'clear']);
  for (const text of [life.told(), readFileSync(daemon.at('events.log'), 'utf8')]) assert.not.match(text, VALUE);
});

test('nor does the configuration show it, nor a secret that was written where a reference belongs', async () => {
  const shown = await runProgram([program, 'config', 'show', daemon.config, '--effective']);
  assert.is(shown.code, 0, shown.err);
  assert.not.match(shown.out, VALUE);
  writeFileSync(daemon.at('etc/wrong.yaml'), JSON.stringify(whole(daemon, { a: watched(imap(VALUE)) })), {
    mode: 0o600,
  });
  const wrong = await runProgram([program, 'run', '--config', daemon.at('etc/wrong.yaml')]);
  assert.is(wrong.code, 78);
  assert.not.match(wrong.err + wrong.out, VALUE);
});

test.run();
