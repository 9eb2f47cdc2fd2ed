// `watchkeeper config …` as a user meets it: text, JSON and exit codes, on real files and real plugins.
import { hostname } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../../src/commands/config.ts';
import { type ConfigFolder, configFolder } from '../support/config-folder.ts';

const GOOD = `services:
  web:
    checks:
      - { type: tcp, port: 80, host: 127.0.0.1 }
      - { type: imap, name: store, user: probe, password: env:WK_NO_SUCH_SECRET }
alerts:
  log: { type: event-log }
`;

const test = suite<{ folder: ConfigFolder }>('command config');
test.before.each((context) => {
  context.folder = configFolder();
  context.folder.write('wk.yaml', GOOD);
});
test.after.each(({ folder }) => folder.remove());

async function call(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const code = await run(args, {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
  });
  return { code, ...said };
}

test('check: a good file', async ({ folder }) => {
  const file = `${folder.path}/wk.yaml`;
  assert.equal(await call('check', file), {
    code: 0,
    out: `${file}: good: 1 service, 2 checks, 1 alert channel\n`,
    err: '',
  });
  const { out } = await call('check', file, '-o', 'json');
  assert.equal(JSON.parse(out), {
    schemaVersion: 1,
    ok: true,
    node: hostname(),
    services: 1,
    checks: 2,
    channels: 1,
    warnings: [],
  });
});

test('check: a bad one', async ({ folder }) => {
  const file = folder.write('bad.yaml', 'services:\n  web: { checks: [{ type: tpc }], quick: { every: 5 } }\n');
  const { code, out, err } = await call('check', file);
  assert.is(code, 78);
  assert.is(
    out,
    `${file}:2:27: error: services.web.checks.tpc: there is no check of type "tpc"; did you mean "tcp"? ` +
      `[unknown-type]\n${file}:2:51: error: services.web.quick.every: expected a duration such as 500ms, 5s, 2m ` +
      'or 1h, got the number 5; a number has no unit: 5s? [wrong-type]\n',
  );
  assert.is(err, `${file}: 2 errors\n`);
  const json = await call('check', file, '-o', 'json');
  assert.is(json.code, 78);
  const told = JSON.parse(json.out) as { ok: boolean; problems: { line: number; rule: string }[] };
  assert.is(told.ok, false);
  assert.equal(
    told.problems.map((problem) => [problem.line, problem.rule]),
    [
      [2, 'unknown-type'],
      [2, 'wrong-type'],
    ],
  );
});

test('check: no file at all', async ({ folder }) => {
  const { code, out } = await call('check', `${folder.path}/none.yaml`);
  assert.is(code, 78);
  assert.is(out, `${folder.path}/none.yaml: error: there is no such file [no-file]\n`);
});

