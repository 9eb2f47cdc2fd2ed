// The agent kept alive: it comes again whatever happens to its master, and its trouble is told once and ends.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_BASE } from '../../src/core/snmp.ts';
import { SubAgent } from '../../src/daemon/agent.ts';
import { clock } from '../../src/ports/clock.ts';
import { net } from '../../src/ports/net.ts';
import { fakeMaster, frame, kind, range, response, TYPES, valuesOf } from '../support/agentx-master.ts';
import { freePorts, until } from '../support/server.ts';
import { subAgent } from '../support/sub-agent.ts';

const test = suite('agent of the daemon');

test('nobody there: an alarm after a while, once; it ends when somebody is', async () => {
  const [port = 0] = await freePorts(1);
  const { it, troubles, configure, last } = subAgent(20);
  configure(port);
  assert.equal(troubles, []);
  await until('it is told', () => last()?.bad === true);
  assert.match(last()?.detail ?? '', 'no SNMP daemon to answer through');
  await new Promise((done) => setTimeout(done, 400));
  assert.is(troubles.length, 1);
  await it.close();
});

test('a master that comes and goes: no alarm while it is back in time', async () => {
  const master = await fakeMaster();
  const { it, troubles, lines, configure, last } = subAgent(20);
  configure(master.port);
  for (let life = 1; life <= 5; life++) {
    await until('connected', () => troubles.length === life);
    assert.equal(last(), { bad: false, detail: 'the SNMP daemon takes our tables' });
    master.drop();
  }
  await it.close();
  assert.ok(lines.some((line) => /closed/.test(line)));
  await until('hung up', () => master.open() === 0);
  await master.stop();
});

test('refused: an alarm at once, and it asks again', async () => {
  let kindly = false;
  const master = await fakeMaster((seen, socket) =>
    kindly || seen.type !== TYPES.register
      ? kind(seen, socket)
      : frame(TYPES.response, response(263), { packet: seen.packet }),
  );
  const { it, configure, last } = subAgent(20);
  configure(master.port);
  await until('it is told', () => last()?.bad === true);
  assert.match(last()?.detail ?? '', 'duplicateRegistration');
  kindly = true;
  await until('it is over', () => last()?.bad === false);
  await it.close();
  await master.stop();
});

test('what it tells is made anew once a second at most, and by nobody else', async () => {
  const master = await fakeMaster();
  const { it, troubles, configure, asked } = subAgent();
  configure(master.port);
  await until('connected', () => troubles.length === 1);
  assert.is(asked(), 0);
  const started = performance.now();
  for (let round = 0; round < 200; round++) {
    const answer = await master.ask(TYPES.next, range(`${DEFAULT_BASE}.2`));
    assert.is(valuesOf(answer.payload).length, 1);
  }
  assert.ok(asked() <= 1 + Math.ceil((performance.now() - started) / 1000), `${asked()} times`);
  await it.close();
  await master.stop();
});

test('a new configuration: the old session ends, the same one stays, none ends all', async () => {
  const [one, two] = [await fakeMaster(), await fakeMaster()];
  const { it, troubles, configure, last } = subAgent();
  configure(one.port);
  await until('connected', () => troubles.length === 1);
  configure(one.port);
  configure(two.port);
  await until('with the other', () => troubles.length === 2 && one.open() === 0);
  assert.is(one.connections(), 1);
  it.configure(null);
  assert.is(last()?.detail, 'no agent is wanted');
  await until('with nobody', () => two.open() === 0);
  await it.close();
  await one.stop();
  await two.stop();
});

test('what is known breaks: the session ends, the daemon does not', async () => {
  const master = await fakeMaster();
  const troubles: boolean[] = [];
  const it = new SubAgent({
    ports: { clock, net, log: { info: () => undefined, warn: () => undefined } as never },
    ...{ version: '1', onTrouble: (bad: boolean) => troubles.push(bad), onAgain: () => undefined },
    known: () => {
      throw new Error('broken');
    },
  });
  it.configure({ master: { host: '127.0.0.1', port: master.port }, base: DEFAULT_BASE, reconnectMs: 1000 });
  await until('connected', () => troubles.length === 1);
  master.say(frame(TYPES.next, range('1.3')));
  await until('it came again', () => master.connections() === 2);
  await it.close();
  await master.stop();
});

test.run();
