// A Dovecot of its own: IMAP, IMAPS, POP3, LMTP, and the sockets that a Postfix wants.
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  answers,
  endTree,
  freePorts,
  launch,
  newFolder,
  pidIn,
  readLog,
  type Server,
  until,
  USERS,
  writeCertificate,
} from './server.ts';

export interface Dovecot extends Server {
  readonly imap: number;
  readonly imaps: number;
  readonly pop3: number;
  readonly lmtp: number;
  /** Sockets that a Postfix uses: `auth` for SASL, `lmtp` for delivery. */
  readonly sockets: string;
  /** Mailboxes are below this, one Maildir a user: u1@lab.test … u5@lab.test and probe@lab.test, password `pw`. */
  readonly mail: string;
}

interface Wanted {
  readonly folder: string;
  readonly mail: string;
  readonly run: string;
  readonly sockets: string;
  readonly logFile: string;
  readonly cert: string;
  readonly key: string;
  readonly imap: number;
  readonly imaps: number;
  readonly pop3: number;
  readonly lmtp: number;
  readonly extra: string;
}

const general = (w: Wanted): string => `base_dir = ${w.run}
state_dir = ${w.run}
instance_name = ${w.folder.split('-').at(-1)}
protocols = imap pop3 lmtp
listen = 127.0.0.1
log_path = ${w.logFile}
mail_location = maildir:${w.mail}/%u
mail_uid = 5000
mail_gid = 5000
first_valid_uid = 5000
ssl = yes
ssl_cert = <${w.cert}
ssl_key = <${w.key}
disable_plaintext_auth = no
auth_failure_delay = 0
stats_writer_socket_path =
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${join(w.folder, 'users')}
}
userdb {
  driver = static
  args = uid=5000 gid=5000 home=${w.mail}/%u
}
`;

const services = (w: Wanted): string => `namespace inbox {
  inbox = yes
}
service imap-login {
  inet_listener imap {
    port = ${w.imap}
  }
  inet_listener imaps {
    port = ${w.imaps}
    ssl = yes
  }
}
service pop3-login {
  inet_listener pop3 {
    port = ${w.pop3}
  }
  inet_listener pop3s {
    port = 0
  }
}
service lmtp {
  unix_listener ${w.sockets}/lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    port = ${w.lmtp}
  }
}
service auth {
  unix_listener ${w.sockets}/auth {
    mode = 0666
  }
}
postmaster_address = postmaster@lab.test
${w.extra}
`;

/** A static userdb cannot be listed; that of a file can. */
const withList = (text: string): string =>
  text.replace(/userdb \{\n  driver = static\n  args = uid=5000 gid=5000 home=(\S+)\n\}/, (_, home: string) => {
    const file = /username_format=%u (\S+)/.exec(text)?.[1] ?? '';
    return `userdb {\n  driver = passwd-file\n  args = username_format=%u ${file}\n  default_fields = uid=5000 gid=5000 home=${home}\n}`;
  });

const configuration = (w: Wanted): string => general(w) + services(w);

/** `listed`: its users can be listed, as replication needs it. */
export async function startDovecot(extra = '', listed = false): Promise<Dovecot> {
  const folder = newFolder('dovecot');
  const [imap = 0, imaps = 0, pop3 = 0, lmtp = 0] = await freePorts(4);
  const [mail, run, sockets, logFile] = [
    join(folder, 'mail'),
    join(folder, 'run'),
    join(folder, 'sockets'),
    join(folder, 'log'),
  ];
  for (const path of [mail, run, sockets]) mkdirSync(path, { mode: 0o755 });
  chownSync(mail, 5000, 5000);
  const { cert, key } = writeCertificate(folder);
  writeFileSync(join(folder, 'users'), USERS.map((user) => `${user}@lab.test:{PLAIN}pw::::::\n`).join(''));
  const text = configuration({ folder, mail, run, sockets, logFile, cert, key, imap, imaps, pop3, lmtp, extra });
  writeFileSync(join(folder, 'dovecot.conf'), listed ? withList(text) : text);
  launch(['dovecot', '-c', join(folder, 'dovecot.conf')], join(folder, 'start'));
  const pid = (): number => pidIn(join(run, 'master.pid'));
  const main = pid();
  await until('a Dovecot that greets', () => answers(imap, /^\* OK/));
  return {
    folder,
    imap,
    imaps,
    pop3,
    lmtp,
    sockets,
    mail,
    pid,
    log: readLog(logFile),
    async stop() {
      await endTree(pid() || main);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
