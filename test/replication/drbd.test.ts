// DRBD as its tools say it: this kernel has none, so the words are those of its formats (drbdsetup(8) of 9, /proc/drbd
// of 8.4), and not those of a running one.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Ports } from '../../src/define.ts';
import drbd, { fromJson, fromProc } from '../../src/replication/drbd.ts';
import { sourceContext } from '../support/replication.ts';

const test = suite('replication drbd');

interface Said {
  readonly connection?: string;
  readonly replication?: string;
  readonly disk?: string;
  readonly peerDisk?: string;
  readonly oos?: number;
  readonly suspended?: string;
}

const status = ({ connection = 'Connected', replication = 'Established', ...said }: Said = {}): string =>
  JSON.stringify([
    { name: 'other', role: 'Primary', devices: [], connections: [] },
    {
      ...{ name: 'mail', 'node-id': 2, role: 'Secondary', suspended: false },
      devices: [{ volume: 0, minor: 2, 'disk-state': said.disk ?? 'UpToDate', size: 409_600 }],
      connections: [
        {
          ...{ 'peer-node-id': 1, name: 'n1', 'connection-state': connection, 'peer-role': 'Primary' },
          peer_devices: [
            {
              ...{ volume: 0, 'replication-state': replication, 'peer-disk-state': said.peerDisk ?? 'UpToDate' },
              ...{ 'resync-suspended': said.suspended ?? 'no', 'out-of-sync': said.oos ?? 0, 'percent-in-sync': 100 },
            },
          ],
        },
      ],
    },
  ]);

const exec = (stdout: string, code = 0, seen: string[][] = []) =>
  ({
    run: async (argv: string[]) => {
      seen.push(argv);
      return { code, signal: null, stdout, stderr: '', timedOut: false, failed: null, truncated: false, ms: 1 };
    },
  }) as unknown as Ports['exec'];

const context = (stdout: string, code = 0, active = false, seen: string[][] = []) => {
  const made = sourceContext(drbd, { resource: 'mail' }, { active });
  return { ...made, ports: { ...made.ports, exec: exec(stdout, code, seen) } };
};

test('connected and both up to date is healthy; everything else is not', async () => {
  const table: readonly [Said, string, number | null][] = [
    [{}, 'healthy', 0],
    [{ oos: 900 }, 'synchronizing', 1],
    [{ replication: 'SyncTarget', oos: 5000, disk: 'Outdated' }, 'synchronizing', 5],
    [{ replication: 'SyncTarget', oos: 5000, disk: 'Inconsistent' }, 'initializing', 5],
    [{ replication: 'SyncTarget', oos: 10, suspended: 'user' }, 'suspended', 1],
    [{ connection: 'Connecting', replication: 'Off', peerDisk: 'DUnknown' }, 'failed', null],
    [{ connection: 'StandAlone', replication: 'Off', peerDisk: 'DUnknown' }, 'failed', null],
    [{ disk: 'Diskless' }, 'failed', null],
    [{ peerDisk: 'Outdated' }, 'failed', 0],
  ];
  for (const [said, state, queue] of table) {
    const facts = await drbd.look(context(status(said)));
    assert.equal([facts.state, facts.queue], [state, queue], JSON.stringify(said));
    assert.is(facts.lagMs, state === 'healthy' ? 0 : null);
  }
});

test('a resource that is not up, and an answer that is none, are not healthy', async () => {
  assert.is((await drbd.look(context('', 10))).state, 'service-down');
  for (const bad of ['', '[]', '{"name":"mail"}', 'x'.repeat(10), '[{"name":"mail","devices":1}]'])
    assert.is((await drbd.look(context(bad))).state, 'failed', bad);
  assert.type(fromJson(status(), 'none'), 'string');
});

test('/proc/drbd of 8.4', () => {
  const text = `version: 8.4.11 (api:1/proto:86-101)
srcversion: FC3433D849E3B88C1E7B55C
 0: cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C r-----
    ns:0 nr:1024 dw:1024 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
 1: cs:SyncTarget ro:Secondary/Primary ds:Inconsistent/UpToDate C r-----
    ns:0 nr:2048 dw:2048 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:409600
\t[>....................] sync'ed:  0.6% (400/401)M
 2: cs:WFConnection ro:Secondary/Unknown ds:UpToDate/DUnknown C r-----
    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
`;
  const all = fromProc(text, [0, 1, 2]);
  assert.equal(
    all.map(({ connection, replication, outOfSyncKib }) => [connection, replication, outOfSyncKib]),
    [
      ['Connected', 'Established', 0],
      ['Connected', 'SyncTarget', 409_600],
      ['WFConnection', 'WFConnection', 0],
    ],
  );
  assert.equal(fromProc(text, [7]), []);
});

test('the active node never throws its data away', async () => {
  const seen: string[][] = [];
  assert.is((await drbd.reseed?.(context('', 0, true, seen)))?.ok, false);
  assert.equal(seen, []);
  assert.is((await drbd.reseed?.(context('', 0, false, seen)))?.ok, true);
  assert.equal(seen, [['drbdadm', 'invalidate', 'mail']]);
});

test('a flush ends when nothing is out of sync, and not ok when it cannot', async () => {
  assert.is((await drbd.flush?.(context(status())))?.ok, true);
  assert.is((await drbd.flush?.(context(status({ connection: 'Connecting' }))))?.ok, false);
});

test.run();
