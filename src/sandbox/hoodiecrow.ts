// The types of hoodiecrow-imap as far as we use it: an IMAP server of one account that keeps its mail in memory.
// Its package has none of its own.
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

export interface Message {
  uid: number;
  flags: string[];
  /** Each character is one byte. */
  raw: string;
  /** The file that holds it; ours. */
  file?: string;
}

export interface Mailbox {
  messages: Message[];
}

export interface Command {
  readonly tag: string;
  readonly attributes?: readonly unknown[];
}

export interface Response {
  readonly tag: string;
  readonly command?: string;
  readonly attributes?: readonly unknown[];
}

export interface Connection {
  send(response: Response, description: string, parsed?: Command, data?: string): void;
}

export type Handler = (connection: Connection, parsed: Command, data: string, done: () => void) => void;

export interface ImapServer {
  readonly messageHandlers: ((server: ImapServer, message: Message, mailbox: Mailbox) => void)[];
  readonly outputHandlers: ((connection: Connection, response: Response, description?: string) => void)[];
  createClient(socket: Socket): void;
  getMailbox(path: string): Mailbox;
  appendMessage(mailbox: Mailbox, flags: readonly string[], internaldate: Date, raw: string): void;
  getCommandHandler(command: string): Handler;
  setCommandHandler(command: string, handler: Handler): void;
}

export interface ImapOptions {
  readonly users: Readonly<Record<string, { readonly password: string }>>;
  readonly plugins: readonly (string | ((server: ImapServer) => void))[];
  readonly storage: {
    readonly INBOX: { readonly messages: readonly Message[]; readonly uidvalidity: number };
    readonly '': object;
  };
}

export const hoodiecrow = createRequire(import.meta.url)('hoodiecrow-imap') as (options: ImapOptions) => ImapServer;
