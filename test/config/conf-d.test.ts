// Several files as one configuration.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ConfigFolder, configFolder, good } from '../support/config-folder.ts';
import { golden } from '../support/golden.ts';

const test = suite<{ folder: ConfigFolder }>('config conf.d');
test.before.each((context) => {
  context.folder = configFolder();
});
test.after.each(({ folder }) => folder.remove());

test('maps merge, lists append, names of files give the order', ({ folder }) => {
  folder.write('wk.yaml', 'node: n7\nservices:\n  a: { checks: [{ type: tcp, port: 1 }], quick: { fall: 3 } }\n');
  folder.write('conf.d/20-b.yaml', 'services: { a: { checks: [{ type: tcp, port: 3 }], quick: { rise: 2 } } }\n');
  folder.write(
    'conf.d/10-a.yaml',
    'services: { a: { checks: [{ type: tcp, port: 2 }] }, b: { depends: [a], checks: [{ type: tcp, port: 9 }] } }\n',
  );
  folder.write('conf.d/alerts.yaml', 'alerts: { log: { type: log } }\n');
  const { config, warnings } = good(folder.load());
  assert.equal(warnings, []);
  const ports = config.services['a']?.checks.map((check) => (check.options as { port: number }).port);
  assert.equal(ports, [1, 2, 3]);
  assert.equal([config.services['a']?.policy.fall, config.services['a']?.policy.rise], [3, 2]);
  assert.equal(Object.keys(config.services), ['a', 'b']);
  assert.equal(
    config.files.map((file) => file.path.replace(folder.path, '')),
    ['/wk.yaml', '/conf.d/10-a.yaml', '/conf.d/20-b.yaml', '/conf.d/alerts.yaml'],
  );
});

test('a main file with keys but no services yet is filled by the others', ({ folder }) => {
  folder.write('wk.yaml', 'services:\n');
  folder.write('conf.d/a.yaml', 'services: { a: { checks: [{ type: tcp, port: 1 }] } }\n');
  assert.equal(Object.keys(good(folder.load()).config.services), ['a']);
});

test('what is set twice, and problems of each file at their places', ({ folder }) => {
  folder.write('wk.yaml', 'node: a\nservices:\n  a: { checks: [{ type: tcp, port: 1 }], quick: { fall: 3 } }\n');
  folder.write('conf.d/1.yaml', 'node: a\nservices: { a: { quick: { fall: 4 }, checks: { type: tcp } } }\n');
  folder.write('conf.d/2.yaml', 'services: { b: { checks: [{ type: tcp, prot: 1 }], depends: [c] } }\n');
  folder.write('conf.d/3.yml', 'nonsense\n');
  golden('config/conf-d.txt', folder.report(folder.load()));
});

test('one file that cannot be read refuses the whole, and every such file is named', ({ folder }) => {
  folder.write('wk.yaml', 'services: { a: { depends: [b], checks: [{ type: tcp, port: 1 }] } }\n');
  folder.write('conf.d/b.yaml', 'services: { b: [\n');
  folder.write('conf.d/c.yaml', '');
  const report = folder.report(folder.load());
  assert.match(report, 'conf.d/b.yaml:1:16: error: this bracket is not closed [syntax]');
  assert.match(report, 'conf.d/c.yaml:1:1: error: the file is empty [empty]');
  assert.not.match(report, 'unknown-service', 'what stands in the unread file is not missed');
});

test.run();
