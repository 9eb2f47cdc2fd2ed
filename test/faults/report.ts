// The outcomes of the corpus as a table and as figures. Pure: the same rule counts for every fault.
import type { Fault } from './fault.ts';
import type { Outcome } from './trial.ts';

export interface Tried {
  readonly fault: Fault;
  readonly outcome: Outcome;
}

/** What the tools of the baseline reached on their 28 faults and 4 noises (one run each, 22 Nov 2026, two cores). */
const BASELINE = [
  ['monit 5.33 with actions', '71 %', '39 %', '7 of 11', '8', '1 of 4'],
  ['OCF agents as shipped', '32 %', '14 %', '4 of 11', '2', '0 of 4'],
  ['monitoring-plugins 2.3.3, look only', '93 %', '36 %', '–', '–', '1 of 4'],
  ['systemd state, look only', '21 %', '11 %', '–', '–', '0 of 4'],
  ['Uptime-Kuma-like, look only', '50 %', '14 %', '–', '–', '0 of 4'],
];

const isNoise = ({ fault }: Tried): boolean => fault.expects.service === null;
const curable = ({ fault }: Tried): boolean => fault.expects.curable && fault.expects.rungs.length > 0;
const harmed = ({ outcome }: Tried): boolean => outcome.wrong.length > 0 || outcome.touched.length > 0;

const share = (part: number, all: number): string => (all === 0 ? '–' : `${Math.round((100 * part) / all)} %`);
const seconds = (value: number | null): string => (value === null ? '**no**' : value.toFixed(1));

function done({ fault, outcome }: Tried): string {
  const rungs = outcome.repairs.map(({ service, rung }) => `${rung} of ${service}`);
  const text = rungs.length > 0 ? [...new Set(rungs)].join(', ') : 'nothing';
  const right = outcome.wrong.length + outcome.touched.length === 0;
  const end = outcome.broken === null ? '' : fault.expects.curable ? '; **not cured**' : '; **no last word**';
  return `${text}${right ? '' : ' **(harm)**'}${end}`;
}

function row(one: Tried): readonly string[] {
  const { fault, outcome } = one;
  const { service, rungs } = fault.expects;
  const kind = service === null ? 'noise' : rungs.length > 0 ? 'repair' : 'tell only';
  const name = service === null ? '–' : `${fault.expects.causes[0]} of ${service}`;
  const [found, named] = service === null ? ['–', '–'] : [seconds(outcome.foundS), seconds(outcome.namedS)];
  return [fault.name, fault.about, kind, name, found, named, done(one)];
}

type Table = (head: readonly string[], rows: readonly (readonly string[])[]) => string;

/** The whole page. */
export function report(tried: readonly Tried[], table: Table): string {
  const real = tried.filter((one) => !isNoise(one));
  const noise = tried.filter(isNoise);
  const found = real.filter(({ outcome }) => outcome.foundS !== null).length;
  const named = real.filter(({ outcome }) => outcome.namedS !== null).length;
  const mends = real.filter(curable);
  const mended = mends.filter(({ outcome }) => outcome.broken === null).length;
  const harms = tried.filter(harmed).length;
  const alarms = noise.filter(harmed).length;
  const ours = [
    `**Watchkeeper** (${real.length} faults, ${noise.length} noises)`,
    share(found, real.length),
    share(named, real.length),
    `${mended} of ${mends.length}`,
    String(harms),
    `${alarms} of ${noise.length}`,
  ];
  const head = ['tool', 'found', 'true cause named', 'curable ones repaired', 'harmful repairs', 'acted on noise'];
  return `# Faults, and what is made of them

Made by \`npm run faults -- --write\` (root; a node with real systemd, Postfix with LDAP recipients and a milter, Dovecot,
slapd, opendkim, bind and nginx; kits as shipped; QuickChecks every second, DeepChecks every six). Each fault is injected
into the running node; *found* is the first word that something is wrong, *named* the true cause of the right service in
words that fit no other fault of the corpus, both in seconds from the injection. A repair of another service, or one that
cannot cure, counts as harm. One run.

${table(head, [ours, ...BASELINE])}

The lower rows are of another run on a like machine, over 28 faults and 4 noises of which most are among these; they show
the order of size, not a race on the same day. What words name a cause was settled with the daemon's messages in view, and
the daemon was mended on these very faults: on others it will do worse.

${table(['fault', 'what it is', 'right answer', 'true cause', 'found, s', 'named, s', 'done'], tried.map(row))}
`;
}
