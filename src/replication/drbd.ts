// DRBD: what the kernel says of one resource, by drbdsetup(8) of DRBD 9 as JSON, or by /proc/drbd of 8.4. The copy is
// as good as the other side's disk while both are connected and both disks are up to date; else what lacks is counted
// in mebibytes that are out of sync. Promoting is a step's (`ocf` with the drbd agent), never this file's.
import { type ActionResult, defineReplication, type ReplicationContext, type ReplicationFacts, z } from '../define.ts';
import { facts } from '../dialogues/copy-facts.ts';
import { plain } from '../dialogues/quote.ts';
import { bad } from '../host/launch.ts';
import { troubleLine } from '../host/text.ts';

const options = z.strictObject({
  resource: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'expected the name of a resource')
    .describe('The name of the resource'),
  minors: z
    .array(z.number().int().min(0).max(1_048_575))
    .max(32)
    .describe('Its minor numbers; only for 8.4')
    .default([]),
});
type Context = ReplicationContext<z.output<typeof options>>;

/** What both versions say, reduced to what is asked here. */
interface Volume {
  readonly connection: string;
  readonly replication: string;
  readonly disk: string;
  readonly peerDisk: string;
  readonly suspended: boolean;
  readonly outOfSyncKib: number;
}

const word = z.string().max(60);
const answer = z
  .array(
    z.object({
      name: word,
      suspended: z.boolean().optional(),
      devices: z.array(z.object({ volume: z.number(), 'disk-state': word })).max(64),
      connections: z
        .array(
          z.object({
            'connection-state': word,
            peer_devices: z
              .array(
                z.object({
                  volume: z.number(),
                  'replication-state': word,
                  'peer-disk-state': word,
                  'resync-suspended': word.optional(),
                  'out-of-sync': z.number().nonnegative(),
                }),
              )
              .max(64),
          }),
        )
        .max(32),
    }),
  )
  .max(256);

/** `drbdsetup status RESOURCE --json` (DRBD 9). A text: it cannot be read. */
export function fromJson(text: string, resource: string): readonly Volume[] | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'drbdsetup prints no JSON';
  }
  const read = answer.safeParse(json);
  if (!read.success) return 'drbdsetup says something else than expected';
  const found = read.data.find(({ name }) => name === resource);
  if (!found) return `drbdsetup knows no ${resource}`;
  const diskOf = (volume: number): string =>
    found.devices.find((one) => one.volume === volume)?.['disk-state'] ?? 'Unknown';
  return found.connections.flatMap((connection) =>
    connection.peer_devices.length > 0
      ? connection.peer_devices.map((one) => ({
          connection: connection['connection-state'],
          replication: one['replication-state'],
          disk: diskOf(one.volume),
          peerDisk: one['peer-disk-state'],
          suspended: found.suspended === true || (one['resync-suspended'] ?? 'no') !== 'no',
          outOfSyncKib: one['out-of-sync'],
        }))
      : [
          {
            ...{
              connection: connection['connection-state'],
              replication: 'Off',
              disk: diskOf(0),
              peerDisk: 'DUnknown',
            },
            ...{ suspended: false, outOfSyncKib: 0 },
          },
        ],
  );
}

const LINE = /^\s*(\d+): cs:(\w+) ro:\S+ ds:(\w+)\/(\w+)\s/;

/** /proc/drbd of 8.4: two lines a minor. */
export function fromProc(text: string, minors: readonly number[]): readonly Volume[] {
  const lines = text.split('\n');
  return lines.flatMap((line, index) => {
    const found = LINE.exec(line);
    if (!found || !minors.includes(Number(found[1]))) return [];
    const [, , state = '', disk = '', peerDisk = ''] = found;
    const together = /^(Connected|Sync|Paused|WFBitMap|Verify)/.test(state);
    return [
      {
        ...{ connection: together ? 'Connected' : state, replication: state === 'Connected' ? 'Established' : state },
        ...{ disk, peerDisk, suspended: state.startsWith('Paused') },
        outOfSyncKib: Number(/ oos:(\d+)/.exec(lines[index + 1] ?? '')?.[1] ?? 0),
      },
    ];
  });
}

const ORDER: readonly ReplicationFacts['state'][] = ['healthy', 'synchronizing', 'suspended', 'initializing', 'failed'];

