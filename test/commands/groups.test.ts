// The command line about groups, against the control socket of whole daemons whose virtual time goes on beside it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { drill } from '../../src/commands/drill.ts';
import { run as explain } from '../../src/commands/explain.ts';
import { ackedGroup, acknowledgeGroup, confirm, move, type MoveOptions, timeOf } from '../../src/commands/groups.ts';
import { nodeMaintenance } from '../../src/commands/node-maintenance.ts';
import { run as status } from '../../src/commands/status.ts';
import type { GroupPolicy } from '../../src/core/group-types.ts';
import { type Control, openControl } from '../../src/daemon/control.ts';
import { until } from '../support/server.ts';
import { groupPolicy, stepPolicy, type World, world } from '../support/cluster-machines.ts';

const test = suite('commands/groups');

interface Desk {
  readonly made: World;
  readonly socket: (node: string) => string;
  end(): Promise<void>;
}

async function desk(policy?: GroupPolicy): Promise<Desk> {
  const made = world(policy);
  await Promise.all(Object.values(made.nodes).map((one) => one.boot()));
  await made.clock.run(20_000);
  const dir = mkdtempSync(join(tmpdir(), 'wk-groups-'));
  const socket = (node: string): string => join(dir, `${node}.sock`);
  const controls: Control[] = [];
  for (const [name, { daemon }] of Object.entries(made.nodes)) {
    if (!daemon) throw new Error('it does not run');
    const rest = { wall: () => made.clock.wall(), reload: async () => [], history: null };
    controls.push(
      await openControl(socket(name), { daemon, preview: async () => ({ problems: [], text: '' }), ...rest }),
    );
  }
  let goes = true;
  const pump = (async (): Promise<void> => {
    while (goes) {
      await made.clock.run(10);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  return {
    made,
    socket,
    end: async () => {
      goes = false;
      await pump;
      await Promise.all(controls.map((one) => one.close()));
      rmSync(dir, { recursive: true });
    },
  };
}

function terminal() {
  const seen = { out: '', err: '' };
  const io = {
    out: (text: string): void => void (seen.out += text),
    err: (text: string): void => void (seen.err += text),
    ...{ env: { USER: 'anna' }, isTty: false, width: 160 },
  };
  return { seen, io };
}

async function says(
  made: Desk,
  node: string,
  verb: 'switchover' | 'failover',
  patch: Partial<MoveOptions>,
): Promise<{ code: number; out: string; err: string }> {
  const { seen, io } = terminal();
  const code = await move(verb, 'mail', { socket: made.socket(node), output: 'table', ...patch }, io, null);
  return { code, ...seen };
}

test('a dry run prints the plan, and without a terminal nothing is done that was not meant', async () => {
  const made = await desk();
  try {
    const dry = await says(made, 'n2', 'switchover', { dryRun: true });
    assert.is(dry.code, 0);
    assert.match(dry.out, /^mail: from n1 to n2\n {2}1 {2}n1: undo address\n/);
    assert.match(dry.out, /n2: do address {2}\(from here on only forward\)\n/);
    assert.is(dry.err, 'nothing was changed (--dry-run)\n');
    await says(made, 'n2', 'switchover', {}).then(
      () => assert.unreachable(),
      (error: { exit: number }) => assert.is(error.exit, 64),
    );
    assert.is(made.made.node('n1').role, 'active');
  } finally {
    await made.end();
  }
});

test('switchover: each step on stderr, the outcome on stdout; back as JSON', async () => {
  const made = await desk(groupPolicy({ objectives: { rtoMs: 60_000, rpoMs: null } }));
  try {
    const over = await says(made, 'n2', 'switchover', { to: 'n2', yes: true, timeout: '1m' });
    assert.is(over.code, 0, over.err);
    assert.match(over.out, /^mail: in service on n2, without service for \d+ ms\n$/);
    assert.match(over.err, /s {2}n1: address undone, \d+ ms\n/);
    assert.match(over.err, /s {2}n2: address done, \d+ ms\n/);
    const back = await says(made, 'n1', 'switchover', { to: 'n1', yes: true, output: 'json', timeout: '1m' });
    const said = JSON.parse(back.out);
    assert.equal([back.code, said.ok, said.owner, said.measured.met.rto], [0, true, 'n1', true]);
    assert.ok(said.steps.some((one: { node: string; name: string }) => one.node === 'n1' && one.name === 'zone'));
  } finally {
    await made.end();
  }
});

test('a refusal: every reason, what would have to be forced, and an exit code that says so', async () => {
  const made = await desk(groupPolicy({ sources: ['copy'], gate: { kind: 'lossless' } }));
  try {
    const unsafe = await says(made, 'n1', 'failover', { to: 'n2', yes: true });
    assert.is(unsafe.code, 107);
    assert.match(unsafe.err, /n2: nothing is known of its copy {2}\[data-loss\]/);
    assert.match(unsafe.err, /it would be done with --force-data-loss/);
    const own = await says(made, 'n1', 'switchover', { to: 'n1', yes: true });
    assert.is(own.code, 1);
    made.made.store.cut.add('n2');
    const none = await says(made, 'n2', 'switchover', { to: 'n2', yes: true, dryRun: true });
    assert.ok(none.code !== 0);
  } finally {
    await made.end();
  }
});

test('a step that fails: the move ends, the exit code is 1, and it is said where it is', async () => {
  const steps = [stepPolicy({ name: 'queue', prepares: true, tries: 1 }), stepPolicy({ name: 'address', pivot: true })];
  const made = await desk(groupPolicy({ steps }));
  try {
    made.made.node('n1').broken.add('undo address').add('undo queue');
    const { code, out, err } = await says(made, 'n1', 'switchover', { to: 'n2', yes: true, timeout: '2m' });
    assert.is(code, 1, err);
    assert.match(out, /it stays here: address: undo is broken/);
  } finally {
    await made.end();
  }
});

test('status and explain show groups and nodes, and hostile text is only text', async () => {
  const made = await desk();
  try {
    const evil = { on: true, output: 'table', socket: made.socket('n1'), comment: 'a\u001b[31m\nb' } as const;
    const { io, seen } = terminal();
    assert.is(await nodeMaintenance('n2', evil, io, null), 0);
    await made.made.clock.run(100);
    const shown = terminal();
    const code = await status({ output: 'table', socket: made.socket('n1') }, shown.io);
    assert.is(code, 1);
    assert.match(shown.seen.out, /mail +degraded +n1 +active +\d+ (s|min) +none/);
    assert.match(shown.seen.out, /n2 +\d+ s ago .*anna: a/);
    assert.not.match(shown.seen.out, /\u001b/);
    const why = terminal();
    await explain({ name: 'mail', output: 'table', socket: made.socket('n1') }, why.io);
    assert.match(why.seen.out, /lose it\? +NO: if n1 is lost now: no other node may take it/);
    assert.match(why.seen.out, /it is in maintenance {2}\[maintenance\]/);
    assert.match(seen.out, /n2 is in maintenance/);
  } finally {
    await made.end();
  }
});

test('maintenance --on --move brings its groups away first', async () => {
  const made = await desk();
  try {
    const { io, seen } = terminal();
    const wish = { on: true, move: true, yes: true, output: 'table', socket: made.socket('n1') } as const;
    assert.is(await nodeMaintenance('n1', wish, io, null), 0, seen.err);
    assert.is(made.made.node('n2').role, 'active');
    assert.match(seen.out, /mail: in service on n2/);
  } finally {
    await made.end();
  }
});

test('drill: over and back, measured, kept and told; refused while something is the matter', async () => {
  const made = await desk(groupPolicy({ objectives: { rtoMs: 60_000, rpoMs: null } }));
  try {
    const options = { output: 'table', socket: made.socket('n2'), yes: true, timeout: '2m' } as const;
    const none = terminal();
    await drill('mail', { ...options, list: true }, none.io, null);
    assert.is(none.seen.out, 'no drill was held\n');
    const held = terminal();
    made.made.node('n2').slowMs = 2000;
    assert.is(await drill('mail', options, held.io, null), 0, held.seen.err + held.seen.out);
    assert.match(held.seen.out, /n1 to n2 and back, by anna: passed: over in \d+ ms, back in \d+ ms\n$/);
    assert.match(held.seen.err, /n2: address done/);
    assert.is(made.made.node('n1').role, 'active');
    const kept = terminal();
    await drill('mail', { ...options, socket: made.socket('n1'), list: true }, kept.io, null);
    assert.is(kept.seen.out, held.seen.out);
    await until('it is told', () =>
      made.made.node('n2').machine.sent.some(({ notice }) => notice.event === 'drill-ended'),
    );
    await nodeMaintenance('n2', { on: true, output: 'table', socket: made.socket('n1') }, terminal().io, null);
    await drill('mail', options, terminal().io, null).then(
      () => assert.unreachable(),
      (error: { exit: number; message: string }) => {
        assert.is(error.exit, 1);
        assert.match(error.message, /n2 is in maintenance/);
      },
    );
  } finally {
    await made.end();
  }
});

test('drill: too slow for its objective, or a step that fails, is a drill that failed', async () => {
  const made = await desk(groupPolicy({ objectives: { rtoMs: 1, rpoMs: null } }));
  try {
    const options = { output: 'json', socket: made.socket('n1'), yes: true, timeout: '2m' } as const;
    const slow = terminal();
    made.made.node('n2').slowMs = 400;
    assert.is(await drill('mail', options, slow.io, null), 1);
    assert.match(JSON.parse(slow.seen.out).text, /longer than the objective of 1 ms/);
    made.made.node('n1').broken.add('undo address').add('undo store');
    const stuck = terminal();
    assert.is(await drill('mail', options, stuck.io, null), 1);
    assert.match(JSON.parse(stuck.seen.out).text, /it did not go over: it stays here/);
    assert.is(made.made.node('n1').role, 'active');
  } finally {
    await made.end();
  }
});

test('confirm and ack say when there is nothing to answer', async () => {
  const made = await desk();
  try {
    const options = { output: 'table', socket: made.socket('n1') } as const;
    const { io } = terminal();
    const refused = (error: { exit: number }): void => assert.is(error.exit, 1);
    await confirm('mail', options, io).then(() => assert.unreachable(), refused);
    await acknowledgeGroup('mail', options, io).then(() => assert.unreachable(), refused);
    assert.equal(['group/mail', 'mail', 'group/mail/n1/blocked'].map(ackedGroup), ['mail', null, null]);
  } finally {
    await made.end();
  }
});

test('--at: a time of the clock is the next one, and what is over is no time', () => {
  const now = new Date(2030, 0, 31, 12, 0).getTime();
  assert.is(timeOf('13:30', now), new Date(2030, 0, 31, 13, 30).toISOString());
  assert.is(timeOf('03:30', now), new Date(2030, 1, 1, 3, 30).toISOString());
  assert.is(timeOf('2031-01-31T03:30:00Z', now), '2031-01-31T03:30:00.000Z');
  for (const bad of ['tomorrow', '25:00', '2001-01-01T00:00:00Z', '7']) assert.throws(() => timeOf(bad, now), /--at/);
});

test.run();
