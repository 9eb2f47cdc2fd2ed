// `watchkeeper kits …` as a user meets it: the kits that ship, and a folder with a bad one.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { list, show } from '../../src/commands/kits.ts';
import { type ConfigFolder, configFolder } from '../support/config-folder.ts';

const OWN = `about: A product of our own
detect: { units: [own.service], ports: [7] }
params:
  port: { about: Where it listens }
  page: { about: A page, default: null }
checks:
  - { type: tcp, port: $port }
  - { type: http, name: page, needs: [page], depth: deep, url: $page }
manager: { type: systemd, unit: own.service, parts: { worker: /opt/own/worker } }
recover:
  ladder: [part, restart, { command: [/opt/own/mend], cures: [no-space] }]
runbook: |
  dead: start it.
  hung: wait.
`;
const SHOWN = `own: A product of our own
found by
  units  own.service
  ports  7
parameters (set: in the service)
  port  must be set  Where it listens
  page  left out     A page
checks
  tcp   both  tcp: Connects to a TCP port or a unix socket; with \`expect\` it also reads the first line.
  page  deep  http: One HTTP request: status, a text in the answer, time; redirects are not followed. [with page]
ladder (systemd)
  part           dead, hung, refusing of worker
  restart        dead, hung, refusing
  /opt/own/mend  no-space
runbook
  dead: start it.
  hung: wait.
`;

const test = suite<{ folder: ConfigFolder }>('command kits');
test.before.each((context) => {
  context.folder = configFolder();
  context.folder.write('own.yaml', OWN);
});
test.after.each(({ folder }) => folder.remove());

const said = { out: '', err: '' };
const io = {
  out: (text: string) => void (said.out += text),
  err: (text: string) => void (said.err += text),
  env: {},
  isTty: false,
  width: 120,
};
async function call(run: () => Promise<number>): Promise<{ code: number; out: string; err: string }> {
  Object.assign(said, { out: '', err: '' });
  return { code: await run(), ...said };
}

test('list: every kit that ships, with its product and how it is found', async () => {
  const { code, out, err } = await call(() => list({ output: 'table' }, io));
  assert.is(code, 0);
  assert.is(err, '');
  assert.match(out, /^ openldap +OpenLDAP, a directory of users and addresses +slapd\.service +- *$/m);
  assert.match(out, /^ haproxy .* haproxy\.service +port *$/m);
});

test('list for programs', async ({ folder }) => {
  const { code, out } = await call(() => list({ output: 'json', folder: folder.path }, io));
  assert.is(code, 0);
  assert.equal(JSON.parse(out), {
    schemaVersion: 1,
    kits: [
      {
        name: 'own',
        about: 'A product of our own',
        detect: { units: ['own.service'], ports: [7] },
        needed: ['port'],
      },
    ],
  });
});

test('show: all that a kit brings', async ({ folder }) => {
  const { code, out, err } = await call(() => show('own', { output: 'table', folder: folder.path }, io));
  assert.equal({ code, out, err }, { code: 0, out: SHOWN, err: '' });
});

test('show for programs', async ({ folder }) => {
  const { out } = await call(() => show('own', { output: 'json', folder: folder.path }, io));
  const { kit } = JSON.parse(out) as { kit: Record<string, unknown> };
  assert.equal(kit['parameters'], [
    { name: 'port', about: 'Where it listens' },
    { name: 'page', about: 'A page', default: null },
  ]);
  assert.equal(kit['ladder'], [
    { rung: 'part', cures: ['dead', 'hung', 'refusing'] },
    { rung: 'restart', cures: ['dead', 'hung', 'refusing'] },
    { rung: '/opt/own/mend', cures: ['no-space'] },
  ]);
});

test('a kit that is only watched says so', async () => {
  const { out } = await call(() => show('roundcube', { output: 'table' }, io));
  assert.match(out, /^ladder: it is only watched, nothing is repaired$/m);
});

test('show: no such kit, with a hint', async () => {
  const { code, out, err } = await call(() => show('opnldap', { output: 'table' }, io));
  assert.equal({ code, out }, { code: 64, out: '' });
  assert.match(err, /^there is no kit "opnldap"; did you mean "openldap"\?/);
});

test('a kit that cannot be used is told, and hides no other', async ({ folder }) => {
  folder.write('bad.yaml', 'about: x\nchekcs: []\n');
  folder.write('torn.yaml', 'about: [\n');
  const { code, out, err } = await call(() => list({ output: 'table', folder: folder.path }, io));
  assert.is(code, 0);
  assert.match(err, /^the kit bad cannot be used: /m);
  assert.match(err, /torn\.yaml/);
  assert.match(out, /^ own /m);
});

test.run();
