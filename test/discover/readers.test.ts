// Each reader on what real products said, and on odd texts.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseBraces } from '../../src/discover/braces.ts';
import { zonesOf } from '../../src/discover/bind.ts';
import { shownBy } from '../../src/discover/certificate.ts';
import { dovecot, parseDoveconf } from '../../src/discover/dovecot.ts';
import { parseNginx } from '../../src/discover/nginx.ts';
import { openldap, parseServices, valuesOf } from '../../src/discover/openldap.ts';
import { parseMaster, parseSettings, postfix } from '../../src/discover/postfix.ts';
import { scalar } from '../../src/discover/render.ts';
import { dn, domain, hostAndPort, isHere, path } from '../../src/discover/shape.ts';
import { hostsIn, mapsIn, needOf } from '../../src/discover/tables.ts';
import type { Found } from '../../src/discover/types.ts';
import { load } from '../support/discovered.ts';
import { pretend, recorded } from '../support/pretend-machine.ts';

const test = suite('readers of products');
const SECRET = 'never-to-be-seen';
const found = (instance: string | null = null): Found => ({
  kit: { name: 'x', about: '', units: [], programs: [], files: [], ports: [], params: new Map(), checks: [] },
  unit: null,
  instance,
  evidence: '',
  held: [],
});

test('master.cf: who listens, with which options', () => {
  const all = parseMaster(recorded('postconf-M-directory.txt'));
  assert.equal(
    all.map(({ host, port }) => `${host}:${port}`),
    [':25', ':587', ':465', '127.0.0.1:10025'],
  );
  assert.is(all[1]?.options.get('smtpd_sasl_auth_enable'), 'yes');
  assert.is(all[2]?.options.get('smtpd_tls_wrappermode'), 'yes');
  const odd =
    '[::1]:2525 inet n - y - 1 postscreen\n  -o { smtpd_milters = a, b }\nsmtp inet\n99999 inet n - n - - smtpd\n';
  assert.equal(
    parseMaster(odd).map(({ host, port, options }) => [host, port, options.get('smtpd_milters')]),
    [['::1', 2525, 'a, b']],
  );
});

test('main.cf: lines that go on, values with `=`', () => {
  const settings = parseSettings('a = 1\n  2\nb =\nc = x = y\n# no\n');
  assert.equal(
    [...settings],
    [
      ['a', '1 2'],
      ['b', ''],
      ['c', 'x = y'],
    ],
  );
});

test('Postfix: another instance is asked by its name; a table elsewhere is no need', async () => {
  const machine = pretend({
    files: { '/etc/postfix/ldap-users.cf': `server_host = ldaps://ldap.example.org\nbind_pw = ${SECRET}\n` },
    says: {
      'postmulti -i out -x postconf -x': recorded('postconf-x-directory.txt'),
      'postmulti -i out -x postconf -M': recorded('postconf-M-directory.txt'),
      'postmulti -i out -x postconf -n': recorded('postconf-n-directory.txt'),
    },
  });
  const reading = await postfix(found('out'), machine);
  assert.is(reading.set?.['submission-port']?.value, 587);
  assert.is(reading.set?.['smtps-port']?.value, 465);
  assert.equal(reading.domains, ['example.org', 'example.net']);
  const kits = (reading.needs ?? []).flatMap((need) => ('kits' in need ? need.kits : []));
  assert.not.ok(kits.includes('openldap'), 'that directory is on another machine');
  assert.ok(kits.includes('mariadb') && kits.includes('dovecot'));
  assert.ok((reading.needs ?? []).some((need) => 'port' in need && need.port === 11332));
  assert.not.match(JSON.stringify(reading), SECRET);
});

test('maps and hosts, and never a password', () => {
  assert.equal(mapsIn('virtual_alias_maps = hash:/a, proxy:ldap:/b, mysql:c {pgsql:/d}'), [
    { type: 'ldap', file: '/b' },
    { type: 'mysql', file: null },
    { type: 'pgsql', file: '/d' },
  ]);
  assert.equal(mapsIn('x = static:myldap:/a'), []);
  assert.equal(
    hostsIn(`hosts = unix:/run/x inet:db.example.org:3306\nconnect = host=db2 password=${SECRET} dbname=x\n`),
    ['/', 'db.example.org', 'db2'],
  );
  assert.equal(hostsIn('server_host = ldap://[2001:db8::1]:389 ldapi:///\n'), ['2001:db8::1', '/']);
  const machine = pretend({});
  assert.is(needOf(machine, 'ldap', '/gone', 'x').length, 1, 'a table that cannot be read may be here');
  assert.is(needOf(machine, 'cdb', '/gone', 'x').length, 0);
});

