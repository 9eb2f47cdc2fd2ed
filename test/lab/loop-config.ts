// The daemon's configuration on the mail node: the kits as shipped, and what a careful administrator adds to them.
// Beats are short, so that a test need not wait for minutes, and budgets wide: the faults come one after the other.
import { FILTER_PORT } from './directory-node.ts';
import { DOMAIN, PAGE, PASSWORD } from './mail-files.ts';
import type { MailNode } from './mail-node.ts';
import type { LabNode } from './node.ts';

const SECRET = '/etc/watchkeeper/probe';

export function writeSecret(node: LabNode): void {
  node.put(SECRET, `${PASSWORD}\n`, { mode: 0o600 });
}

const beats = `    quick: { every: 1s, timeout: 1s, fall: 2 }
    deep: { every: 6s, timeout: 5s }
    recover: { attempts: 10, window: 2m, stable: 6s, verify: 15s, flapping: { changes: 50, window: 10m, calm: 10s } }
`;

/** What a full node has besides. */
const neighbours = `  directory:
    kit: openldap
    set: { suffixes: ['dc=lab,dc=test'], database: /srv/ldap }
${beats}
  filter:
    kit: opendkim
    set: { socket: null, port: ${FILTER_PORT} }
${beats}
`;

export const loopConfig = ({ units }: Pick<MailNode, 'units'>): string => `node: lab
repairs: { max: 100, window: 10m }
services:
  resolver:
    kit: bind
    set: { query: mail.${DOMAIN} }
${beats}
${units.includes('slapd') ? neighbours : ''}  store:
    kit: dovecot
    set:
      user: probe@${DOMAIN}
      password: file:${SECRET}
      imaps-port: 993
      store: /srv/mail
      store-user: '5000'
      doveadm: /usr/bin/doveadm
      lmtp: /var/spool/postfix/private/dovecot-lmtp
      probe: probe@${DOMAIN}
      tls-name: mail.${DOMAIN}
    checks:
      - { name: certificate, every: 6s, ca: /etc/ssl/lab/ca.pem }
${beats}
  mta:
    kit: postfix
    depends: [store, resolver${units.includes('slapd') ? ', directory, filter' : ''}]
    set:
      user: probe@${DOMAIN}
      password: file:${SECRET}
      probe: probe@${DOMAIN}
      submission-port: 587
      tls-name: mail.${DOMAIN}
    checks:
      - { name: certificate, every: 6s, ca: /etc/ssl/lab/ca.pem }
      - { name: mail-roundtrip, every: 6s }
      - { type: dns, name: resolver, query: mail.${DOMAIN} }
${beats}
  web:
    kit: nginx
    set: { text: '${PAGE}' }
${beats}
alerts:
  log: { type: event-log }
`;
