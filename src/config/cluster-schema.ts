// The shape of what is said about the cluster and its groups. Part of schema.ts. The options of a coordinator stand
// beside the keys of the cluster, those of a step or a source below its type: their plugins judge them.
import { opt, z } from '../define.ts';
import { name, span, spanOrNever, whole } from './schema-types.ts';
import { calendarEntry, windowKeys } from './telling-schema.ts';
import { NODES_MAX } from './timing.ts';

const address = (about: string) =>
  z
    .string()
    .max(253)
    .regex(/^[0-9A-Za-z:][0-9A-Za-z.:%_-]*$/, 'expected an address such as 10.0.0.1 or 2001:db8::1')
    .describe(about);

/** What a person names in the options of steps as `$to.host`. */
const words = z
  .record(
    z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'expected a word of letters, digits, _ and -'),
    opt.text('What it stands for'),
  )
  .describe('Words of this node: `$to.host` in the options of a step is the word `host` of the node that comes');

const node = z
  .strictObject({
    paths: z
      .array(address('An address of this node'))
      .min(1)
      .max(8)
      .describe('Addresses of its comm paths, the first one preferred; two networks are better than one'),
    site: opt.text('Where it stands: all nodes of one site may be gone at once').optional(),
    capacity: whole('How much it can carry: the weights of its groups together', 1, 1_000_000).optional(),
    words: words.default({}),
  })
  .describe('One node');

const pem = (about: string) => opt.path(about).optional();
const tlsKeys = {
  certificate: pem('Its certificate, PEM'),
  key: pem('The key of the certificate, PEM'),
  authority: pem('Who signs the certificates of all nodes, PEM'),
} as const;

const peers = z
  .strictObject({
    port: opt.port('Where daemons hear each other, on each of the paths').default(9468),
    every: span('How often each path is tried', '100ms', '1m').prefault('1s'),
    timeout: span('How long an answer may take', '50ms', '1m').prefault('1s'),
    ...tlsKeys,
  })
  .describe('Between daemons; without certificate, key and authority the paths are not watched');

export const member = z
  .strictObject({
    'data-dir': opt.path('Where it keeps its data; default: etcd in the state-dir').optional(),
    'client-port': opt.port('Where daemons ask it').default(2379),
    'peer-port': opt.port('Where members hear each other').default(2380),
    heartbeat: span('How often its leader shows a sign of life', '10ms', '10s').prefault('100ms'),
    election: span('How long members wait for one before they elect another', '100ms', '50s').prefault('1s'),
    members: z
      .record(name('The name of a member'), address('Its address'))
      .describe('Members that are no node of the cluster, such as a witness')
      .default({}),
    ...tlsKeys,
  })
  .describe('The member of etcd that the daemon of each node runs; certificates default to those of the peers');

/** What the cluster says beside the options of its coordinator. */
export const clusterKeys = {
  name: name('Names the cluster; the same on all nodes').default('watchkeeper'),
  engine: opt.text('Where nodes agree: a file name in src/cluster; default: standalone').optional(),
  silence: span('A node that is silent for so long may be replaced', '500ms', '10m').prefault('3s'),
  renew: span('How often the active node renews its right; default: silence / 15', '20ms', '1m').optional(),
  margin: span('It gives up so long before the silence is over; default: silence / 10', '20ms', '1m').optional(),
  failsafe: span(
    'Without an answer for so long it asks the other nodes for their promise; default: silence / 3',
    '50ms',
    '5m',
  ).optional(),
  nodes: z.record(name('The name of a node'), node).describe(`All nodes, at most ${NODES_MAX}`).default({}),
  peers: peers.prefault({}),
  'run-etcd': z
    .union([z.boolean(), member])
    .describe('Each node runs a member of etcd by itself: true, or how')
    .default(false),
} as const;

/** Loose: what it does not know, the coordinator judges. */
export const cluster = z
  .looseObject(clusterKeys)
  .describe('The nodes that watch over each other, and where they agree');

// ------------------------------------------------------------------------------------------------------------- groups

const mode = z.enum(['automatic', 'confirm', 'manual']);
export const failoverWay = z.strictObject({
  mode: mode.describe('By itself, after asking a person, or never').default('automatic'),
  after: span('Beyond the silence: so long a node must have been gone', '0ms', '1d').prefault('0s'),
  confirm: span('How long a person has to answer', '1s', '7d').prefault('5m'),
  otherwise: z.enum(['move', 'stay']).describe('What is done when nobody answered').default('stay'),
});

