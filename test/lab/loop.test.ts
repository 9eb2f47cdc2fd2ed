// The whole daemon on a real mail server: each fault gets its true cause, the right repair or none, and a true answer
// to "why?". Nobody else is restarted, and at the end mail flows.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, poll } from './command.ts';
import { type Fault, faults, healed, UNIT_OF } from './faults.ts';
import { judge, WELL } from './judge.ts';
import { Lab } from './lab.ts';
import { loopConfig, writeSecret } from './loop-config.ts';
import { awaitServices, makeMailNode, type MailNode, masterOf, UNITS } from './mail-node.ts';
import { Watch } from './watch.ts';
import { ask, startWatchkeeper } from './watchkeeper.ts';

const test = suite('loop');
let lab: Lab;
let mail: MailNode;
let watch: Watch;

/** How long a fault may last until it is understood, and until it is cured: after an outage of Dovecot port 587 of
 *  Postfix hangs for up to a minute. */
const SEEN_MS = 25_000;
const CURED_MS = 75_000;
/** How long nothing may happen when nothing is to be done. */
const QUIET_MS = 4000;

// A test and not a hook: of a hook that throws uvu says nothing.
test('the daemon starts, and all is well', async () => {
  lab = await Lab.up({ nodes: ['mail'] });
  mail = await makeMailNode(lab.node('mail'));
  await mail.node.boot();
  await awaitServices(mail.node);
  writeSecret(mail.node);
  await startWatchkeeper(mail.node, loopConfig);
  watch = new Watch(mail.node);
  await watch.well(30_000);
});
test.after(() => lab.close());

/** The masters of all services but one: who has another pid or start time afterwards was restarted. */
function mastersBut(unit: string | null): Readonly<Record<string, string>> {
  const others = UNITS.filter((each) => each !== unit);
  return Object.fromEntries(
    others.map((each) => {
      const master = masterOf(mail.node, each);
      return [each, master ? `${master.pid} since ${master.startTicks}` : 'gone'];
    }),
  );
}

async function understood({ expects }: Fault): Promise<void> {
  const { service, causes, words } = expects;
  if (!service) return;
  const seen = await poll(
    async () => {
      await watch.look();
      return (await watch.said(service)).some((said) => causes.includes(said.cause as never) && words.test(said.text));
    },
    SEEN_MS,
    300,
  );
  assert.ok(seen, `${causes.join('|')} and ${String(words)} of ${service}; it said:\n${watch.transcript()}`);
}

async function repairs({ expects }: Fault): Promise<void> {
  const done = await watch.repairs();
  for (const { service, rung, text } of done) {
    const right = service === expects.service && expects.rungs.some((each) => each === rung);
    assert.ok(right, `${rung} of ${service} is wrong: ${text}\n${watch.transcript()}`);
  }
}

/** How often systemd started a unit since a moment of the wall clock. */
async function starts(unit: string, since: number): Promise<number> {
  const argv = ['journalctl', '-q', '-o', 'cat', '-u', unit, `--since=@${(since / 1000).toFixed(3)}`];
  return (await mail.node.exec(argv)).split('\n').filter((line) => line.startsWith('Started ')).length;
}

async function onlyByHand({ expects }: Fault, since: number): Promise<void> {
  for (const [unit, wanted] of Object.entries(expects.starts ?? {})) {
    assert.is(await starts(unit, since), wanted, `starts of ${unit}; it said:\n${watch.transcript()}`);
  }
}

/** What the daemon makes of one fault, from its beginning until all is well or left alone as it should. */
async function undergo(fault: Fault): Promise<void> {
  const { expects } = fault;
  const unit = expects.service === null ? null : UNIT_OF[expects.service];
  const before = mastersBut(unit);
  const since = Date.now();
  await fault.inject(mail);
  await understood(fault);
  if (expects.service === null) await watch.quiet(QUIET_MS);
  else if (expects.curable) await watch.well(CURED_MS);
  else await watch.settled(expects.service, CURED_MS);
  await repairs(fault);
  if (expects.service === null) await onlyByHand(fault, since);
  else assert.equal(mastersBut(unit), before, 'nobody else was restarted');
  if (expects.curable) assert.equal(await judge(lab, mail), WELL);
}

/** After a test that failed: everything by hand, and a daemon that remembers nothing, so that the next one is fair. */
async function startOver(fault: Fault): Promise<void> {
  const { node } = mail;
  await node.exec(['systemctl', 'stop', 'watchkeeper'], { timeoutMs: 30_000 });
  await healed({ ...fault, units: UNITS }, mail);
  await node.exec(['sh', '-c', 'rm -rf /var/lib/watchkeeper/*']);
  await node.exec(['systemctl', 'start', 'watchkeeper'], { timeoutMs: 30_000 });
  await watch.well(60_000);
}

for (const fault of faults.filter((each) => each.name.includes(process.env['FAULT'] ?? ''))) {
  test(`${fault.name}: ${fault.about}`, async () => {
    try {
      await watch.begin();
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
  const before = mastersBut(null);
  await mail.node.exec(['systemctl', 'stop', 'watchkeeper'], { timeoutMs: 20_000 });
  assert.equal(mastersBut(null), before);
  const ended = async (): Promise<boolean> => (await ask(mail.node, ['status'])).code === 69;
  await eventually('the end of the daemon', ended, 5000);
  assert.equal(await judge(lab, mail), WELL);
});

test.run();
