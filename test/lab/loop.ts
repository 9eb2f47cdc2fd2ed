// The whole daemon on a real mail server: each fault gets its true cause, the right repair or none, and a true answer
// to "why?". Nobody else is restarted, and at the end mail flows. The faults come in two halves, in two test files:
// they take minutes, and two labs run side by side.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Fault, faults, healed } from '../faults/all.ts';
import { mastersBut, trial } from '../faults/trial.ts';
import { eventually } from './command.ts';
import { judge, WELL } from './judge.ts';
import { Lab } from './lab.ts';
import { loopConfig, writeSecret } from './loop-config.ts';
import { bootMail, makeMailNode, type MailNode } from './mail-node.ts';
import { Watch } from './watch.ts';
import { ask, startWatchkeeper } from './watchkeeper.ts';

let lab: Lab;
let mail: MailNode;
let watch: Watch;

/** What the daemon makes of one fault, from its beginning until all is well or left alone as it should. */
async function undergo(fault: Fault): Promise<void> {
  const { expects } = fault;
  const got = await trial({ lab, mail, watch }, fault);
  const said = (): string => `; it said:\n${watch.transcript()}`;
  if (expects.service !== null)
    assert.ok(
      got.namedS !== null,
      `${expects.causes.join('|')}, ${String(expects.words)} of ${expects.service}${said()}`,
    );
  assert.equal(got.wrong, [], `no other repairs${said()}`);
  assert.equal(got.touched, [], `nobody else is started anew${said()}`);
  assert.is(got.broken, null, `all is well in the end, or it is left alone${said()}`);
}

/** After a test that failed: everything by hand, and a daemon that remembers nothing, so that the next one is fair. */
async function startOver(fault: Fault): Promise<void> {
  const { node } = mail;
  await node.exec(['systemctl', 'stop', 'watchkeeper'], { timeoutMs: 30_000 });
  await healed({ ...fault, units: mail.units }, mail);
  await node.exec(['sh', '-c', 'rm -rf /var/lib/watchkeeper/*']);
  await node.exec(['systemctl', 'start', 'watchkeeper'], { timeoutMs: 30_000 });
  await watch.well(60_000);
}

/** The tests of every second fault, from the first (0) or the second (1) on. */
export function runLoop(from: 0 | 1): void {
  const test = suite(`loop ${from + 1}`);
  const half = faults.filter((_, index) => index % 2 === from);
  // A test and not a hook: of a hook that throws uvu says nothing.
  test('the daemon starts, and all is well', async () => {
    lab = await Lab.up({ nodes: ['mail'] });
    mail = await makeMailNode(lab.node('mail'), { full: true });
    await bootMail(mail);
    writeSecret(mail.node);
    await startWatchkeeper(mail.node, loopConfig(mail));
    watch = new Watch(mail.node);
    await watch.well(30_000);
  });
  test.after(() => lab.close());

  const words = (process.env['FAULT'] ?? '').split(',');
  for (const fault of half.filter((each) => words.some((word) => each.name.includes(word)))) {
    test(`${fault.name}: ${fault.about}`, async () => {
      try {
        await undergo(fault);
        if (fault.expects.curable) await fault.undo?.(mail);
        else await healed(fault, mail);
        assert.equal(await judge(lab, mail, 15_000), WELL);
        await watch.well(75_000);
      } catch (error) {
        await startOver(fault);
        throw error;
      }
    });
  }

  test('it stops as asked, and the services stay', async () => {
    const before = mastersBut(mail, null);
    await mail.node.exec(['systemctl', 'stop', 'watchkeeper'], { timeoutMs: 20_000 });
    assert.equal(mastersBut(mail, null), before);
    const ended = async (): Promise<boolean> => (await ask(mail.node, ['status'])).code === 69;
    await eventually('the end of the daemon', ended, 5000);
    assert.equal(await judge(lab, mail), WELL);
  });
  test.run();
}
