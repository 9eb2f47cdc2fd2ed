// `npm run faults`: every fault of the corpus against the daemon with its kits as shipped, on a real node, and the
// table of it beside what other tools found on the faults that both met. Prints Markdown on stdout and what it does on
// stderr; `--write` puts it into docs/faults.md. Needs root (the lab).
//   npm run faults -- [--only WORD,WORD] [--write]
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { markdown } from '../bench/table.ts';
import { judge, WELL } from '../lab/judge.ts';
import { Lab } from '../lab/lab.ts';
import { loopConfig, writeSecret } from '../lab/loop-config.ts';
import { bootMail, makeMailNode } from '../lab/mail-node.ts';
import { repository } from '../lab/repository.ts';
import { Watch } from '../lab/watch.ts';
import { startWatchkeeper } from '../lab/watchkeeper.ts';
import { type Fault, faults, healed } from './all.ts';
import { report, type Tried } from './report.ts';
import { type Place, trial } from './trial.ts';

const { values } = parseArgs({ options: { only: { type: 'string' }, write: { type: 'boolean', default: false } } });
const words = (values.only ?? '').split(',');
const chosen = faults.filter((fault) => words.some((word) => fault.name.includes(word)));
const say = (text: string): void => void process.stderr.write(`faults: ${text}\n`);

async function open(): Promise<Place> {
  const lab = await Lab.up({ nodes: ['mail'] });
  try {
    const mail = await makeMailNode(lab.node('mail'), { full: true });
    await bootMail(mail);
    writeSecret(mail.node);
    await startWatchkeeper(mail.node, loopConfig(mail));
    const watch = new Watch(mail.node);
    await watch.well(60_000);
    return { lab, mail, watch };
  } catch (error) {
    lab.close();
    throw error;
  }
}

/** Everything by hand, and a daemon that remembers nothing: the next fault meets a fair start. */
async function startOver({ mail, watch }: Place, fault: Fault): Promise<void> {
  const { node } = mail;
  await node.exec(['systemctl', 'stop', 'watchkeeper'], { timeoutMs: 30_000 });
  await healed({ ...fault, units: mail.units }, mail);
  await node.exec(['sh', '-c', 'rm -rf /var/lib/watchkeeper/*']);
  await node.exec(['systemctl', 'start', 'watchkeeper'], { timeoutMs: 30_000 });
  await watch.well(75_000);
}

const place = await open();
const tried: Tried[] = [];
try {
  for (const fault of chosen) {
    const outcome = await trial(place, fault);
    tried.push({ fault, outcome });
    const seconds = (value: number | null): string => (value === null ? 'never' : `${value.toFixed(1)} s`);
    say(
      `${fault.name}: found ${seconds(outcome.foundS)}, named ${seconds(outcome.namedS)}, ${outcome.broken ?? 'well'}`,
    );
    await startOver(place, fault);
    if (JSON.stringify(await judge(place.lab, place.mail, 15_000)) !== JSON.stringify(WELL))
      throw new Error(`${fault.name} could not be undone`);
  }
} finally {
  place.lab.close();
}
const text = report(tried, markdown);
process.stdout.write(text);
if (values.write) writeFileSync(join(repository, 'docs/faults.md'), text);