const failover = z
  .union([
    mode.transform((one) => ({ mode: one, after: 0, confirm: 300_000, otherwise: 'stay' as const })),
    failoverWay,
  ])
  .describe('What happens when its node falls silent: automatic, confirm, manual, or how');

const hours = z
  .union([name('The name of quiet hours'), z.strictObject(windowKeys).describe('Hours of the calendar')])
  .describe('Only in these hours: the name of quiet hours, or at, for and zone');

const back = z.enum(['manual', 'automatic']);
export const switchbackWay = z.strictObject({
  mode: back.describe('By a person, or by itself').default('automatic'),
  dwell: span('So long the wanted node must have been well', '0ms', '7d').prefault('30m'),
  hours: hours.optional(),
});

const switchback = z
  .union([back.transform((one) => ({ mode: one, dwell: 1_800_000, hours: undefined })), switchbackWay])
  .describe('When it goes back to the node that is wanted most: manual, automatic, or how');

const gate = z
  .union([
    z.enum(['none', 'lossless', 'good', 'best']),
    z.strictObject({ rpo: span('At most so far behind', '0ms', '7d') }),
  ])
  .describe(
    'How much of the newest data may be lost: none is asked, lossless, good (within 6 units), best (within 12), or ' +
      '{ rpo: 30s }; default: good where replication is watched',
  );

/** What a step of the list says beside its type. */
export const stepKeys = {
  name: name('Unique in the group; default: its type').optional(),
  timeout: span('How long it may take; default: as suits the step', '100ms', '1d').optional(),
  tries: whole('Tries before it counts as failed', 1, 100).default(3),
} as const;

/** What a source of the list says beside its type. */
export const sourceKeys = {
  name: name('Unique in the group; default: its type').optional(),
  every: span('How often it is asked', '1s', '1h').prefault('10s'),
  timeout: span('How long an answer may take', '100ms', '1h').prefault('8s'),
  warn: whole('So many units that wait are told of', 1, 1_000_000_000).default(3),
  fail: whole('And so many are a failure', 1, 1_000_000_000).default(6),
  prove: spanOrNever('How often the active node proves by a write that it works', '10s', '7d').prefault('5m'),
} as const;

export const step = z
  .looseObject(stepKeys)
  .describe('One step: its type (a file name in src/switchover) with its options below');
export const source = z
  .looseObject(sourceKeys)
  .describe('One source: its type (a file name in src/replication) with its options below');

export const group = z
  .strictObject({
    services: z
      .array(z.string())
      .max(1000)
      .describe('What runs where the group is active; a service is in one group at most')
      .default([]),
    standby: z
      .enum(['stopped', 'running'])
      .describe('Its services on the nodes that are not active')
      .default('stopped'),
    nodes: z.array(z.string()).min(1).max(NODES_MAX).describe('Who may have it, the most wanted first'),
    weight: whole('How much of the capacity of a node it takes', 0, 1_000_000).default(1),
    failover: failover.prefault('automatic'),
    switchback: switchback.prefault('manual'),
    block: span('After a failover no other one by itself for so long', '0ms', '7d').prefault('1h'),
    gate: gate.optional(),
    objectives: z
      .strictObject({
        rto: span('A failover should not take longer', '1s', '7d').optional(),
        rpo: span('And not lose more than so much time', '0ms', '7d').optional(),
      })
      .describe('What is measured against, and reported')
      .prefault({}),
    replication: z.array(source).max(20).describe('How its data gets to the other nodes').default([]),
    steps: z.array(step).max(50).describe('What moves with it, in the order of coming').default([]),
    drill: z
      .strictObject({ at: calendarEntry('When: crontab(5), with optional seconds in front') })
      .describe('A move for practice, by the calendar')
      .optional(),
    facts: span('What another node said of itself counts for so long', '1s', '1h').prefault('15s'),
  })
  .describe('What moves from node to node as one');

export const clusterRoot = {
  cluster: cluster.optional(),
  groups: z.record(name('The name of a group'), group).describe('What moves between nodes').default({}),
} as const;

export type ClusterInput = z.output<typeof cluster>;
export type GroupInput = z.output<typeof group>;
export type MemberInput = z.output<typeof member>;
