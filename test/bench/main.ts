// `npm run bench`: how long services are away and what the watching costs, for Watchkeeper beside monit, systemd,
// keepalived and Pacemaker, all in the same run on nodes of the same make. Prints Markdown on stdout and what it does
// on stderr. Needs root (the lab). A round of failover takes about two minutes, and none begins after 25; one of
// directory takes 15 seconds on a quiet machine, and none begins after 10 minutes.
//   npm run bench -- [--runs N] [--only kill|hang|cost|alerts|failover|directory] [--with NAME,NAME]
import { parseArgs } from 'node:util';
import { cpus } from 'node:os';
import { Lab } from '../lab/lab.ts';
import { awaitServices, makeMailNode } from '../lab/mail-node.ts';
import { askJson } from '../lab/watchkeeper.ts';
import { alertFigures } from './alerts.ts';
import { costOf, startServices } from './cost.ts';
import { directoryFigures, type Figure } from './directory.ts';
import { failovers } from './failover.ts';
import { type Keeper, keepers } from './keepers.ts';
import { type Kept, measure, type Row, work } from './outages.ts';
import { markdown, median, quantile, range, ratio, shown } from './table.ts';

const OURS = 'Watchkeeper';
const LIMIT_S = { kill: 40, hang: 60 } as const;
const COST_S = 40;

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '10' }, only: { type: 'string' }, with: { type: 'string' } },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1 || runs > 1000) usage('--runs: a number from 1 to 1000');
if (values.only !== undefined && !['kill', 'hang', 'cost', 'alerts', 'failover', 'directory'].includes(values.only))
  usage('--only: kill, hang, cost, alerts, failover or directory');
const names = values.with?.split(',') ?? keepers.map((keeper) => keeper.name);
const chosen = keepers.filter((keeper) => names.includes(keeper.name));
if (chosen.length !== names.length) usage(`--with: ${keepers.map((keeper) => keeper.name).join(', ')}`);

function usage(text: string): never {
  process.stderr.write(`bench: ${text}\n`);
  process.exit(64);
}

const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

async function outages(how: 'kill' | 'hang'): Promise<void> {
  const lab = await Lab.up({ nodes: chosen.map((keeper) => keeper.name.toLowerCase().slice(0, 8)) });
  try {
    const kept: Kept[] = [];
    for (const [index, keeper] of chosen.entries()) {
      const mail = await makeMailNode([...lab.nodes.values()][index] ?? lab.node(''));
      await mail.node.boot();
      await awaitServices(mail.node);
      await keeper.keep(mail.node);
      kept.push({ keeper, mail });
    }
    const rows: Row[] = [];
    for (const job of work.filter((each) => each.how === how)) {
      say(`${job.about}: ${runs} runs of ${chosen.map((keeper) => keeper.name).join(', ')}`);
      rows.push(await measure(lab, kept, job, runs, LIMIT_S[how]));
    }
    print(rows);
  } finally {
    lab.close();
  }
}

function print(rows: readonly Row[]): void {
  const others = chosen.filter((keeper) => keeper.name !== OURS);
  const compared = others.length < chosen.length ? others : [];
  const head = ['median (max), s', ...chosen.map(({ name }) => name), ...compared.map(({ name }) => `${name} / ours`)];
  const cells = rows.map(({ about, seconds, limitS }) => [
    `${about}, n = ${runs}`,
    ...chosen.map(({ name }) => shown(seconds[name] ?? [], limitS)),
    ...compared.map(({ name }) => ratio(seconds[name] ?? [], seconds[OURS] ?? [])),
  ]);
  console.log(`\n${markdown(head, cells)}\n`);
}

interface Lags {
  readonly daemon: { readonly loopLagMs: { readonly p50: number; readonly p99: number; readonly max: number } };
}

