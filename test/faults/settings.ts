// Faults of configuration and surroundings: a restart reads the same again, or the trouble is elsewhere.
import { eventually, must } from '../lab/command.ts';
import { type MailNode, masterOf, membersOf, showCertificate, type Unit } from '../lab/mail-node.ts';
import { signal } from '../lab/processes.ts';
import { type Fault, onlyTell, type ServiceName, startAside, stopAside, UNIT_OF } from './fault.ts';

const SOCKET = '/var/spool/postfix/private/dovecot-lmtp';

const lmtpRefusing: Fault = {
  name: 'lmtp-refusing',
  about: 'something answers on the LMTP socket and refuses every recipient',
  breaks: 'mail',
  expects: onlyTell('mta', ['refusing', 'dependency'], /lmtp|deliver|defer/i),
  units: ['dovecot', 'postfix@-'],
  inject: async (mail) => {
    const { node } = mail;
    await node.exec(['mv', SOCKET, `${SOCKET}.away`]);
    await startAside(mail, 'sink', ['smtp-sink', '-u', 'postfix', '-L', '-r', 'RCPT', `unix:${SOCKET}`, '50']);
    await eventually('the sink', async () => (await node.attempt(['chmod', '666', SOCKET])).code === 0, 3000);
    // Postfix may still hold a connection to the true one.
    signal(
      membersOf(node, 'postfix@-').filter((each) => each.exe.endsWith('/lmtp')),
      'SIGKILL',
    );
  },
  undo: async (mail) => {
    await stopAside(mail, 'sink');
    await mail.node.attempt(['rm', '-f', SOCKET, `${SOCKET}.away`]);
  },
};

async function readCertificates(mail: MailNode): Promise<void> {
  for (const unit of ['dovecot', 'postfix@-']) await mail.node.exec(['systemctl', 'reload', unit]);
}

const certificateExpired: Fault = {
  name: 'certificate-expired',
  about: 'the certificate of Postfix and Dovecot ended ten days ago',
  breaks: 'certificate',
  expects: onlyTell('store', ['expired'], /expired|certificate/i),
  units: [],
  inject: async (mail) => {
    showCertificate(mail, mail.certificates.expired);
    await readCertificates(mail);
  },
  undo: async (mail) => {
    showCertificate(mail, mail.certificates.good);
    await readCertificates(mail);
  },
};

const misconfigured = (service: ServiceName, file: string, line: string, words: RegExp): Fault => {
  const unit: Unit = UNIT_OF[service];
  const kept = `/root/kept-${service}`;
  return {
    name: `${unit.replace('@-', '')}-misconfigured`,
    about: `${file} has a line that the service refuses, and then it dies: a start cannot help`,
    breaks: 'mail',
    expects: onlyTell(service, ['misconfigured'], words),
    units: [unit],
    inject: async ({ node }) => {
      await node.exec(['cp', '-p', file, kept]);
      node.put(file, `${node.read(file)}${line}\n`);
      const master = masterOf(node, unit);
      if (master) process.kill(master.pid, 'SIGKILL');
    },
    undo: async ({ node }) => {
      await node.exec(['cp', '-p', kept, file]);
    },
  };
};

/** For the node itself and for the part of Postfix that lives in its chroot. */
async function nameserver({ node, spool }: MailNode, address: string): Promise<void> {
  node.put('/etc/resolv.conf', `nameserver ${address}\n`);
  await must(['cp', node.path('/etc/resolv.conf'), `${spool}/etc/resolv.conf`]);
}

const resolverGone: Fault = {
  name: 'resolver-gone',
  about: 'resolv.conf names a resolver that nobody is: every greeting of Postfix is late',
  breaks: 'mail',
  expects: onlyTell('mta', ['dependency'], /resolv|dns|name ?server|reverse|lookup|10\.79\.0\.99/i),
  units: [],
  inject: (mail) => nameserver(mail, '10.79.0.99'),
  undo: (mail) => nameserver(mail, '127.0.0.1'),
};

export const settingsFaults: readonly Fault[] = [
  lmtpRefusing,
  certificateExpired,
  misconfigured('mta', '/etc/postfix/main.cf', 'inet_protocols = ipv9', /main\.cf|inet_protocols|ipv9|postfix check/i),
  misconfigured('store', '/etc/dovecot/dovecot.conf', 'mail_locatoin = /srv', /dovecot\.conf|mail_locatoin|config/i),
  resolverGone,
];
