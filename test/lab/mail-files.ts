// The configuration files of a mail node, as texts: Debian's own units and layout, the least that a real one needs.
import { NETWORK } from './place.ts';

export const DOMAIN = 'lab.test';
export const USERS = ['ann', 'bob', 'eve', 'probe'] as const;
export const PASSWORD = 'lab-secret';
/** Owner of the mailboxes. */
export const MAIL_UID = 5000;
export const STORE = '/srv/mail';
export const SPOOL = '/var/spool/postfix';
export const TLS = '/etc/ssl/lab';
export const PAGE = 'Webmail of the lab';

export const mainCf = (name: string): string => `compatibility_level = 3.6
myhostname = ${name}.${DOMAIN}
mydestination = localhost
inet_protocols = ipv4
mynetworks = 127.0.0.0/8 ${NETWORK}.0/24
virtual_mailbox_domains = ${DOMAIN}
virtual_mailbox_maps = hash:/etc/postfix/users
virtual_transport = lmtp:unix:private/dovecot-lmtp
alias_maps =
local_recipient_maps =
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_tls_chain_files = ${TLS}/live.key, ${TLS}/live.pem
smtpd_tls_security_level = may
minimal_backoff_time = 5s
maximal_backoff_time = 20s
queue_run_delay = 5s
`;

export const SUBMISSION = `submission inet n - y - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
`;

export const dovecotConf = (): string => `protocols = imap pop3 lmtp
listen = *
mail_location = maildir:${STORE}/%n
mail_uid = ${MAIL_UID}
mail_gid = ${MAIL_UID}
first_valid_uid = ${MAIL_UID}
ssl = yes
ssl_cert = <${TLS}/live.pem
ssl_key = <${TLS}/live.key
disable_plaintext_auth = no
auth_mechanisms = plain login
postmaster_address = postmaster@${DOMAIN}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=${MAIL_UID} gid=${MAIL_UID} home=${STORE}/%n
}
service lmtp {
  unix_listener ${SPOOL}/private/dovecot-lmtp {
    mode = 0600
    user = postfix
  }
  inet_listener lmtp {
    port = 24
  }
}
service auth {
  unix_listener ${SPOOL}/private/auth {
    mode = 0660
    user = postfix
  }
}
namespace inbox {
  inbox = yes
}
`;

export const nginxConf = (): string => `user www-data;
pid /run/nginx.pid;
worker_processes 1;
error_log /var/log/nginx/error.log;
events { worker_connections 256; }
http {
  types { text/html html; }
  access_log off;
  server {
    listen 80;
    root /srv/www;
    location = /health { return 200 "ok\\n"; }
  }
}
`;

/** The node is its own resolver: it knows its domain and who has which address in the lab, and nothing else. */
export const namedConf = (): string => `options {
  directory "/var/cache/bind";
  listen-on { any; };
  listen-on-v6 { none; };
  recursion no;
  dnssec-validation no;
};
zone "${DOMAIN}" { type master; file "/etc/bind/lab.zone"; };
zone "${NETWORK.split('.').reverse().join('.')}.in-addr.arpa" { type master; file "/etc/bind/reverse.zone"; };
`;

const zoneHead = `$TTL 30
@ SOA ns.${DOMAIN}. root.${DOMAIN}. 1 60 60 3600 30
@ NS ns.${DOMAIN}.
`;

export const zone = (address: string): string => `${zoneHead}@ MX 10 mail
ns A ${address}
mail A ${address}
client A ${NETWORK}.100
`;

export const reverseZone = (address: string): string => `${zoneHead}100 PTR client.${DOMAIN}.
${address.split('.')[3]} PTR mail.${DOMAIN}.
`;