function judge({ connection, replication, disk, peerDisk, suspended, outOfSyncKib }: Volume): ReplicationFacts {
  const shown = plain(`${connection}, ${replication}, ${disk}/${peerDisk}`, 120);
  const units = Math.ceil(outOfSyncKib / 1024);
  if (connection !== 'Connected')
    // Nobody knows what the other side has written since.
    return facts('failed', connection === 'StandAlone' ? `${shown}: apart, perhaps for good (split brain)` : shown);
  if (disk === 'Diskless' || disk === 'Failed' || peerDisk === 'Diskless' || peerDisk === 'Failed')
    return facts('failed', shown);
  if (suspended) return facts('suspended', shown, units);
  if (/^Sync|^WFBitMap|^Ahead|^Behind|^Verify/.test(replication)) {
    const first = disk === 'Inconsistent' && units > 0;
    return facts(first ? 'initializing' : 'synchronizing', shown, units);
  }
  if (replication === 'Established' && disk === 'UpToDate' && peerDisk === 'UpToDate')
    return units === 0 ? facts('healthy', shown, 0, 0) : facts('synchronizing', shown, units);
  return facts('failed', shown, units);
}

async function volumes({
  options: { resource, minors },
  ports,
  signal,
}: Context): Promise<readonly Volume[] | ReplicationFacts> {
  if (minors.length > 0) {
    const text = ports.files.readText('/proc/drbd', 262_144);
    return text === null ? facts('service-down', 'there is no /proc/drbd') : fromProc(text, minors);
  }
  const got = await ports.exec.run(['drbdsetup', 'status', resource, '--statistics', '--json'], {
    timeoutMs: 10_000,
    signal,
  });
  if (got.code !== 0) {
    const said = troubleLine(got.stderr);
    return facts(
      'service-down',
      `drbdsetup: ${got.failed ?? `exit code ${got.code ?? 'none'}`}${said ? `: "${said}"` : ''}`,
    );
  }
  const read = fromJson(got.stdout, resource);
  return typeof read === 'string' ? facts('failed', read) : read;
}

async function look(context: Context): Promise<ReplicationFacts> {
  const found = await volumes(context);
  if (!Array.isArray(found)) return found as ReplicationFacts;
  const all = (found as readonly Volume[]).map(judge);
  const [first] = all;
  if (!first) return facts('service-down', 'it has no peer, or is not up');
  const worst = all.reduce((bad_, one) => (ORDER.indexOf(one.state) > ORDER.indexOf(bad_.state) ? one : bad_), first);
  const queue = all.some((one) => one.queue === null) ? null : all.reduce((sum, one) => sum + (one.queue ?? 0), 0);
  return { ...worst, queue, lagMs: worst.state === 'healthy' ? 0 : null };
}

async function adm({ options: { resource }, ports, signal }: Context, verb: string): Promise<ActionResult> {
  const got = await ports.exec.run(['drbdadm', verb, resource], { timeoutMs: 60_000, signal });
  const said = troubleLine(got.stderr);
  return got.code === 0
    ? { ok: true, detail: `drbdadm ${verb}` }
    : bad(`drbdadm ${verb}: ${got.failed ?? `exit code ${got.code ?? 'none'}`}${said ? `: "${said}"` : ''}`);
}

const LOOK_MS = 500;

export default defineReplication({
  about: 'A resource of DRBD: connected, both disks up to date, or how many mebibytes are out of sync.',
  options,
  example: { resource: 'mail' },
  look,
  async flush(context) {
    for (;;) {
      const seen = await look(context);
      if (seen.state === 'healthy' && seen.queue === 0) return { ok: true, detail: seen.detail };
      if (seen.state !== 'synchronizing') return bad(`${seen.state}: ${seen.detail}`);
      if (context.signal.aborted) return bad(`it was not up to date in time: ${seen.detail}`);
      await context.ports.clock.sleep(LOOK_MS, context.signal).catch(() => undefined);
    }
  },
  suspend: (context) => adm(context, 'pause-sync'),
  resume: (context) => adm(context, 'resume-sync'),
  // Throws this node's data away: never on the node that has the group.
  reseed: async (context) => (context.active ? bad('the active node keeps its data') : adm(context, 'invalidate')),
});
