// Faults of file systems: full, read-only, frozen. No restart helps against any of them.
import { must, poll } from '../lab/command.ts';
import type { MailNode } from '../lab/mail-node.ts';
import { attempt } from '../lab/command.ts';
import { type Fault, fill, onlyTell } from './fault.ts';

const spoolFull: Fault = {
  name: 'spool-full',
  about: "the file system of Postfix' queue is full",
  breaks: 'mail',
  expects: onlyTell('mta', ['no-space'], /space|full|free|spool|452/i),
  units: [],
  inject: (mail) => fill(mail, 'spool'),
  undo: async (mail) => mail.node.remove('/var/spool/postfix/fill'),
};

const storeFull: Fault = {
  name: 'store-full',
  about: 'the file system of the mailboxes is full',
  breaks: 'mail',
  expects: onlyTell('store', ['no-space'], /space|full|free|store|\/srv\/mail/i),
  units: [],
  inject: (mail) => fill(mail, 'store'),
  undo: async (mail) => mail.node.remove('/srv/mail/fill'),
};

const storeReadOnly: Fault = {
  name: 'store-read-only',
  about: 'the file system of the mailboxes was remounted read-only, as after an error of the disk',
  breaks: 'mail',
  expects: onlyTell('store', ['no-space'], /read.?only|\bro\b|store|\/srv\/mail/i),
  units: [],
  inject: async (mail) => {
    // It is refused while a delivery has a file open for writing.
    const remount = ['mount', '-o', 'remount,ro', mail.store];
    const done = await poll(async () => (await attempt(remount)).code === 0, 5000, 200);
    if (!done) throw new Error('the store stays writable');
  },
  undo: async (mail) => {
    await must(['mount', '-o', 'remount,rw', mail.store]);
  },
};

/** What writes to a frozen file system cannot even be killed, so nobody here touches it before it is thawed. */
const storeFrozen: Fault = {
  name: 'store-frozen',
  about: 'writes to the mailboxes hang in the kernel, as on a dead disk or file server',
  breaks: 'mail',
  expects: onlyTell('store', ['hung', 'dependency', 'no-space'], /store|\/srv\/mail|write|disk|file system|hang/i),
  units: ['dovecot'],
  inject: async (mail: MailNode) => {
    await must(['fsfreeze', '-f', mail.store], { timeoutMs: 5000 });
  },
  undo: async (mail) => {
    await must(['fsfreeze', '-u', mail.store], { timeoutMs: 5000 });
  },
};

/** As many empty files as the file system holds. */
const storeInodes: Fault = {
  name: 'store-inodes',
  about: 'the file system of the mailboxes has blocks left, and no inode',
  breaks: 'mail',
  expects: onlyTell('store', ['no-space'], /inode|space|full|\/srv\/mail/i),
  units: [],
  inject: async ({ node }) => {
    await node.attempt(['sh', '-c', 'mkdir -p /srv/mail/fill && cd /srv/mail/fill && seq 1 20000 | xargs touch'], {
      timeoutMs: 60_000,
    });
  },
  undo: async (mail) => {
    await mail.node.exec(['rm', '-rf', '/srv/mail/fill'], { timeoutMs: 60_000 });
  },
};

export const storageFaults: readonly Fault[] = [spoolFull, storeFull, storeReadOnly, storeFrozen, storeInodes];
