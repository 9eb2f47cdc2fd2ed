// Real snmptrapd of Debian on loopback ports: what we send, by the names of our MIB.
import { rmSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import snmp from '../../src/alerts/snmp.ts';
import { stores } from '../../src/ports/store.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { makeAlert } from '../support/alert.ts';
import { type Channel, channelOf } from '../support/channel.ts';
import { checkPorts } from '../support/check.ts';
import { newFolder, until } from '../support/server.ts';
import { SNMP_SECRETS, trapReceiver, USER } from '../support/snmptrapd.ts';

const test = suite('snmp, real snmptrapd');
const stateDir = newFolder('snmp-state');
const secrets = secretsFrom(SNMP_SECRETS);
const ports = checkPorts({ secrets, stores });
const open: Channel[] = [];
const channel = (options: object): Channel => {
  const made = channelOf(snmp, options, ports, { stateDir, node: 'n1' });
  open.push(made);
  return made;
};
const v2 = { version: '2c', community: 'env:SNMP_COMMUNITY' };
const v3 = { version: 3, user: 'noc', auth: 'env:SNMP_AUTH', priv: 'env:SNMP_PRIV' };

test.after(async () => {
  for (const one of open) await one.close();
  rmSync(stateDir, { recursive: true, force: true });
});

test('look', async () => {
  const receiver = await trapReceiver([`createUser noc ${USER}`, 'authUser log noc priv']);
  const to = [`127.0.0.1:${receiver.port}`];
  console.log(await channel({ to, ...v2 }).send(makeAlert({}, 1)));
  console.log(await channel({ to, ...v2, inform: false }).send(makeAlert({}, 2)));
  console.log(
    await channel({ to, version: 1, community: 'env:SNMP_COMMUNITY', lifekeeper: true }).send(
      makeAlert({ event: 'recovery-started', kind: 'once' }, 3),
    ),
  );
  console.log(await channel({ to, ...v3 }).send(makeAlert({}, 4)));
  console.log(await channel({ to, ...v3, inform: false }).send(makeAlert({}, 5)));
  await until('taken', () => receiver.taken().length >= 5, 3000).catch(console.log);
  console.log(receiver.log());
  await receiver.remove();
});
test.run();