test('doveconf: sections, ports, the folder of the mailboxes', async () => {
  const root = parseDoveconf(recorded('doveconf-debian.txt'));
  assert.ok(root?.sections.some(({ name }) => name === 'service imap-login'));
  const machine = pretend({ folders: { '/var/mail': [] }, says: { 'doveconf -a': recorded('doveconf-debian.txt') } });
  const debian = await dovecot(found(), machine);
  assert.is(debian.set?.['imap-port']?.value, 143);
  assert.is(debian.set?.['imaps-port']?.value, 993);
  assert.is(debian.set?.['pop3-port']?.value, 110);
  assert.is(debian.set?.['sieve-port']?.value, 4190);
  assert.is(debian.set?.['store']?.value, '/var/mail');
  assert.is(debian.set?.['lmtp']?.value, '/run/dovecot/lmtp');
  assert.equal(debian.accounts, { driver: 'pam', file: null });
  const only = pretend({ says: { 'doveconf -a': recorded('doveconf-imaps-only.txt') } });
  const implicit = await dovecot(found(), only);
  assert.is(implicit.set?.['imap-port']?.value, 993);
  assert.equal(
    implicit.overlays?.map(({ check }) => check),
    ['imap', 'imaps'],
  );
  assert.match(implicit.notes?.join() ?? '', '/srv/vmail, which is not there');
  for (const odd of ['}', 'a {', 'a {\n'.repeat(40), 'service x {\n}\n}\n'])
    assert.is(parseDoveconf(odd), null, JSON.stringify(odd));
});

test('nginx: servers, ports and names, through quotes, braces and comments', () => {
  const tls = parseNginx(recorded('nginx-T-tls.txt'));
  assert.equal(
    tls?.map(({ host, port, tls: on }) => `${host}:${port}${on ? ' tls' : ''}`),
    [':80', '[::]:80', ':443 tls', '[::]:443 tls'],
  );
  assert.equal(tls?.[2]?.names, ['webmail.example.org']);
  assert.equal(
    parseNginx(recorded('nginx-T-debian.txt'))?.map(({ port }) => port),
    [80, 80],
  );
  const split = '# configuration file /e/n.conf:\nhttp { include c/*.conf; }\nstream { include s/*; }\n';
  const parts =
    '# configuration file /e/c/a.conf:\nserver { listen 81; }\n# configuration file /e/s/b:\nserver { listen 82; }\n';
  assert.equal(
    parseNginx(split + parts)?.map(({ port }) => port),
    [81],
  );
  assert.equal(parseNginx('# configuration file /e/a:\nhttp { include a; include *; }\n'), []);
  const odd = 'http { server { listen unix:/x; } server { listen localhost; listen *:8080; } server { } }';
  assert.equal(
    parseNginx(odd)?.map(({ host, port }) => `${host}:${port}`),
    ['localhost:80', ':8080', ':80'],
  );
  for (const broken of ['http {', '}', '{'.repeat(100), "a 'b"]) assert.not.ok(parseNginx(broken)?.length, broken);
});

test('named-checkconf: own zones, also in views', () => {
  const zones = (text: string) => zonesOf(parseBraces(text) ?? []);
  assert.equal(zones(recorded('named-master.txt')), ['example.org']);
  assert.equal(zones(recorded('named-debian.txt')), []);
  assert.equal(zones('view "in" { zone "a.test" IN { type primary; }; };'), ['a.test']);
});

