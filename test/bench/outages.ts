// The first three rows of the comparison: a service killed, or hung as a whole, under each keeper on nodes of the same
// make. The faults go round: a run of one keeper, then of the next, so that a noisy minute hits all of them.
import { sleep } from '../lab/command.ts';
import { healed } from '../faults/all.ts';
import type { Fault } from '../faults/fault.ts';
import type { Lab } from '../lab/lab.ts';
import { awaitServices, type MailNode, masterOf, membersOf, type Unit } from '../lab/mail-node.ts';
import { signal } from '../lab/processes.ts';
import type { Keeper } from './keepers.ts';
import { Client } from './outage.ts';

export interface Kept {
  readonly keeper: Keeper;
  readonly mail: MailNode;
}

export interface Row {
  readonly about: string;
  readonly limitS: number;
  /** Seconds of each run, by the keeper's name; null: not within the limit. */
  readonly seconds: Readonly<Record<string, (number | null)[]>>;
}

interface Work {
  readonly about: string;
  readonly unit: Unit;
  readonly port: number;
  readonly greeting: string;
  readonly how: 'kill' | 'hang';
}

const DOVECOT = { unit: 'dovecot', port: 143, greeting: '* OK' } as const;
const POSTFIX = { unit: 'postfix@-', port: 25, greeting: '220' } as const;

export const work: readonly Work[] = [
  { about: 'Dovecot killed -9 → greeting again', ...DOVECOT, how: 'kill' },
  { about: 'Postfix killed -9 → greeting again', ...POSTFIX, how: 'kill' },
  { about: 'Dovecot hung as a whole → greeting again', ...DOVECOT, how: 'hang' },
  { about: 'Postfix hung as a whole → greeting again', ...POSTFIX, how: 'hang' },
];

function strike(mail: MailNode, { unit, how }: Work): () => void {
  // Found before the clock starts, so that only the signal itself lies within the measured time.
  const members = membersOf(mail.node, unit);
  const master = masterOf(mail.node, unit);
  if (!master) throw new Error(`${unit} does not run on ${mail.node.name}`);
  return how === 'kill' ? () => process.kill(master.pid, 'SIGKILL') : () => signal(members, 'SIGSTOP');
}

/** Puts everything right by hand after a run that nobody healed. */
async function putRight(mail: MailNode, unit: Unit): Promise<void> {
  const nothing = { name: '', units: [unit] } as unknown as Fault;
  await healed(nothing, mail);
  await awaitServices(mail.node);
}

export async function measure(lab: Lab, kept: readonly Kept[], job: Work, runs: number, limitS: number): Promise<Row> {
  const seconds: Record<string, (number | null)[]> = {};
  for (const { keeper } of kept) seconds[keeper.name] = [];
  for (let run = 0; run < runs; run += 1) {
    for (const { keeper, mail } of kept) {
      const own = seconds[keeper.name] ?? [];
      // Who never healed it once is not waited for again: it has no eye for this fault.
      if (own.length > 0 && own.every((each) => each === null)) continue;
      own.push(await oneRun(lab, mail, job, limitS));
    }
  }
  return { about: job.about, limitS, seconds };
}

async function oneRun(lab: Lab, mail: MailNode, job: Work, limitS: number): Promise<number | null> {
  const client = new Client(lab, mail.node, job.port, job.greeting);
  try {
    // A random moment within the second of the checks.
    if (!(await client.calm(1200, 30_000))) throw new Error(`${job.unit} on ${mail.node.name} is not calm`);
    await sleep(Math.random() * 1000);
    const took = await client.outage(strike(mail, job), limitS * 1000);
    if (took === null) await putRight(mail, job.unit);
    return took;
  } finally {
    client.close();
  }
}