/** All keepers that look at services, each on its own node, at the same time. */
async function costs(count: number, who: readonly Keeper[]): Promise<void> {
  const lab = await Lab.up({ nodes: who.map((keeper) => keeper.name.toLowerCase().slice(0, 8)) });
  try {
    say(`${count} services, a look a second: ${who.map((keeper) => keeper.name).join(', ')}`);
    const nodes = [...lab.nodes.values()];
    for (const node of nodes) {
      await node.boot();
      await startServices(node, count);
    }
    const found = await Promise.all(nodes.map((node, index) => costOf(node, who[index] as Keeper, count, COST_S)));
    const rows = await Promise.all(
      found.map(async (cost, index) => {
        const [keeper, node] = [who[index], nodes[index]];
        const lag = keeper?.name === OURS && node ? (await askJson<Lags>(node, ['status'])).daemon.loopLagMs : null;
        const shownLag = lag ? `${lag.p50.toFixed(1)} / ${lag.p99.toFixed(1)} / ${lag.max.toFixed(1)}` : '–';
        const { percent, rssMb, usPerLook } = cost;
        return [keeper?.name ?? '', percent.toFixed(2), rssMb.toFixed(0), usPerLook.toFixed(0), shownLag];
      }),
    );
    const head = [`${count} services`, '% of a core', 'RSS, MB', 'µs a look', 'loop lag p50 / p99 / max, ms'];
    console.log(`\n${markdown(head, rows)}\n`);
  } finally {
    lab.close();
  }
}

const model = cpus()[0]?.model ?? 'unknown processor';
console.log(`${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${model}), Node ${process.version}`);
if (values.only === undefined || values.only === 'kill') await outages('kill');
if (values.only === undefined || values.only === 'hang') await outages('hang');
if (values.only === undefined || values.only === 'cost') {
  const lookers = chosen.filter((keeper) => keeper.unit !== null);
  if (lookers.length > 0) await costs(20, lookers);
  const ours = chosen.filter((keeper) => keeper.name === OURS);
  if (ours.length > 0) await costs(1000, ours);
}
if (values.only === undefined || values.only === 'alerts') {
  say('from the event to the trap on the wire');
  const { ours, program, perSecond } = await alertFigures();
  const row = (name: string, ms: readonly number[]): readonly string[] => [
    `${name}, n = ${ms.length}`,
    median(ms).toFixed(2),
    quantile(ms, 0.99).toFixed(2),
    (median(ms) / median(ours)).toFixed(1),
  ];
  const head = ['from the event to the trap on the wire', 'median, ms', 'p99, ms', 'times ours'];
  const rows = [row('Watchkeeper (decided, on the disk, sent)', ours), row('the program snmptrap', program)];
  console.log(`\n${markdown(head, rows)}\n\n${perSecond.toFixed(0)} alerts a second go out of a full outbox\n`);
}
if (values.only === undefined || values.only === 'failover') await failovers(runs, say);
if (values.only === undefined || values.only === 'directory') {
  say('14,000 mailboxes of a directory change their node');
  const { transaction, flights, program } = await directoryFigures(Math.min(runs, 5));
  const times = (figures: readonly Figure[]): readonly number[] => figures.map(({ ms }) => ms);
  const row = (name: string, figures: readonly Figure[], own: boolean): readonly string[] => [
    name,
    range(times(figures), 300),
    (median(times(figures)) / median(times(program))).toFixed(2),
    (median(figures.map(({ serverMs }) => serverMs)) / 1000).toFixed(1),
    own ? (median(figures.map(({ ownMs }) => ownMs)) / 1000).toFixed(1) : '',
  ];
  const head = [
    '14,000 mailboxes re-homed in the directory',
    'median (min–max), s',
    'of ldapmodify',
    'CPU of slapd, s',
    'our CPU, s',
  ];
  const rows = [
    row('Watchkeeper, one transaction (RFC 5805)', transaction, true),
    row('Watchkeeper, in flights', flights, true),
    row('ldapmodify', program, false),
  ];
  console.log(`\n${markdown(head, rows)}\n`);
}