test('slapd: suffix and folder from cn=config and from slapd.conf, and never a password', async () => {
  assert.equal(valuesOf(recorded('slapcat-n0.txt'), 'olcSuffix'), ['dc=lab,dc=test']);
  assert.equal(valuesOf('olcsuffix: dc=a,\n dc=b\nolcSuffix:: ZGM9eA==\n', 'olcSuffix'), ['dc=a,dc=b']);
  assert.equal(
    parseServices('ldap:/// ldapi:/// ldaps://192.0.2.1:6636/ ldap://[::1]:3389 x').map(({ host, port }) => [
      host,
      port,
    ]),
    [
      ['', 389],
      ['192.0.2.1', 6636],
      ['::1', 3389],
    ],
  );
  const conf = `suffix "dc=example,dc=org"\ndirectory\t/srv/ldap\nrootpw ${SECRET}\n`;
  const files = { '/etc/default/slapd': 'SLAPD_CONF=/etc/ldap/slapd.conf\n', '/etc/ldap/slapd.conf': conf };
  const reading = await openldap(found(), pretend({ files }));
  assert.equal(reading.set?.['suffixes']?.value, ['dc=example,dc=org']);
  assert.is(reading.set?.['database']?.value, '/srv/ldap');
  assert.not.match(JSON.stringify(reading), SECRET);
});

test('a certificate is checked only where it can be trusted', () => {
  const leaf = recorded('leaf.pem');
  const authority = recorded('authority.pem');
  const shown = (files: Record<string, string>, names: (string | null)[] = []) =>
    shownBy(pretend({ files }), ['/key', '/c'], 'x', names);
  const known = { '/c': leaf, '/etc/ssl/certs/ca-certificates.crt': authority };
  assert.is(shown(known).name?.value, 'mail.example.org', 'the first name that is no pattern');
  assert.is(shown(known, ['mx1.example.org']).name?.value, 'mx1.example.org');
  assert.is(shown(known, ['x.example.net']).name?.value, 'x.example.net', 'a pattern fits the own name');
  assert.equal(shown(known).overlays[0]?.set, { ca: '/etc/ssl/certs/ca-certificates.crt' });
  assert.match(shown({ '/c': leaf }).notes.join(), 'does not know');
  assert.match(shown({ '/c': recorded('itself.pem') }).notes.join(), 'signed by itself');
  assert.match(
    shown({ '/c': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }).notes.join(),
    'no cert',
  );
  const chain = shown({ '/c': `${leaf}${authority}`, '/etc/ssl/certs/ca-certificates.crt': authority });
  assert.is(chain.name?.value, 'mail.example.org');
});

test('shapes let through what they are for, and nothing else', () => {
  for (const good of ['example.org', '_a.b-c.de']) assert.is(domain(good), good);
  for (const bad of ['localhost', 'a..b', '-a.b', 'a b.c', 'hash:/x', `${'a.'.repeat(200)}b`])
    assert.is(domain(bad), null);
  for (const good of ['/srv/mail', '/a/b-c_d.e@f']) assert.is(path(good), good);
  for (const bad of ['srv', '/a b', '/a\n', "/a'b", '/a$x']) assert.is(path(bad?.endsWith('\n') ? '/a\nb' : bad), null);
  assert.is(dn('dc=example, dc=org'), 'dc=example, dc=org');
  for (const bad of ['dc', 'dc=a\\,b', 'dc=a"', 'dc=\u0007']) assert.is(dn(bad), null);
  assert.equal(hostAndPort('[::1]:25'), { host: '::1', port: 25 });
  assert.equal(hostAndPort('a:x'), { host: 'a', port: null });
  const me = { hostname: 'mx1', addresses: ['192.0.2.11'] };
  for (const here of ['', 'localhost', '127.0.0.9', '[::1]', 'MX1', '192.0.2.11', '/run/x'])
    assert.ok(isHere(here, me), here);
  for (const away of ['192.0.2.12', 'mx2', '127.example.org'.slice(3)]) assert.not.ok(isHere(away, me), away);
});

test('a text in YAML is that text again', () => {
  const texts = [
    'a',
    'true',
    'No',
    '1',
    '1.5',
    "it's",
    'a: b',
    '-x',
    '$x',
    'x:',
    '[a]',
    'http://a/',
    'file:/etc/x',
    '',
    '@',
    '0x1',
  ];
  for (const text of texts) assert.is(load(`x: ${scalar(text)}\ny: [${scalar(text)}, 1]\n`).x, text, text);
  assert.equal(load(`x: ${scalar(['-u', 5, 'a'])}`).x, ['-u', 5, 'a']);
});

test.run();
