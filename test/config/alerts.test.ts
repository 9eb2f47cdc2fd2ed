// The channels of alerts in a file: what is wrong is said at its place, with the word that was meant.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { plugins } from '../../src/registry.ts';
import { type ConfigFolder, configFolder, good } from '../support/config-folder.ts';

const test = suite<{ folder: ConfigFolder }>('config alerts');
const all = await plugins();
test.before.each((context) => {
  context.folder = configFolder();
});
test.after.each(({ folder }) => folder.remove());

const services = 'services: { mta: { checks: [{ type: tcp, port: 25 }] } }\n';
const smtp = 'type: smtp, to: [ops@example.org], from: watchkeeper@n1.example.org';

/** The report on these channels, a line each. */
function report(folder: ConfigFolder, channels: string): string {
  folder.write('wk.yaml', `${services}alerts:\n  a: ${channels}\n`);
  return folder.report(folder.load('wk.yaml', { plugins: all }));
}

test('a way through a service that is not there is refused', ({ folder }) => {
  const bad = report(folder, `{ ${smtp}, via: [direct-to-mx, { url: "smtp://10.0.0.1", through: mtaa }] }`);
  assert.match(bad, 'a.via[1].through: there is no service "mtaa"; did you mean "mta"? [unknown-service]');
  assert.is(report(folder, `{ ${smtp}, via: [{ url: "smtp://10.0.0.1", through: mta }] }`), '');
});

test('a slip of the pen is named, and nothing that may be a secret is shown', ({ folder }) => {
  const table: [string, RegExp][] = [
    [`{ ${smtp}, via: [{ url: direct-to-mx, trough: mta }] }`, /unknown key "trough"; did you mean "through"\?/],
    [`{ ${smtp}, via: [direct-to-mix] }`, /expected smtp:\/\/HOST/],
    ['{ type: webhook, url: env:HOOK, format: slak }', /did you mean "slack"\?/],
    ['{ type: webhook, url: env:HOOK, token: s3cr3t }', /token: expected a reference to a secret/],
    ['{ type: webhook, url: "https://a:s3cr3t@b/" }', /expected http:\/\/… or https:\/\/… without a user name/],
    ['{ type: webhook, url: env:HOOK, format: custom, template: \'{"a": "{{sumary}}"}\' }', /mean \{\{summary\}\}\?/],
    ['{ type: ping, url: hc.example.org/s3cr3t }', /or a reference to a secret/],
  ];
  for (const [channel, text] of table) {
    const said = report(folder, channel);
    assert.match(said, text, channel);
    assert.not.match(said, 's3cr3t', channel);
    assert.match(said, /^wk\.yaml:\d+:\d+: error: alerts\.a/);
  }
});

test('a reference to a file stands where the file does', ({ folder }) => {
  folder.write('wk.yaml', `${services}alerts: { a: { type: ping, url: "file:./ping" } }\n`);
  const { config } = good(folder.load('wk.yaml', { plugins: all }));
  const [channel] = Object.values(config.alerts);
  assert.equal((channel?.options as { url?: string } | undefined)?.url, `file:${folder.path}/ping`);
});

test.run();
