// The mail of the sandbox: files in a folder with a size limit, shown by hoodiecrow-imap. hoodiecrow keeps mail in
// memory only and leaves some room for doubt to strict clients; both are mended here, by its own hooks.
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasRoom, writeWhole } from './disk.ts';
import {
  type Connection,
  type Handler,
  hoodiecrow,
  type ImapServer,
  type Mailbox,
  type Message,
} from './hoodiecrow.ts';

const SUFFIX = '.eml';

export interface MailFolder {
  readonly imap: ImapServer;
  hasRoom(bytes: number): boolean;
  /** Puts a message into INBOX and onto disk. Throws what the file system says. */
  deliver(message: Buffer): void;
}

function loadMail(data: string): Message[] {
  return readdirSync(data)
    .filter((name) => name.endsWith(SUFFIX))
    .sort()
    .map((file, at) => ({ uid: at + 1, flags: [], raw: readFileSync(join(data, file), 'latin1'), file }));
}

/** Every message of INBOX is a file before anybody hears of it. */
function keepOnDisk(server: ImapServer, data: string): void {
  server.messageHandlers.push((_server, message, mailbox) => {
    if (message.file !== undefined || mailbox !== server.getMailbox('INBOX')) return;
    const file = `${Date.now()}-${randomUUID()}${SUFFIX}`;
    try {
      writeWhole(data, file, Buffer.from(message.raw, 'latin1'));
    } catch (error) {
      mailbox.messages.splice(mailbox.messages.indexOf(message), 1);
      throw error;
    }
    message.file = file;
  });
}

/** Removes the files of messages that the mailbox has no more. */
function forget(data: string, mailbox: Mailbox): void {
  const kept = new Set(mailbox.messages.map((message) => message.file));
  for (const name of readdirSync(data)) {
    if (name.endsWith(SUFFIX) && !kept.has(name)) rmSync(join(data, name), { force: true });
  }
}

function wrap(server: ImapServer, command: string, around: (inner: Handler) => Handler): void {
  server.setCommandHandler(command, around(server.getCommandHandler(command)));
}

const overQuota = [
  { type: 'SECTION', section: [{ type: 'ATOM', value: 'OVERQUOTA' }] },
  { type: 'TEXT', value: 'Quota exceeded (mailbox for user is full)' },
];

function hook(server: ImapServer, data: string, limitBytes: number): void {
  for (const command of ['EXPUNGE', 'UID EXPUNGE', 'CLOSE']) {
    wrap(server, command, (inner) => (connection, parsed, line, done) => {
      inner(connection, parsed, line, done);
      forget(data, server.getMailbox('INBOX'));
    });
  }
  wrap(server, 'APPEND', (inner) => (connection, parsed, line, done) => {
    if (hasRoom(data, limitBytes, line.length)) return inner(connection, parsed, line, done);
    connection.send({ tag: parsed.tag, command: 'NO', attributes: overQuota }, 'APPEND FAILED', parsed, line);
    done();
  });
  // RFC 3501 6.4.4: a SEARCH that finds nothing answers with an empty list, not with none.
  const answered = new WeakSet<Connection>();
  server.outputHandlers.push((connection, response, description) => {
    if (description !== 'SEARCH' && description !== 'UID SEARCH') return;
    if (response.tag === '*') return void answered.add(connection);
    if (!answered.delete(connection)) connection.send({ tag: '*', command: 'SEARCH' }, 'SEARCH EMPTY');
  });
}

/** Opens the mail in the folder `data` for one account that any of `users` may use. */
export function openMail(data: string, limitBytes: number, users: readonly string[], password: string): MailFolder {
  const imap = hoodiecrow({
    users: Object.fromEntries(users.map((user) => [user, { password }])),
    plugins: ['AUTH-PLAIN', 'SASL-IR', 'LITERALPLUS', 'UIDPLUS', 'UNSELECT', 'ID'],
    storage: {
      // UIDs are counted anew at each start, and this number says so (RFC 3501 2.3.1.1).
      INBOX: { messages: loadMail(data), uidvalidity: Math.floor(Date.now() / 1000) },
      '': {},
    },
  });
  keepOnDisk(imap, data);
  hook(imap, data, limitBytes);
  return {
    imap,
    hasRoom: (bytes) => hasRoom(data, limitBytes, bytes),
    deliver: (message) => imap.appendMessage(imap.getMailbox('INBOX'), [], new Date(), message.toString('latin1')),
  };
}
