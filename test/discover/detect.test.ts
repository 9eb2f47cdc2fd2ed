// What counts as a product that is here, and what does not.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { detect } from '../../src/discover/detect.ts';
import { readKits } from '../../src/discover/kits.ts';
import { files } from '../../src/ports/files.ts';
import { pretend, type Told } from '../support/pretend-machine.ts';

const test = suite('detection');
const kits = readKits(files);

async function unitsOf(told: Told): Promise<readonly string[]> {
  const { found } = await detect(kits, pretend(told));
  return found.map(({ kit, unit }) => `${kit.name} ${unit}`);
}

const off = { ActiveState: 'inactive', UnitFileState: 'disabled' };
const instances = ['postgresql@15-main.service', 'postgresql@16-mail.service'];
const wrapper = { RemainAfterExit: 'yes', ConsistsOf: instances.join(' ') };
const idle = { facts: { ActiveState: 'inactive', UnitFileState: 'enabled-runtime' } };

test('enabled or active, one of the two', async () => {
  const nginx = (facts: Record<string, string>) => unitsOf({ units: { 'nginx.service': { facts } } });
  assert.equal(await nginx({}), ['nginx nginx.service']);
  assert.equal(await nginx({ ActiveState: 'failed' }), ['nginx nginx.service'], 'enabled');
  assert.equal(await nginx({ UnitFileState: 'disabled' }), ['nginx nginx.service'], 'active');
  assert.equal(await nginx(off), []);
  assert.equal(await nginx({ LoadState: 'masked', ActiveState: 'inactive', UnitFileState: 'masked' }), []);
});

test('a SysV script starts at boot only if a runlevel has its link', async () => {
  const facts = { ActiveState: 'inactive', UnitFileState: 'generated' };
  const slapd = (links: readonly string[]) =>
    unitsOf({ units: { 'slapd.service': { facts } }, folders: { '/etc/rc2.d': links } });
  assert.equal(await slapd(['S01slapd']), ['openldap slapd.service']);
  assert.equal(await slapd(['K01slapd', 'S01slapd-other', 'S1slapd']), []);
});

test('a wrapper stands for its instances, and only as long as it is on', async () => {
  const machine = (facts: Record<string, string>): Told => ({
    units: {
      'postgresql.service': { facts: { ...wrapper, ...facts } },
      ...Object.fromEntries(instances.map((name) => [name, idle])),
    },
  });
  assert.equal(
    await unitsOf(machine({})),
    instances.map((name) => `postgresql ${name}`),
  );
  assert.equal(await unitsOf(machine(off)), [], 'installed, and neither enabled nor active');
});

test('a program that runs is there in the unit that has it; in none it is only told', async () => {
  const exe = '/usr/sbin/unbound';
  const group = '/system.slice/system-dns.slice/dns@a.service';
  assert.equal(await unitsOf({ processes: [{ exe, group }] }), ['unbound dns@a.service']);
  for (const elsewhere of ['/user.slice/user-0.slice/session-1.scope', '/', '/user.slice/user@0.service']) {
    const { found, hints } = await detect(kits, pretend({ processes: [{ exe, group: elsewhere }] }));
    assert.equal(found, [], elsewhere);
    assert.match(hints.map(({ text }) => text).join(), 'in no unit of systemd');
  }
});

test('a file or a port alone is a hint; the port of a product that is here is none', async () => {
  const port = pretend({ processes: [{ exe: '/opt/odd', group: '/', ports: ['389'] }] });
  const seen = await detect(kits, port);
  assert.equal(seen.found, []);
  assert.match(seen.hints.find(({ kit }) => kit === 'openldap')?.text ?? '', 'port 389 is held by /opt/odd');
  const held = await detect(kits, pretend({ units: { 'nginx.service': { ports: ['80'] } } }));
  assert.equal(held.hints, [], 'port 80 says nothing of Apache');
});

test('systemd cannot be asked: nothing of it is there', async () => {
  const machine = pretend({});
  const mute = { ...machine, ports: { ...machine.ports, units: { show: async () => null } } };
  assert.equal((await detect(kits, mute)).found, []);
});

test.run();
