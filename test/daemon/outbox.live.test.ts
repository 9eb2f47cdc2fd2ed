// The outbox on a virtual clock: pace, retries, two channels of which one is dead, and a burst of ten thousand.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyOutbox, foldOutbox } from '../../src/daemon/backlog.ts';
import type { OutboxState } from '../../src/daemon/journal-format.ts';
import type { Channel } from '../../src/daemon/lane.ts';
import { Outbox } from '../../src/daemon/outbox.ts';
import { type Alert, type AlertContext, defineAlert, type Ports, type SendResult, z } from '../../src/define.ts';
import { bareContext } from '../../src/contract/trial.ts';
import { makeAlert } from '../support/alert.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const test = suite('outbox');

interface World {
  readonly clock: VirtualClock;
  readonly troubles: string[];
  readonly outbox: Outbox;
  readonly state: () => OutboxState;
  tell(alerts: readonly Alert[]): void;
}

function worldWith(channels: readonly Channel[]): World {
  const clock = new VirtualClock();
  const troubles: string[] = [];
  let state = emptyOutbox;
  const names = channels.map(({ name }) => name);
  const time = (): string => new Date(clock.wall()).toISOString();
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const { background } = bareContext();
  const outbox = new Outbox(
    { ports: { clock, log } as unknown as Ports, node: 'n1', stateDir: '/none', pending: () => state, background },
    {
      onSent: (name, ids) => {
        state = foldOutbox(state, { sent: { [name]: ids }, time: time() }, names);
      },
      onTrouble: (bad, detail) => void troubles.push(`${bad ? 'bad' : 'over'}: ${detail}`),
      onChannelTrouble: (bad, detail) => void troubles.push(`channel ${bad ? 'bad' : 'over'}: ${detail}`),
    },
  );
  outbox.configure(channels);
  const tell = (alerts: readonly Alert[]): void => {
    state = foldOutbox(state, { alerts: alerts.map((one) => ({ ...one, time: time() })), time: time() }, names);
    outbox.poke();
  };
  return { clock, troubles, outbox, state: () => state, tell };
}

type Send = (alert: Alert, context: AlertContext<object>) => SendResult | Promise<SendResult>;
const channelOf = (name: string, send: Send, more: Partial<Channel> = {}): Channel => ({
  name,
  options: {},
  plugin: defineAlert({ about: 'Says it.', options: z.object({}), example: {}, send: async (a, c) => send(a, c) }),
  ...more,
});

const keep =
  (into: Alert[]): Send =>
  (alert) => {
    into.push(alert);
    return 'sent';
  };

const raises = (count: number, severity: 'critical' | 'major' | 'warning' = 'major', from = 1): readonly Alert[] =>
  Array.from({ length: count }, (_, index) => makeAlert({ key: `k${from + index}`, severity }, from + index));

test('a burst goes at once, the rest at its pace', async () => {
  const got: Alert[] = [];
  const world = worldWith([channelOf('noc', keep(got), { limit: { burst: 5, everyMs: 1000 } })]);
  world.tell(raises(8));
  await world.clock.run(10);
  assert.is(got.length, 5);
  await world.clock.run(2000);
  assert.is(got.length, 7);
  await world.clock.run(1000);
  assert.is(got.length, 8);
  await world.clock.run(60_000);
  world.tell(raises(9, 'major', 100));
  await world.clock.run(10);
  assert.is(got.length, 13, 'after a rest it is a whole burst again, and no more');
  world.outbox.configure([]);
});

test('one that is dead holds up nobody; it is said, and all arrives when it lives again, in order', async () => {
  const [good, late]: [Alert[], Alert[]] = [[], []];
  let dead = true;
  const send: Send = (alert) => (dead ? { retry: 'nobody listens' } : keep(late)(alert, null as never));
  const world = worldWith([channelOf('good', keep(good)), channelOf('dead', send)]);
  world.tell(raises(4));
  await world.clock.run(600_000);
  assert.is(good.length, 4);
  assert.equal(world.troubles, ['bad: channel dead: nobody listens']);
  dead = false;
  await world.clock.run(70_000);
  assert.equal(
    late.map(({ id }) => id),
    [1, 2, 3, 4],
  );
  assert.equal(world.troubles.slice(1), ['over: every channel delivers again']);
  assert.equal(world.state().pending, []);
  world.outbox.configure([]);
});

test('one that never answers is given up on, and tried again', async () => {
  let tries = 0;
  const send: Send = () => (++tries < 2 ? new Promise<never>(() => undefined) : 'sent');
  const world = worldWith([channelOf('noc', send)]);
  world.tell(raises(1));
  await world.clock.run(29_000);
  assert.is(tries, 1);
  await world.clock.run(5000);
  assert.is(tries, 2);
  assert.equal(world.state().pending, []);
  world.outbox.configure([]);
});

test('ten thousand at once: bounded, said to be, the most severe first, at its pace', async () => {
  const got: Alert[] = [];
  const world = worldWith([channelOf('noc', keep(got))]);
  world.tell([...raises(9000, 'warning'), ...raises(1000, 'critical', 9001)]);
  await world.clock.run(10);
  assert.is(got.length, 20, 'a burst');
  assert.ok(got.every(({ notice }) => notice.severity === 'critical'));
  assert.match(world.troubles[0] ?? '', /^bad: 5000 alerts had to be dropped/);
  await world.clock.run(60_000);
  assert.is(got.length, 320, 'and then five a second');
  await world.clock.run(140_000);
  assert.equal(
    got.slice(0, 1000).map(({ id }) => id),
    raises(1000, 'critical', 9001).map(({ id }) => id),
  );
  world.outbox.configure([]);
});

test('what was lost is told until the rest is out', async () => {
  const got: Alert[] = [];
  const plain = channelOf('log', keep(got));
  const world = worldWith([{ ...plain, plugin: { ...plain.plugin, reader: 'record' } }]);
  world.tell(raises(5100));
  await world.clock.run(1000);
  assert.is(got.length, 5000, 'a record takes all at once');
  assert.equal(world.troubles, [
    'bad: 100 alerts had to be dropped: too many, or too old',
    'over: every channel delivers again',
  ]);
  world.outbox.configure([]);
});

test('what lasts is made once, made anew when that failed, and closed with the channel', async () => {
  let made = 0;
  let closed = 0;
  const send: Send = async (_alert, context): Promise<SendResult> => {
    await context.lasting(async () => {
      if (++made === 1) throw new Error('not yet');
      return { close: () => void closed++ };
    });
    context.trouble(made === 2 ? 'its identity was lost' : null);
    return 'sent';
  };
  const channel = channelOf('noc', send);
  const world = worldWith([channel]);
  world.tell(raises(3));
  await world.clock.run(5000);
  assert.is(made, 2);
  assert.equal(world.troubles, ['channel bad: channel noc: its identity was lost']);
  world.outbox.configure([{ ...channel }]);
  assert.is(closed, 0, 'the very same channel goes on');
  world.outbox.configure([]);
  await world.clock.run(10);
  assert.is(closed, 1);
  assert.is(world.troubles.at(-1), 'channel over: no channel has trouble of its own');
});

test.run();
