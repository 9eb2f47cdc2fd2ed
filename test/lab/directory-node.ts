// What a full mail node has besides: a directory that Postfix asks for its recipients (slapd), and a filter that every
// mail goes through (opendkim as a milter).
import { appendFileSync } from 'node:fs';
import * as files from './mail-files.ts';
import type { LabNode } from './node.ts';

const SUFFIX = 'dc=lab,dc=test';

const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile /run/slapd/slapd.pid
argsfile /run/slapd/slapd.args
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix ${SUFFIX}
rootdn cn=admin,${SUFFIX}
rootpw lab
directory /srv/ldap
maxsize 20971520
index objectClass,mail eq
`;

const person = (name: string): string => `dn: uid=${name},${SUFFIX}
objectClass: inetOrgPerson
uid: ${name}
cn: ${name}
sn: ${name}
mail: ${name}@${files.DOMAIN}
`;

const root = `dn: ${SUFFIX}
objectClass: dcObject
objectClass: organization
dc: lab
o: lab
`;

const MAP = `server_host = ldap://127.0.0.1
search_base = ${SUFFIX}
query_filter = (mail=%s)
result_attribute = mail
bind = no
timeout = 5
version = 3
`;

export const FILTER_PORT = 8891;

/** Before the boot: the files. */
export function writeDirectory(node: LabNode): void {
  node.put('/etc/ldap/slapd.conf', slapdConf);
  node.put(
    '/etc/default/slapd',
    'SLAPD_CONF=/etc/ldap/slapd.conf\nSLAPD_USER=openldap\nSLAPD_GROUP=openldap\nSLAPD_SERVICES="ldap:/// ldapi:///"\n',
  );
  node.put('/srv/people.ldif', [root, ...files.USERS.map(person)].join('\n'));
  node.remove('/etc/ldap/noslapd');
  node.put('/etc/postfix/recipients.cf', MAP);
  // Its default unit reads this file and nothing else.
  const opendkim = `Mode v\nSocket inet:${FILTER_PORT}@127.0.0.1\nUserID opendkim\nPidFile /run/opendkim/opendkim.pid\n`;
  node.put('/etc/opendkim.conf', `${opendkim}Syslog no\nInternalHosts 0.0.0.0/0\n`);
  const main = `virtual_mailbox_maps = ldap:/etc/postfix/recipients.cf
smtpd_milters = inet:127.0.0.1:${FILTER_PORT}
milter_default_action = tempfail
milter_connect_timeout = 5s
milter_command_timeout = 5s
`;
  appendFileSync(node.path('/etc/postfix/main.cf'), main);
}

/** After the boot: the entries, and the two units, which Debian starts by SysV scripts' units. */
export async function startDirectory(node: LabNode): Promise<void> {
  await node.exec([
    'sh',
    '-c',
    `mkdir -p /srv/ldap /run/slapd && rm -rf /srv/ldap/*
    slapadd -q -f /etc/ldap/slapd.conf -b ${SUFFIX} -l /srv/people.ldif && chown -R openldap: /srv/ldap /run/slapd`,
  ]);
  for (const unit of ['slapd', 'opendkim']) await node.exec(['systemctl', 'start', unit], { timeoutMs: 30_000 });
}
