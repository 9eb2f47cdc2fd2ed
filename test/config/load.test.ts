// Good files: what they become.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultCures } from '../../src/core/ladder.ts';
import type { Config } from '../../src/config/types.ts';
import { type ConfigFolder, configFolder, good } from '../support/config-folder.ts';

const test = suite<{ folder: ConfigFolder }>('config load');
test.before.each((context) => {
  context.folder = configFolder();
  context.folder.write(
    'kits/box.yaml',
    `about: A box
params:
  port: { about: The port, default: 143 }
  user: { about: The probe, default: null }
  password: { about: Its password, default: null }
  extra: { about: One more port, default: null }
  words: { about: Some words, default: [] }
checks:
  - { type: tcp, port: $port }
  - { type: login, port: $port, user: $user, password: $password, needs: [user, password], words: $words }
  - { type: login, name: front, port: 993, words: [$$dollar], every: 1m }
manager: { type: unit, unit: box.service, ports: [$port, $extra] }
recover: { ladder: [reload, restart], grace: 5s }
runbook: https://example.org/box
`,
  );
});
test.after.each(({ folder }) => folder.remove());

/** Loads `text` as the whole configuration. */
function read(folder: ConfigFolder, text: string): Config {
  folder.write('wk.yaml', text);
  return good(folder.load()).config;
}

const optionOf = (part: { options: unknown } | null | undefined, key: string): unknown =>
  (part?.options as Record<string, unknown> | undefined)?.[key];

test('the least configuration gets every default', ({ folder }) => {
  const config = read(folder, 'services: { a: { checks: [{ type: tcp, port: 25 }] } }\n');
  const { files, ...rest } = config;
  assert.is(files.length, 1);
  assert.match(files[0]?.sha256 ?? '', /^[0-9a-f]{64}$/);
  const policy = {
    depends: [],
    fall: 2,
    rise: 1,
    unknowns: 3,
    confirmMs: 21_000,
    ladder: [],
    attempts: 3,
    windowMs: 1_800_000,
    backoff: { firstMs: 2000, factor: 2, maxMs: 60_000 },
    repairMs: 30_000,
    verifyMs: 30_000,
    stableMs: 600_000,
    graceMs: 10_000,
    settleMs: 10_000,
    byHandMs: 60_000,
    then: 'give-up',
    switchMs: 300_000,
    againMs: 3_600_000,
    observe: false,
    flap: { changes: 6, windowMs: 600_000, calmMs: 600_000 },
  };
  const options = { host: '127.0.0.1', port: 25, slow: 1000, room: 2_097_152 };
  const check = { name: 'tcp', type: 'tcp', depths: ['quick', 'deep'], options, everyMs: null };
  assert.equal(rest, {
    node: 'n1',
    services: {
      a: {
        name: 'a',
        kit: null,
        checks: [check],
        quick: { everyMs: 5000, timeoutMs: 2000 },
        deep: { everyMs: 60_000, timeoutMs: 20_000 },
        manager: null,
        policy,
        logSigns: [],
      },
    },
    policy: {
      node: 'n1',
      services: { a: policy },
      observe: false,
      repairs: { max: 20, windowMs: 3_600_000, parallel: 1 },
      tilt: { stallMs: 5000, share: 0.6, least: 3, windowMs: 10_000, limitMs: 60_000 },
      routing: { routes: [], heartbeat: null },
    },
    alerts: {},
    quietHours: {},
    maintenance: {},
    stateDir: '/var/lib/watchkeeper',
    runDir: '/run/watchkeeper',
    historyMs: 90 * 86_400_000,
    purgeAt: '17 3 * * *',
    sandbox: false,
  });
});

test('a kit brings checks, manager and rules; null leaves out what uses it', ({ folder }) => {
  const a = read(folder, 'services: { a: { kit: box } }\n').services['a'];
  assert.equal(
    a?.checks.map((check) => check.name),
    ['tcp', 'front'],
  );
  assert.equal(a?.checks[1]?.options, { port: 993, tls: 'off', words: ['$dollar'] });
  assert.is(a?.checks[1]?.everyMs, 60_000);
  assert.equal(a?.manager, {
    type: 'unit',
    options: { unit: 'box.service', ports: [143], 'start-timeout': 30_000 },
  });
  assert.equal(a?.policy.ladder, [
    { name: 'reload', cures: defaultCures.reload },
    { name: 'restart', cures: defaultCures.restart },
  ]);
  assert.is(a?.policy.graceMs, 5000);
  assert.is(a?.policy.runbook, 'https://example.org/box');
});

test('signs of a log: those of the kit, changed and added by name; what is no sign is refused', ({ folder }) => {
  const kit = (more: string): string => `kits:
  k:
    about: K
    checks: [{ type: tcp, port: 25 }]
    log-signs:
      full: { line: 'fatal: * No space left', cause: no-space, says: full }
      many: { line: '*: too many open files', cause: overloaded, says: many, part: smtpd }
services: { a: { kit: k, log-signs: ${more} } }
`;
  const signs = read(folder, kit('{ full: { says: mine }, own: { line: "panic: *", cause: dead, says: own } }'));
  assert.equal(signs.services['a']?.logSigns, [
    { line: 'fatal: * No space left', cause: 'no-space', says: 'mine' },
    { line: '*: too many open files', cause: 'overloaded', says: 'many', part: 'smtpd' },
    { line: 'panic: *', cause: 'dead', says: 'own' },
  ]);
  for (const bad of [
    '{ x: { line: "*****abc*", cause: dead, says: s } }',
    '{ x: { line: "panic: *", cause: odd, says: s } }',
  ])
    assert.ok('problems' in (folder.write('wk.yaml', kit(bad)), folder.load()), bad);
  assert.ok('problems' in (folder.write('wk.yaml', kit('{ own: { line: "panic: *" } }')), folder.load()));
});

