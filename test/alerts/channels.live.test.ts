// The daemon as it runs, with these channels at once: an outage is told by mail, by webhook and in order, although the
// receiver of the webhooks is not well for a while.
import { rmSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allWell, freePorts, type LiveDaemon, liveDaemon, served, until, whole } from '../support/live-daemon.ts';
import { at, FROM, OPS, readMail, receiver, stopReceivers } from '../support/mail-channel.ts';
import type { Receiver } from '../support/mail-receiver.ts';
import { status, type WebReceiver, webReceiver } from '../support/web-receiver.ts';

const test = suite('channels live');
let daemon: LiveDaemon;
let relay: Receiver;
let hook: WebReceiver;
let ill = 2;

interface Told {
  readonly alert: number;
  readonly event: string;
  readonly kind: string;
  readonly key: string;
}
/** What the receiver took. */
const taken: Told[] = [];

test.before(async () => {
  relay = await receiver();
  hook = await webReceiver((asked, response) => {
    if (ill > 0) {
      ill -= 1;
      return status(503)(asked, response);
    }
    taken.push(JSON.parse(asked.body) as Told);
    status(200)(asked, response);
  });
  daemon = liveDaemon('channels');
  const [port = 0] = await freePorts(1);
  daemon.write(
    whole(
      daemon,
      { mta: served(daemon, 'mta', port) },
      {
        alerts: {
          mail: { type: 'smtp', to: [OPS], from: FROM, via: [at(relay)] },
          hook: { type: 'webhook', url: `${hook.url}/x`, sign: `file:${daemon.at('key')}` },
        },
      },
    ),
  );
  writeFileSync(daemon.at('key'), 'key\n', { mode: 0o600 });
  await daemon.up();
  await allWell(daemon, ['mta']);
});
test.after(async () => {
  await daemon.end();
  await stopReceivers();
  await hook.stop();
});

test('an outage and its end are told by both', async () => {
  writeFileSync(daemon.at('mta.broken'), '');
  process.kill(daemon.pidOf('mta'), 'SIGKILL');
  const failing = ({ event, kind }: Told, wanted: string): boolean => event === 'service-failing' && kind === wanted;
  await until('a raise by webhook', () => taken.some((one) => failing(one, 'raise')), 40_000);
  rmSync(daemon.at('mta.broken'));
  await until('a clear by webhook', () => taken.some((one) => failing(one, 'clear')), 60_000);
  const ids = taken.map(({ alert }) => alert);
  assert.equal(
    ids,
    [...new Set(ids)].sort((a, b) => a - b),
  );
  await until('the same by mail', () => relay.mails.some(({ raw }) => /^Subject: .*cleared/m.test(raw)), 40_000);
  const mails = await Promise.all(relay.mails.map((_, index) => readMail(relay, index)));
  const [raise] = mails.filter(({ subject }) => /MAJOR mta: /.test(subject ?? ''));
  const [clear] = mails.filter(({ subject }) => /cleared mta: /.test(subject ?? ''));
  assert.ok(raise?.references);
  assert.is(clear?.references, raise?.references);
  assert.match(clear?.text ?? '', /^What happened/m);
  for (const { headers } of hook.asked)
    assert.match(String(headers['x-watchkeeper-signature']), /^sha256=[0-9a-f]{64}$/);
});

test.run();
