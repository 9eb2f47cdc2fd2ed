// Folders and files that a service may not use any more, as after a restore or a hasty chmod. It runs, answers, and
// cannot do its work; a restart meets the same again.
import { must } from '../lab/command.ts';
import type { MailNode } from '../lab/mail-node.ts';
import { type Fault, onlyTell } from './fault.ts';

const DENIED = /permission|mode|denied|may not|cannot (enter|read|write|use)|not allowed/i;

const incoming: Fault = {
  name: 'spool-incoming-000',
  about: 'Postfix may not enter its own queue folder `incoming`: every mail hangs after DATA',
  breaks: 'mail',
  expects: onlyTell('mta', ['misconfigured'], DENIED),
  units: ['postfix@-'],
  inject: async (mail) => {
    await must(['chmod', '000', `${mail.spool}/incoming`]);
  },
  undo: async (mail) => {
    await must(['chmod', '700', `${mail.spool}/incoming`]);
  },
};

const store: Fault = {
  name: 'store-000',
  about: 'Dovecot may not enter the folder of the mailboxes',
  breaks: 'mail',
  expects: onlyTell('store', ['misconfigured'], DENIED),
  units: [],
  inject: async (mail) => {
    await must(['chmod', '000', mail.store]);
  },
  undo: async (mail) => {
    await must(['chmod', '755', mail.store]);
  },
};

const users: Fault = {
  name: 'users-unreadable',
  about: 'the file of users is readable by root only: nobody can log in, and nothing else is wrong',
  breaks: 'mail',
  expects: onlyTell('store', ['misconfigured', 'dependency', 'credentials'], /auth|login|users|permission|denied/i),
  units: [],
  inject: async ({ node }) => {
    await node.exec(['chmod', '000', '/etc/dovecot/users']);
    await node.exec(['doveadm', 'reload']);
  },
  undo: async ({ node }) => {
    await node.exec(['chmod', '644', '/etc/dovecot/users']);
    await node.exec(['doveadm', 'reload']);
  },
};

const probe: Fault = {
  name: 'probe-password',
  about: 'the password of the probe was changed: only the probe cannot log in',
  breaks: null,
  expects: onlyTell('store', ['credentials'], /AUTHENTICATIONFAILED|probe|account|password|login/i),
  units: [],
  inject: (mail) => password(mail, 'somethingelse'),
  undo: (mail) => password(mail, 'lab-secret'),
};

async function password({ node }: MailNode, text: string): Promise<void> {
  const lines = node.read('/etc/dovecot/users').replace(/^(probe@[^:]*):\{PLAIN\}[^:]*/m, `$1:{PLAIN}${text}`);
  node.put('/etc/dovecot/users', lines);
}

export const permissionFaults: readonly Fault[] = [incoming, store, users, probe];
