// Whole machines: what is proposed for each, as golden files, and that the loader takes it without a word.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../../src/config/load.ts';
import { discover } from '../../src/discover/discover.ts';
import { readKits } from '../../src/discover/kits.ts';
import { files } from '../../src/ports/files.ts';
import { plugins } from '../../src/registry.ts';
import { golden } from '../support/golden.ts';
import { pretend, recorded, type Told } from '../support/pretend-machine.ts';

const test = suite('discovery of whole machines');
const kits = readKits(files);
const SECRET = 'never-to-be-seen';
const certificates = {
  '/etc/ssl/mail/fullchain.pem': `${recorded('leaf.pem')}${recorded('authority.pem')}`,
  '/etc/ssl/certs/ca-certificates.crt': recorded('authority.pem'),
};
const debianPostfix = {
  'postconf -x': recorded('postconf-x-debian.txt'),
  'postconf -M': recorded('postconf-M-debian.txt'),
  'postconf -n': recorded('postconf-n-debian.txt'),
};
/** As systemd of Debian 12 tells of it: the wrapper does nothing, its instance has the processes. */
const postfixUnits = {
  'postfix.service': { facts: { RemainAfterExit: 'yes', ConsistsOf: 'postfix@-.service' } },
  'postfix@-.service': { facts: { UnitFileState: 'enabled-runtime' }, ports: ['25', '587', '465', '10025 127.0.0.1'] },
};

const machines: Readonly<Record<string, Told>> = {
  'a-large-one': {
    units: {
      ...postfixUnits,
      'dovecot.service': { ports: ['993', '993 ::'] },
      'slapd.service': { facts: { UnitFileState: 'generated' }, ports: ['389'] },
      'nginx.service': { ports: ['80', '443'] },
      'named.service': { ports: ['53 127.0.0.1', '53 192.0.2.11'] },
      'rspamd.service': { ports: ['11332 127.0.0.1', '11333 127.0.0.1', '11334 127.0.0.1'] },
      'redis-server.service': { ports: ['6380 127.0.0.1'] },
      'mariadb.service': { facts: { ActiveState: 'inactive' } },
      'postgresql.service': {
        facts: { RemainAfterExit: 'yes', ConsistsOf: 'postgresql@15-main.service postgresql@16-mail.service' },
      },
      'postgresql@15-main.service': { facts: { UnitFileState: 'enabled-runtime' }, ports: ['5432 127.0.0.1'] },
      'postgresql@16-mail.service': { facts: { UnitFileState: 'enabled-runtime' }, ports: ['5433 127.0.0.1'] },
      'opendkim.service': {},
    },
    files: {
      ...certificates,
      '/etc/resolv.conf': 'nameserver 127.0.0.1\n',
      '/etc/default/slapd': 'SLAPD_CONF=\nSLAPD_SERVICES="ldap:/// ldaps:/// ldapi:///"\n',
      '/etc/postfix/ldap-users.cf': `server_host = ldap://localhost:389\nbind_pw = ${SECRET}\n`,
      '/etc/postfix/aliases.cf': `hosts = unix:/run/mysqld/mysqld.sock\npassword = ${SECRET}\n`,
      '/etc/dovecot/dovecot-ldap.conf.ext': `uris = ldap://127.0.0.1\ndnpass = ${SECRET}\n`,
      '/etc/opendkim.conf': 'Socket local:/run/opendkim/opendkim.sock\n',
    },
    folders: { '/srv/vmail': [], '/etc/rc3.d': ['S01slapd'] },
    says: {
      'postconf -x': recorded('postconf-x-directory.txt'),
      'postconf -M': recorded('postconf-M-directory.txt'),
      'postconf -n': recorded('postconf-n-directory.txt'),
      'doveconf -a': recorded('doveconf-ldap.txt'),
      'nginx -T': recorded('nginx-T-tls.txt'),
      'slapcat -n0': recorded('slapcat-n0.txt'),
      'named-checkconf -px': recorded('named-master.txt'),
    },
    page: 301,
  },
  'as-debian-installs-it': {
    units: { ...postfixUnits, 'dovecot.service': { ports: ['143', '993'] }, 'nginx.service': { ports: ['80'] } },
    files: {
      '/etc/resolv.conf': 'search example.org\nnameserver 192.0.2.53\n',
      '/etc/dovecot/private/dovecot.pem': recorded('itself.pem'),
      '/etc/ssl/certs/ssl-cert-snakeoil.pem': recorded('itself.pem'),
    },
    folders: { '/var/mail': [] },
    says: {
      ...debianPostfix,
      'doveconf -a': recorded('doveconf-debian.txt'),
      'nginx -T': recorded('nginx-T-debian.txt'),
    },
    names: ['debian.example.org'],
    page: 403,
  },
  'with-a-probe': {
    units: { ...postfixUnits, 'dovecot.service': { ports: ['143', '993'] } },
    files: { '/etc/watchkeeper/probe': SECRET },
    says: { ...debianPostfix, 'doveconf -a': recorded('doveconf-debian.txt') },
  },
  'that-says-nothing': {
    units: {
      ...postfixUnits,
      'dovecot.service': {},
      'nginx.service': {},
      'slapd.service': { facts: { UnitFileState: 'generated' } },
      'named.service': {},
    },
    says: { 'postconf -x': null, 'doveconf -a': null, 'slapcat -n0': null, 'named-checkconf -px': null },
  },
};

