// What a file says of being polled by SNMP.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { diff } from '../../src/config/diff.ts';
import type { Config } from '../../src/config/types.ts';
import { DEFAULT_BASE } from '../../src/core/snmp.ts';
import { plugins } from '../../src/registry.ts';
import { type ConfigFolder, configFolder, good } from '../support/config-folder.ts';

const test = suite<{ folder: ConfigFolder }>('config agent');
const all = await plugins();
test.before.each((context) => {
  context.folder = configFolder();
});
test.after.each(({ folder }) => folder.remove());

const load = (folder: ConfigFolder, agent: string) => {
  folder.write('wk.yaml', `services: { mta: { checks: [{ type: tcp, port: 25 }] } }\n${agent}`);
  return folder.load('wk.yaml', { plugins: all });
};
const configOf = (folder: ConfigFolder, agent: string): Config => good(load(folder, agent)).config;

test('nobody polls unless it is said', ({ folder }) => {
  assert.is(configOf(folder, '').agent, undefined);
});

test('an empty map is enough', ({ folder }) => {
  const expected = { master: { path: '/var/agentx/master' }, base: DEFAULT_BASE, reconnectMs: 10_000 };
  assert.equal(configOf(folder, 'agent: {}\n').agent, expected);
});

test('a master over TCP, by name or address', ({ folder }) => {
  const of = (master: string) => configOf(folder, `agent: { master: "${master}" }\n`).agent?.master;
  assert.equal(of('tcp:localhost:705'), { host: 'localhost', port: 705 });
  assert.equal(of('tcp:[::1]:1705'), { host: '::1', port: 1705 });
});

test('what cannot be is refused', ({ folder }) => {
  const bad: readonly [string, RegExp][] = [
    ['master: agentx/master', /expected \/a\/socket or tcp:HOST:PORT/],
    ['master: "tcp:localhost"', /tcp:HOST:PORT/],
    ['master: "tcp:localhost:70000"', /tcp:HOST:PORT/],
    ['master: "udp:localhost:705"', /tcp:HOST:PORT/],
    ['base: 1.3.6.1.2.1.27', /below|such as 1\.3\.6\.1\.4\.1/],
    ['reconnect: 1ms', /expected 1s to 10m/],
    ['mastr: /x', /did you mean "master"/],
  ];
  for (const [text, said] of bad) assert.match(folder.report(load(folder, `agent: { ${text} }\n`)), said, text);
});

test('a change of it alone is a change', ({ folder }) => {
  const [without, withIt] = [configOf(folder, ''), configOf(folder, 'agent: {}\n')];
  assert.is(diff(without, withIt).none, false);
  assert.is(diff(withIt, withIt).none, true);
});

test.run();