test('values are set; checks are added, changed and dropped; the manager is laid over', ({ folder }) => {
  const a = read(
    folder,
    `services:
  a:
    kit: box
    set: { port: 25, user: probe, password: env:PW, extra: 26, words: [x, y] }
    manager: { ports: [1], start-timeout: 5s }
    recover: { grace: 1s }
    checks:
      - { name: tcp, slow: 100ms }
      - { name: front, off: true }
      - { type: tcp, port: 587 }
      - { name: login, type: process, exe: /usr/sbin/box }
`,
  ).services['a'];
  const shown = a?.checks.map(({ name, type, depths, options }) => [name, type, depths.join('+'), options]);
  assert.equal(shown, [
    ['tcp', 'tcp', 'quick+deep', { host: '127.0.0.1', port: 25, slow: 100, room: 2_097_152 }],
    ['login', 'process', 'quick', { exe: '/usr/sbin/box' }],
    ['tcp-2', 'tcp', 'quick+deep', { host: '127.0.0.1', port: 587, slow: 1000, room: 2_097_152 }],
  ]);
  assert.equal(a?.manager?.options, { unit: 'box.service', ports: [1], 'start-timeout': 5000 });
  assert.is(a?.policy.graceMs, 1000);
  assert.is(a?.policy.ladder.length, 2, 'what the service does not say stays as the kit has it');
});

test('a manager of another type replaces that of the kit', ({ folder }) => {
  const a = read(
    folder,
    `services:
  a:
    kit: box
    manager: { type: command, start: [/bin/true], stop: [/bin/true] }
    recover: { ladder: [restart, { command: [/bin/mend, -x], cures: [no-space] }, { command: [/bin/mend] }] }
`,
  ).services['a'];
  assert.equal(a?.manager, { type: 'command', options: { start: ['/bin/true'], stop: ['/bin/true'] } });
  assert.equal(a?.policy.ladder.slice(1), [
    { name: 'command', cures: ['no-space'], run: ['/bin/mend', '-x'] },
    { name: 'command', cures: defaultCures.command, run: ['/bin/mend'] },
  ]);
});

test('an own kit goes before a shipped one, and its values have places of their own', ({ folder }) => {
  const config = read(
    folder,
    `kits: { box: { about: Mine, checks: [{ type: tcp, port: 1, name: mine }] } }
services: { a: { kit: box } }
`,
  );
  assert.is(config.services['a']?.checks[0]?.name, 'mine');
  assert.is(config.services['a']?.manager, null);
});

test('never is null, a node has its name, anchors and CRLF and a byte order mark are fine', ({ folder }) => {
  const config = read(
    folder,
    [
      '\ufeffnode: mail1',
      'services:',
      '  a: &a',
      '    checks: [{ type: tcp, port: 1 }]',
      '    recover: { by-hand: never, again: never, confirm: 1m }',
      '  b: *a',
      '',
    ].join('\r\n'),
  );
  assert.is(config.node, 'mail1');
  assert.is(config.policy.node, 'mail1');
  assert.is(config.services['b']?.policy.byHandMs, null);
  assert.is(config.services['b']?.policy.againMs, null);
  assert.is(config.services['b']?.policy.confirmMs, 60_000);
  assert.is(config.services['b']?.name, 'b');
});

test('paths that begin with ./ are taken from the folder of their file', ({ folder }) => {
  folder.write('conf.d/a.yaml', 'services: { a: { checks: [{ type: login, user: x, password: file:./pw }] } }\n');
  const config = read(
    folder,
    `state-dir: ./../state
services: { b: { checks: [{ type: tcp, path: ./sock }], manager: { type: command, start: [./go, '.'], stop: [sh] } } }
`,
  );
  assert.is(config.stateDir, `${folder.path.replace(/\/[^/]*$/, '')}/state`);
  assert.is(optionOf(config.services['b']?.checks[0], 'path'), `${folder.path}/sock`);
  assert.equal(optionOf(config.services['b']?.manager, 'start'), [`${folder.path}/go`, '.']);
  assert.is(optionOf(config.services['a']?.checks[0], 'password'), `file:${folder.path}/conf.d/pw`);
});

test('a ladder of own commands needs no manager', ({ folder }) => {
  const a = read(
    folder,
    'services: { a: { checks: [{ type: tcp, port: 1 }], recover: { ladder: [{ command: [/bin/true] }] } } }\n',
  ).services['a'];
  assert.is(a?.manager, null);
  assert.is(a?.policy.ladder.length, 1);
});

test('what is wrong with a shipped kit is said at its place there', ({ folder }) => {
  folder.write('kits/bad.yaml', 'about: Bad\nchecks:\n  - { type: tcp, port: $port }\n  - { type: tcp\n');
  folder.write('wk.yaml', 'services: { a: { kit: bad } }\n');
  const report = folder.report(folder.load());
  assert.match(report, 'kits/bad.yaml:4:5: error: this bracket is not closed [syntax]');
  assert.match(report, 'the kit "bad" cannot be used');
});

test.run();
