// The webhook channel at the real Alertmanager: what it takes, shows as firing, and shows as gone.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import webhook from '../../src/alerts/webhook.ts';
import type { AlertChannel } from '../../src/define.ts';
import { makeAlert } from '../support/alert.ts';
import { testChannel } from '../support/send-alert.ts';
import { answers, endTree, freePorts, newFolder, readLog, spawnTo, until } from '../support/server.ts';

const test = suite('webhook real');
let folder: string;
let pid = 0;
let base = '';

test.before(async () => {
  folder = newFolder('alertmanager');
  const [port = 0] = await freePorts(1);
  base = `http://127.0.0.1:${port}`;
  writeFileSync(join(folder, 'config.yml'), 'route: { receiver: none }\nreceivers: [{ name: none }]\n');
  const argv = [
    'prometheus-alertmanager',
    `--config.file=${folder}/config.yml`,
    `--storage.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ];
  pid = spawnTo(argv, join(folder, 'log'));
  await until(`an Alertmanager: ${readLog(join(folder, 'log'))()}`, () => answers(port), 20_000);
});
test.after(async () => {
  await endTree(pid);
  rmSync(folder, { recursive: true, force: true });
});

interface Shown {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
}
/** What is active there. */
const shown = async (): Promise<readonly Shown[]> =>
  (await (await fetch(`${base}/api/v2/alerts?active=true`)).json()) as readonly Shown[];
const channel = () =>
  testChannel(webhook as unknown as AlertChannel, { url: `${base}/api/v2/alerts`, format: 'alertmanager' });
const services = async (): Promise<readonly string[]> =>
  (await shown()).map(({ labels }) => labels['service'] ?? '').toSorted((a, b) => a.localeCompare(b));
const now = (): string => new Date().toISOString();

test('alarms fire and end, and a clear after a restart is understood', async () => {
  const hook = channel();
  const mta = { ...makeAlert({ summary: 'said <b> "x"\r\n\u202e grüße' }), time: now() };
  const imap = { ...makeAlert({ service: 'imap', key: 'imap/service-failing', severity: 'critical' }, 8), time: now() };
  assert.is(await hook.send(mta), 'sent');
  assert.is(await hook.send(imap), 'sent');
  await until('both fire', async () => (await shown()).length === 2);
  const [first] = (await shown()).filter(({ labels }) => labels['service'] === 'mta');
  assert.equal([first?.labels['alertname'], first?.labels['severity']], ['service-failing', 'major']);
  assert.is(first?.annotations['summary'], 'mta: said <b> "x"\\r\\n\\u{202e} grüße');
  const cleared = { ...makeAlert({ kind: 'clear', severity: 'cleared', at: 2000 }, 9), time: now() };
  assert.is(await hook.send(cleared), 'sent');
  await until('one is left', async () => (await services()).join() === 'imap');
  const other = { kind: 'clear', severity: 'cleared', service: 'imap', key: 'imap/service-failing' } as const;
  assert.is(await channel().send({ ...makeAlert(other, 10), time: now() }), 'sent');
  await until('none is left', async () => (await shown()).length === 0);
});

test('a single event is shown, and what cannot be taken is refused', async () => {
  const event = makeAlert({ event: 'recovery-started', kind: 'once', severity: 'warning' }, 11);
  assert.is(await channel().send({ ...event, time: now() }), 'sent');
  await until('it is shown', async () =>
    (await shown()).some(({ labels }) => labels['alertname'] === event.notice.event),
  );
  const wrong = testChannel(webhook as unknown as AlertChannel, { url: `${base}/api/v2/alerts`, format: 'json' });
  const result = await wrong.send(makeAlert({}, 12));
  assert.ok(typeof result === 'object' && 'drop' in result, JSON.stringify(result));
});

test.run();
