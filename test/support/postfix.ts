// A Postfix of its own: SMTP, submission, and delivery to a Dovecot.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Dovecot } from './dovecot.ts';
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

export interface Postfix extends Server {
  readonly smtp: number;
  /** Login needed; relays for who is logged in. */
  readonly submission: number;
  readonly config: string;
  readonly queue: string;
  /** `postqueue -c CONFIG -j` as argv. */
  readonly list: readonly string[];
  /** Sets main.cf parameters and reloads. */
  set(parameters: Readonly<Record<string, string>>): void;
}

export interface PostfixOptions {
  /** Delivers to this Dovecot's LMTP and asks it for logins. Without: every mail for lab.test is deferred. */
  readonly dovecot?: Dovecot;
  readonly parameters?: Readonly<Record<string, string>>;
}

/** Every service but those that need one; the name of the first is the port. */
const MASTER = (smtp: number, submission: number): string => `127.0.0.1:${smtp} inet n - n - - smtpd
127.0.0.1:${submission} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

function postfixParameters(folder: string, options: PostfixOptions): Record<string, string> {
  const { cert, key } = writeCertificate(folder);
  const { dovecot } = options;
  return {
    compatibility_level: '3.6',
    queue_directory: join(folder, 'spool'),
    data_directory: join(folder, 'data'),
    maillog_file: join(folder, 'log'),
    maillog_file_prefixes: folder,
    multi_instance_name: `postfix-${folder.split('-').at(-1) ?? ''}`,
    multi_instance_enable: 'yes',
    myhostname: 'mail.test',
    mydestination: '',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    alias_maps: '',
    local_recipient_maps: '',
    virtual_mailbox_domains: 'lab.test',
    virtual_mailbox_maps: 'inline:{' + USERS.map((user) => `{${user}@lab.test=x}`).join(',') + '}',
    virtual_transport: dovecot ? `lmtp:unix:${dovecot.sockets}/lmtp` : 'lmtp:inet:127.0.0.1:1',
    smtpd_tls_cert_file: cert,
    smtpd_tls_key_file: key,
    smtpd_tls_security_level: 'may',
    smtpd_recipient_restrictions: 'permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination',
    smtpd_relay_restrictions: 'permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination',
    ...(dovecot ? { smtpd_sasl_type: 'dovecot', smtpd_sasl_path: `${dovecot.sockets}/auth` } : {}),
    // A mail that is deferred is tried again within seconds.
    queue_run_delay: '1s',
    minimal_backoff_time: '1s',
    maximal_backoff_time: '2s',
    ...options.parameters,
  };
}

export async function startPostfix(options: PostfixOptions = {}): Promise<Postfix> {
  const folder = newFolder('postfix');
  const [smtp = 0, submission = 0] = await freePorts(2);
  const [config, queue, data] = [join(folder, 'etc'), join(folder, 'spool'), join(folder, 'data')];
  for (const path of [config, queue, data]) mkdirSync(path, { mode: 0o755 });
  execFileSync('chown', ['postfix', data]);
  const main = join(config, 'main.cf');
  let all = postfixParameters(folder, options);
  const write = (): void =>
    writeFileSync(
      main,
      Object.entries(all)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join(''),
    );
  write();
  writeFileSync(join(config, 'master.cf'), MASTER(smtp, submission));
  const postfix = (verb: string): void => {
    launch(['postfix', '-c', config, verb], join(folder, 'start'));
  };
  postfix('start');
  const pid = (): number => pidIn(join(queue, 'pid', 'master.pid'));
  await until('a Postfix that greets', () => answers(smtp, /^220/), 20_000);
  return {
    folder,
    smtp,
    submission,
    config,
    queue,
    pid,
    list: ['/usr/sbin/postqueue', '-c', config, '-j'],
    log: readLog(join(folder, 'log')),
    set(parameters) {
      all = { ...all, ...parameters };
      write();
      postfix('reload');
    },
    async stop() {
      await endTree(pid());
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