for (const [name, told] of Object.entries(machines)) {
  test(`a machine ${name.replaceAll('-', ' ')}`, async () => {
    const seen = await discover(pretend(told), { kits, probeFile: '/etc/watchkeeper/probe', observe: true });
    assert.not.match(seen.text, SECRET);
    golden(`init/${name}.txt`, seen.text);
    assert.is(await said(seen.text), '', 'no error and no warning');
    const again = await discover(pretend(told), { kits, probeFile: '/etc/watchkeeper/probe', observe: true });
    assert.is(again.text, seen.text, 'the same machine, the same text');
  });
}

/** What the loader says of a text. */
async function said(text: string): Promise<string> {
  const path = '/etc/watchkeeper/watchkeeper.yaml';
  const facts = { uid: 0, gid: 0, mode: 0o640, size: 1, modifiedMs: 0 };
  const through: typeof files = {
    ...files,
    readText: (one, most) => (one === path ? text : files.readText(one, most)),
    facts: (one) => {
      if (one === path) return { ...facts, kind: 'file' };
      return one.startsWith('/etc/watchkeeper') ? null : files.facts(one);
    },
    realPath: (one) => one,
  };
  const loaded = load(path, { files: through, plugins: await plugins(), hostname: 'mx1', uid: 0 });
  return ('problems' in loaded ? loaded.problems : loaded.warnings).map((one) => `${one.line}: ${one.text}`).join('\n');
}

test('nothing is there', async () => {
  const machine = pretend({});
  const seen = await discover(machine, { kits, probeFile: '/etc/watchkeeper/probe', observe: true });
  assert.equal(seen.found, []);
  assert.equal(seen.hints, []);
  assert.equal(machine.ran, [], 'no program is run for a product that is not there');
});

/** Texts that a product could be made to say. */
const EVIL = [
  `password = ${SECRET}`,
  'a\u001b[31mred\u202e',
  "'; rm -rf / #",
  '{'.repeat(5000),
  '}'.repeat(50),
  'service x {\n'.repeat(5000),
  'x'.repeat(200_000),
  '\n- evil: yes\n',
  '\0',
  '',
];

test('whatever the products say, the file is good and says nothing of it', async () => {
  for (const evil of EVIL) {
    const settings = 'myhostname queue_directory virtual_mailbox_domains smtpd_tls_cert_file smtpd_milters'.split(' ');
    const told: Told = {
      ...(machines['a-large-one'] as Told),
      names: ['localhost'],
      says: {
        'postconf -x': settings.map((name) => `${name} = ${evil}`).join('\n'),
        'postconf -M': `${evil} inet n - y - - smtpd -o ${evil}\n25 inet n - y - - smtpd\n`,
        'postconf -n': `virtual_mailbox_maps = ldap:${evil}, mysql:/etc/${evil}`,
        'doveconf -a': `protocols = imap lmtp\nmail_location = maildir:/${evil}\nssl_cert = <${evil}\n${evil}`,
        'nginx -T': `http { server { listen ${evil}; server_name ${evil}; } } ${evil}`,
        'slapcat -n0': `olcSuffix: ${evil}\nolcDbDirectory: /${evil}\n`,
        'named-checkconf -px': `zone "${evil}" { type master; }; ${evil}`,
      },
      files: {
        '/etc/resolv.conf': `nameserver ${evil}`,
        '/etc/default/slapd': `SLAPD_CONF=${evil}\nSLAPD_SERVICES="${evil}"`,
        '/etc/opendkim.conf': `Socket ${evil}`,
      },
    };
    const { text } = await discover(pretend(told), { kits, probeFile: '/etc/watchkeeper/probe', observe: true });
    assert.is(await said(text), '', `${JSON.stringify(evil.slice(0, 40))}\n${text}`);
    assert.not.match(text, SECRET);
    // oxlint-disable-next-line no-control-regex
    assert.not.match(text, /[\u0000-\u0009\u000b-\u001f\u202e]/);
  }
});

test.run();
