// The judge of the lab, a program for the client: does the node do what a user wants? It sends a mail and reads it
// back, looks at the certificate, the page and the resolver. It shares no code with the checks that it judges.
//   node truth.js ADDRESS CA-FILE LIMIT_MS       prints one JSON object, exit 0 = all is well
import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { DOMAIN, PAGE, PASSWORD } from './mail-files.ts';

const [address = '', authority = '', limit = '10000'] = process.argv.slice(2);
const limitMs = Number(limit);
const end = performance.now() + limitMs;

/** Says `line`, and waits for a line that `until` matches. Rejects when the peer hangs up or is late. */
function ask(socket: Socket, line: string | null, until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = '';
    const done = (settle: () => void): void => {
      clearTimeout(timer);
      socket.off('data', listen).off('close', close).off('error', close);
      settle();
    };
    const timer = setTimeout(() => done(() => reject(new Error(`no answer to ${line ?? 'connect'}`))), 5000);
    const close = (): void =>
      done(() => reject(new Error(`hung up after ${line ?? 'connect'}: ${heard.slice(0, 80)}`)));
    const listen = (data: Buffer): void => {
      heard = (heard + data.toString('latin1')).slice(-20_000);
      if (until.test(heard)) done(() => resolve(heard));
    };
    socket.on('data', listen).on('close', close).on('error', close);
    if (line !== null) socket.write(`${line}\r\n`);
  });
}

async function smtp(line: string | null, socket: Socket, code: string): Promise<void> {
  const heard = await ask(socket, line, /^\d{3} .*\r\n/m);
  const last = heard.trim().split('\r\n').at(-1) ?? '';
  if (!last.startsWith(code)) throw new Error(`${line ?? 'greeting'}: ${last}`);
}

async function send(token: string): Promise<void> {
  const socket = connect(25, address);
  try {
    await smtp(null, socket, '220');
    await smtp('EHLO client.lab.test', socket, '250');
    await smtp(`MAIL FROM:<judge@${DOMAIN}>`, socket, '250');
    await smtp(`RCPT TO:<eve@${DOMAIN}>`, socket, '250');
    await smtp('DATA', socket, '354');
    await smtp(`Subject: ${token}\r\n\r\nIs it true?\r\n.`, socket, '250');
    await smtp('QUIT', socket, '221');
  } finally {
    socket.destroy();
  }
}

/** True when the mail was there, and is deleted now. */
async function take(token: string): Promise<boolean> {
  const socket = connect(143, address);
  const imap = async (line: string): Promise<string> => {
    const heard = await ask(socket, `t ${line}`, /^t .*\r\n/m);
    if (!/^t OK/m.test(heard)) throw new Error(`${line.split(' ')[0]}: ${heard.trim().slice(-80)}`);
    return heard;
  };
  try {
    await ask(socket, null, /^\* OK.*\r\n/m);
    await imap(`LOGIN eve@${DOMAIN} ${PASSWORD}`);
    await imap('SELECT INBOX');
    const found = /^\* SEARCH (\d+)/m.exec(await imap(`SEARCH SUBJECT ${token}`))?.[1];
    if (!found) return false;
    await imap(`STORE ${found} +FLAGS (\\Deleted)`);
    await imap('EXPUNGE');
    return true;
  } finally {
    socket.destroy();
  }
}

async function mail(): Promise<void> {
  const token = `truth${process.pid}x${Date.now()}`;
  await send(token);
  let last = 'it is not in the mailbox';
  while (performance.now() < end) {
    try {
      if (await take(token)) return;
    } catch (error) {
      last = (error as Error).message;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`accepted, but ${last}`);
}

function certificate(): Promise<void> {
  return new Promise((resolve, reject) => {
    const ca = readFileSync(authority);
    const socket = connectTls({ host: address, port: 993, ca, servername: `mail.${DOMAIN}` }, () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

function page(): Promise<void> {
  return new Promise((resolve, reject) => {
    get({ host: address, port: 80, path: '/' }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => {
        text = (text + data.toString()).slice(0, 10_000);
      });
      response.on('end', () => (text.includes(PAGE) ? resolve() : reject(new Error('the page says something else'))));
    }).on('error', reject);
  });
}

async function resolver(): Promise<void> {
  const ask = new Resolver({ timeout: 2000, tries: 1 });
  ask.setServers([address]);
  const found = await ask.resolve4(`mail.${DOMAIN}`);
  if (!found.includes(address)) throw new Error(`mail.${DOMAIN} is ${found.join(' ')}`);
}

async function bounded(part: () => Promise<void>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no end')), limitMs + 500);
  });
  try {
    await Promise.race([part(), late]);
    return 'ok';
  } catch (error) {
    return (error as Error).message || 'failed';
  } finally {
    clearTimeout(timer);
  }
}

const [mailed, shown, served, resolved] = await Promise.all([mail, certificate, page, resolver].map(bounded));
const found = { mail: mailed, certificate: shown, page: served, resolver: resolved };
console.log(JSON.stringify(found));
process.exit(Object.values(found).every((text) => text === 'ok') ? 0 : 1);
