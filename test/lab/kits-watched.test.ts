// Roundcube, which has no process: its kit only watches it. Well when well; broken in each of its own ways it gets its
// true cause with a word that helps, nothing is repaired, and it is well again when it is mended.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from './command.ts';
import { Lab } from './lab.ts';
import type { LabNode } from './node.ts';
import { Watch } from './watch.ts';
import { ask, startWatchkeeper } from './watchkeeper.ts';
import { ACCOUNT, WEBMAIL_FAULTS, webmail } from './webmail.ts';

const test = suite('kits that only watch');
const KIT = 'roundcube';
const WELL_MS = 120_000;
const wanted = (process.env['KIT'] ?? '').split(',').some((word) => KIT.includes(word));
let lab: Lab;
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

if (wanted) {
  test(`${KIT}: init finds it, and it is well`, async () => {
    lab = await Lab.up({ nodes: ['web'] });
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
test.after(() => lab?.close());

test.run();
