// Roundcube in a lab node as Debian has it, behind nginx and php-fpm, with SQLite; and a small Dovecot, which is its
// message store, and to getmail the provider.
import { must } from './command.ts';
import type { LabNode } from './node.ts';

export const ACCOUNT = { user: 'probe', password: 'lab-secret', file: '/etc/watchkeeper/probe' } as const;
const DATABASE = '/var/lib/roundcube-lab';

const dovecotConf = `protocols = imap
listen = 127.0.0.1
log_path = /var/log/dovecot.log
mail_location = maildir:/srv/mail/%n
mail_uid = 5000
mail_gid = 5000
first_valid_uid = 5000
ssl = no
disable_plaintext_auth = no
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%n /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=5000 gid=5000 home=/srv/mail/%n
}
namespace inbox {
  inbox = yes
}
`;

/** An IMAP server with one account. */
export async function provider(node: LabNode): Promise<void> {
  node.remove('/etc/dovecot');
  node.put('/etc/dovecot/dovecot.conf', dovecotConf, { mode: 0o644 });
  node.put('/etc/dovecot/users', `${ACCOUNT.user}:${ACCOUNT.password}\n`, { mode: 0o644 });
  await must(['install', '-d', '-o', '5000', '-g', '5000', node.path('/srv/mail')]);
}

const nginxConf = `user www-data;
pid /run/nginx.pid;
worker_processes 1;
error_log /var/log/nginx/error.log;
events { worker_connections 64; }
http {
  access_log off;
  include /etc/nginx/mime.types;
  server {
    listen 127.0.0.1:80;
    root /var/lib/roundcube/public_html;
    index index.php;
    location ~ \\.php(/|$) {
      include /etc/nginx/fastcgi.conf;
      fastcgi_pass unix:/run/php/php8.2-fpm.sock;
    }
  }
}
`;

const configInc = `<?php
$config = [];
include("/etc/roundcube/debian-db-roundcube.php");
$config['imap_host'] = ['127.0.0.1:143'];
$config['des_key'] = 'rcmail-lab-24-characters';
$config['plugins'] = [];
$config['skin'] = 'elastic';
`;

export async function webmail(node: LabNode): Promise<void> {
  await provider(node);
  node.put('/etc/nginx/nginx.conf', nginxConf);
  node.put('/etc/roundcube/config.inc.php', configInc, { mode: 0o644 });
  const dsn = `sqlite:///${DATABASE}/roundcube.db?mode=0640`;
  node.put('/etc/roundcube/debian-db-roundcube.php', `<?php\n$config['db_dsnw'] = '${dsn}';\n`, { mode: 0o644 });
  node.put(ACCOUNT.file, `${ACCOUNT.password}\n`, { mode: 0o600 });
  await must(['install', '-d', '-o', 'www-data', '-g', 'www-data', node.path(DATABASE)]);
}

/** What goes wrong with a webmail: how it is broken and mended in the node, and the cause that must be told. */
export interface Fault {
  readonly name: string;
  readonly cause: string;
  /** A word that the person reads. */
  readonly says: RegExp;
  readonly broken: readonly string[];
  readonly mended: readonly string[];
}

const CONFIG = '/etc/roundcube/config.inc.php';
const owner = (who: string, path: string): readonly string[] => ['chown', who, path];
const unit = (verb: string, name: string): readonly string[] => ['systemctl', verb, name];
const signalled = (name: string): readonly string[] => ['systemctl', 'kill', '-s', name, 'php8.2-fpm.service'];

export const WEBMAIL_FAULTS: readonly Fault[] = [
  {
    ...{ name: 'its database is gone', cause: 'dependency', says: /DB Error: .*unable to open database/ },
    broken: ['mv', DATABASE, `${DATABASE}.away`],
    mended: ['mv', `${DATABASE}.away`, DATABASE],
  },
  {
    ...{ name: 'its database cannot be written', cause: 'misconfigured', says: /readonly database/ },
    broken: ['chown', '-R', 'root', DATABASE],
    mended: ['chown', '-R', 'www-data', DATABASE],
  },
  {
    ...{ name: 'its configuration is broken', cause: 'misconfigured', says: /gives 500/ },
    broken: ['sh', '-c', `cp ${CONFIG} ${CONFIG}.kept && echo 'nonsense here {' >>${CONFIG}`],
    mended: ['mv', `${CONFIG}.kept`, CONFIG],
  },
  {
    ...{ name: 'its message store is gone', cause: 'dependency', says: /storage server.*Connection refused/ },
    broken: unit('stop', 'dovecot.service'),
    mended: unit('start', 'dovecot.service'),
  },
  {
    ...{ name: 'its message store hangs', cause: 'dependency', says: /mostly for IMAP/ },
    broken: ['systemctl', 'kill', '-s', 'STOP', 'dovecot.service'],
    mended: ['systemctl', 'kill', '-s', 'CONT', 'dovecot.service'],
  },
  {
    ...{ name: 'its temp folder cannot be written', cause: 'misconfigured', says: /www-data may not/ },
    broken: owner('root:root', '/var/lib/roundcube/temp'),
    mended: owner('www-data:www-data', '/var/lib/roundcube/temp'),
  },
  {
    ...{ name: 'its log cannot be written', cause: 'misconfigured', says: /www-data may not/ },
    broken: owner('root:root', '/var/log/roundcube'),
    mended: owner('www-data:adm', '/var/log/roundcube'),
  },
  {
    ...{ name: 'PHP is gone', cause: 'dependency', says: /gives 502/ },
    broken: unit('stop', 'php8.2-fpm.service'),
    mended: unit('start', 'php8.2-fpm.service'),
  },
  {
    ...{ name: 'PHP hangs', cause: 'hung', says: /no complete answer/ },
    broken: signalled('STOP'),
    mended: signalled('CONT'),
  },
  {
    ...{ name: 'the web server is gone', cause: 'refusing', says: /connection refused/ },
    broken: unit('stop', 'nginx.service'),
    mended: unit('start', 'nginx.service'),
  },
];