test('show: as written, effective, and as JSON; a secret is only ever a reference', async ({ folder }) => {
  const file = `${folder.path}/wk.yaml`;
  process.env['WK_NO_SUCH_SECRET'] = 'hunter2';
  const written = await call('show', file);
  const effective = await call('show', file, '--effective');
  const json = await call('show', file, '--effective', '-o', 'json');
  const other = folder.write('next.yaml', GOOD.replace('env:WK_NO_SUCH_SECRET', 'env:HOME'));
  const change = await call('diff', file, other);
  delete process.env['WK_NO_SUCH_SECRET'];
  assert.equal([written.code, effective.code, json.code, change.code], [0, 0, 0, 0]);
  assert.match(written.out, /port: 80 +# .*wk\.yaml:4\n/);
  assert.not.match(written.out, 'default');
  assert.match(effective.out, /window: 30m +# default\n/);
  assert.match(effective.out, 'password: env:WK_NO_SUCH_SECRET');
  const told = JSON.parse(json.out) as { schemaVersion: number; origins: Record<string, string> };
  assert.is(told.schemaVersion, 1);
  assert.is(told.origins['services.web.quick.every'], 'default');
  assert.match(change.out, '~ services.web.checks.store.password: env:WK_NO_SUCH_SECRET -> env:HOME\n');
  for (const { out, err } of [written, effective, json, change]) assert.not.match(out + err, 'hunter2');
});

test('diff: what changes, and a bad side', async ({ folder }) => {
  const file = `${folder.path}/wk.yaml`;
  const next = folder.write('next.yaml', GOOD.replace('port: 80', 'port: 81'));
  const { code, out } = await call('diff', file, next);
  assert.is(code, 0);
  assert.is(
    out,
    '~ services.web.checks.tcp.port: 80 -> 81\n\nservice web: check tcp changes\n0 services stay as they are\n',
  );
  const json = JSON.parse((await call('diff', file, next, '-o', 'json')).out) as { changes: { none: boolean } };
  assert.is(json.changes.none, false);
  assert.is((await call('diff', file, file)).out, 'nothing changes\n');
  const bad = folder.write('bad.yaml', 'services: {}\n');
  assert.is((await call('diff', file, bad)).code, 78);
});

test('schema: JSON for editors', async () => {
  const { code, out } = await call('schema');
  assert.is(code, 0);
  assert.is((JSON.parse(out) as { $schema: string }).$schema, 'http://json-schema.org/draft-07/schema#');
});

const ROUTED = `services:
  web: { checks: [ { type: tcp, port: 80, host: 127.0.0.1 } ] }
  store: { checks: [ { type: tcp, port: 143, host: 127.0.0.1 } ] }
alerts:
  log: { type: event-log }
  mail: { type: smtp, to: [a@example.org], from: b@example.org, via: [direct-to-mx] }
  boss: { type: webhook, url: "https://hooks.example.org/x" }
routes:
  - { to: [log], record: true, continue: true }
  - match: { services: [w*], severity: major }
    to: [mail]
    wait: 30s
    quiet: { during: nights }
    escalate: [ { after: 15m, to: [boss] } ]
quiet-hours: { nights: { at: '0 22 * * *', for: 9h, zone: Europe/London } }
`;

test('routes: where an alert would go', async ({ folder }) => {
  folder.write('wk.yaml', ROUTED);
  const file = `${folder.path}/wk.yaml`;
  const mail = 'mail (if it lasts 30 s; not during nights below major), boss (after 15 min, if nobody takes it on)';
  for (const words of [['routes'], ['routes', 'test']]) {
    const { code, out, err } = await call(...words, file, '--event', 'service-failing');
    assert.equal([code, err], [0, '']);
    assert.is(out, `service-failing (major) of web -> log, ${mail}\nservice-failing (major) of store -> log\n`);
  }
  const minor = await call('routes', file, '--event', 'service-failing', '--service', 'web', '--severity', 'minor');
  assert.is(minor.out, 'service-failing (minor) of web -> log\n');
  const json = JSON.parse((await call('routes', file, '-o', 'json')).out) as { ways: readonly { event: string }[] };
  assert.ok(json.ways.some(({ event }) => event === 'outbox-trouble'));
  for (const wrong of [
    ['--event', 'x'],
    ['--service', 'x'],
    ['--severity', 'x'],
    ['--cause', 'x'],
  ])
    assert.is((await call('routes', file, ...wrong)).code, 64, wrong.join(' '));
  assert.is((await call('check', file, '--event', 'service-failing')).code, 64);
});

test('check: what no route takes, and who hears nothing, is a warning', async ({ folder }) => {
  folder.write(
    'wk.yaml',
    ROUTED.replace('to: [log], record: true, continue: true', 'match: { events: [observer-*] }, to: [log]'),
  );
  const { code, err } = await call('check', `${folder.path}/wk.yaml`);
  assert.is(code, 0);
  assert.match(err, /:9:3: warning: routes: no route takes service-failing of store, .* and \d+ more: .* \[untold\]/);
  folder.write('wk.yaml', ROUTED.replace(', to: [boss]', ', to: [mail]'));
  const unheard = await call('check', `${folder.path}/wk.yaml`);
  assert.match(unheard.err, /warning: alerts.boss: no route names this channel: it hears nothing \[unused-channel\]/);
});

test('check: names that are none', async ({ folder }) => {
  const wrong: readonly (readonly [string, string, RegExp])[] = [
    [
      'to: [mail]',
      'to: [mial]',
      /routes.1.to.0: there is no channel "mial"; did you mean "mail"\? \[unknown-channel\]/,
    ],
    ['during: nights', 'during: night', /there are no quiet hours "night"; did you mean "nights"\?/],
    ['services: [w*]', 'services: [x*]', /no service fits "x\*"/],
    [
      'severity: major',
      'events: [service-faling]',
      /there is no event "service-faling"; did you mean "service-failing"/,
    ],
    ['zone: Europe/London', 'zone: Europe/Londen', /expected a time zone such as Europe\/London/],
    ["at: '0 22 * * *'", "at: '0 25 * * *'", /the hour is 0 to 23/],
  ];
  for (const [from, to, said] of wrong) {
    folder.write('wk.yaml', ROUTED.replace(from, to));
    const { code, out } = await call('check', `${folder.path}/wk.yaml`);
    assert.is(code, 78, to);
    assert.match(out, said);
  }
});

test('usage', async () => {
  for (const args of [
    [],
    ['chek'],
    ['check', 'a', 'b'],
    ['diff'],
    ['check', '-o', 'xml'],
    ['check', '--effective'],
    ['check', '--nonsense'],
  ]) {
    const { code, out, err } = await call(...args);
    assert.is(code, 64, args.join(' '));
    assert.is(out, '');
    assert.match(err, 'usage: watchkeeper config');
  }
  assert.match((await call('chek')).err, 'did you mean "check"?');
});

test.run();
