// Where nothing is to be repaired. Roundcube has no process, so its kit only watches it: broken in each of its own ways
// it gets its true cause with a word that helps, and it is well again when it is mended. getmail ends whenever its
// provider fails: the loop of its unit goes on, and nothing is restarted.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from './command.ts';
import { products } from './kit-products.ts';
import { Lab } from './lab.ts';
import type { LabNode } from './node.ts';
import { Watch } from './watch.ts';
import { ask, startWatchkeeper } from './watchkeeper.ts';
import { ACCOUNT, WEBMAIL_FAULTS, webmail } from './webmail.ts';

const test = suite('kits that only watch');
const KIT = 'roundcube';
const WELL_MS = 120_000;
const wanted = (kit: string): boolean => (process.env['KIT'] ?? '').split(',').some((word) => kit.includes(word));
let lab: Lab | null = null;
let node: LabNode;
let watch: Watch;

const config = `node: lab
tilt: { share: 1, least: 10000 }
services:
  ${KIT}:
    kit: ${KIT}
    set: { url: "http://127.0.0.1/", user: ${ACCOUNT.user}, password: "file:${ACCOUNT.file}" }
    quick: { every: 2s, timeout: 2s, fall: 2 }
    deep: { every: 6s, timeout: 5s }
alerts:
  log: { type: event-log }
`;
const UNITS = ['dovecot.service', 'php8.2-fpm.service', 'nginx.service'];

if (wanted(KIT)) {
  test(`${KIT}: init finds it, and it is well`, async () => {
    lab ??= await Lab.up({ nodes: ['web', 'fetch'] });
    node = lab.node('web');
    await webmail(node);
    await node.boot(60_000);
    for (const unit of [...UNITS, 'roundcube-gc.timer']) await node.exec(['systemctl', 'start', unit]);
    const shown = await ask(node, ['init'], 90_000);
    assert.match(shown.stdout, /^ {4}kit: roundcube$/m, `${shown.stdout}\n${shown.stderr}`);
    await startWatchkeeper(node, config);
    watch = new Watch(node);
    await watch.well(WELL_MS);
  });

  for (const { name, cause, says, broken, mended } of WEBMAIL_FAULTS)
    test(`${KIT}, ${name}: ${cause}`, async () => {
      await watch.well(WELL_MS);
      await watch.begin();
      await node.exec(broken);
      try {
        const told = async (): Promise<boolean> => {
          const [service] = (await watch.look()).services;
          return [service?.quick, service?.deep].some((one) => one?.cause === cause && says.test(one.detail));
        };
        await eventually('its cause', told, 60_000, 250).catch((error: Error) => {
          throw new Error(`${error.message}; it said:\n${watch.transcript()}`);
        });
      } finally {
        await node.exec(mended);
      }
      await watch.well(WELL_MS);
      const repaired = (await watch.said(KIT)).filter(({ text }) => text.includes('[repair]'));
      assert.equal(repaired, [], 'nothing is repaired');
    });
}

const fetching = `node: lab
tilt: { share: 1, least: 10000 }
services:
  getmail:
    kit: getmail
    set: { hops: ["127.0.0.1:143"] }
    quick: { every: 2s, timeout: 2s, fall: 2 }
    deep: { every: 6s, timeout: 5s }
alerts:
  log: { type: event-log }
`;

const isRefused = ({ stdout }: { stdout: string }): boolean => /Connection refused/.test(stdout);
if (wanted('getmail'))
  test('getmail, its provider is gone: that is told, and nothing is restarted', async () => {
    lab ??= await Lab.up({ nodes: ['web', 'fetch'] });
    const fetcher = lab.node('fetch');
    await products.find(({ kit }) => kit === 'getmail')?.prepare?.(fetcher);
    await fetcher.boot(60_000);
    for (const unit of ['dovecot.service', 'getmail.service']) await fetcher.exec(['systemctl', 'start', unit]);
    const shown = await ask(fetcher, ['init'], 90_000);
    assert.match(shown.stdout, /^ {4}kit: getmail$/m, `${shown.stdout}\n${shown.stderr}`);
    await startWatchkeeper(fetcher, fetching);
    const seen = new Watch(fetcher);
    await seen.well(WELL_MS);
    await seen.begin();
    await fetcher.exec(['systemctl', 'stop', 'dovecot.service']);
    const seenToFail = async (): Promise<boolean> => {
      const [told] = (await seen.look()).services;
      return told?.deep?.outcome === 'degraded' && told.deep.cause === 'dependency';
    };
    const failed = (): Promise<boolean> => fetcher.attempt(['journalctl', '-u', 'getmail']).then(isRefused);
    await eventually('that its provider is at fault', seenToFail, 60_000, 250).catch((error: Error) => {
      throw new Error(`${error.message}; it said:\n${seen.transcript()}`);
    });
    await eventually('getmail to notice', failed, 60_000, 500);
    await fetcher.exec(['systemctl', 'start', 'dovecot.service']);
    await seen.well(WELL_MS);
    const repaired = (await seen.said('getmail')).filter(({ text }) => text.includes('[repair]'));
    assert.equal(repaired, [], 'nothing is repaired');
  });
test.after(() => lab?.close());

test.run();
