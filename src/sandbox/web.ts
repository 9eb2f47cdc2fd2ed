// The web page of the sandbox. It depends on both others: /health logs in to the store and greets the mail server, and
// answers 502 with one sentence when either does not work.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { Gate } from './gate.ts';
import { serve } from './service.ts';
import { readPassword, type Settings } from './settings.ts';

/** Shorter than any check's patience: the page rather says what is wrong than nothing. */
const ASK_MS = 650;

async function countMail(settings: Settings<'web'>, pass: string): Promise<number> {
  const client = new ImapFlow({
    ...settings.imap,
    secure: false,
    doSTARTTLS: false,
    auth: { user: settings.user, pass },
    logger: false,
    connectionTimeout: ASK_MS,
    greetingTimeout: ASK_MS,
    socketTimeout: ASK_MS,
  });
  client.on('error', () => undefined); // The promise below tells it too.
  try {
    await client.connect();
    const status = await client.status('INBOX', { messages: true });
    return (status && status.messages) || 0;
  } finally {
    client.close();
  }
}

async function greetMta(settings: Settings<'web'>): Promise<void> {
  const transport = createTransport({
    ...settings.smtp,
    secure: false,
    ignoreTLS: true,
    connectionTimeout: ASK_MS,
    greetingTimeout: ASK_MS,
    socketTimeout: ASK_MS,
  });
  await transport.verify();
}

/** Settles in time, whatever the other side does. */
function soon<T>(what: string, asked: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: no answer in ${ASK_MS} ms`)), ASK_MS);
    asked
      .then(resolve, (error: Error) => reject(new Error(`${what}: ${error.message}`)))
      .finally(() => clearTimeout(timer));
  });
}

interface Health {
  readonly status: number;
  readonly messages: number | null;
  readonly problems: readonly string[];
}

async function ask(settings: Settings<'web'>, password: string): Promise<Health> {
  const [store, mta] = await Promise.allSettled([
    soon('store', countMail(settings, password)),
    soon('mta', greetMta(settings)),
  ]);
  const problems = [store, mta].flatMap((one) => (one.status === 'rejected' ? [(one.reason as Error).message] : []));
  return {
    status: problems.length === 0 ? 200 : 502,
    messages: store.status === 'fulfilled' ? store.value : null,
    problems,
  };
}

const escape = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function page(health: Health): string {
  const told = health.problems.map((text) => `<li>${escape(text)}</li>`).join('');
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sandbox mail</title>
<h1>Sandbox mail</h1><p>${health.messages ?? 'Unknown number of'} messages in the store</p><ul>${told}</ul></html>
`;
}

await serve('web', (settings, dir) => {
  const password = readPassword(dir);
  let asking: Promise<Health> | null = null;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url !== '/' && request.url !== '/health') return void response.writeHead(404).end('not found\n');
    // Visitors of the same moment share one question.
    asking ??= ask(settings, password).finally(() => {
      asking = null;
    });
    const health = await asking;
    const html = request.url === '/';
    response.writeHead(health.status, {
      'content-type': html ? 'text/html; charset=utf-8' : 'application/json',
      'cache-control': 'no-store',
    });
    response.end(html ? page(health) : `${JSON.stringify(health)}\n`);
  };
  const http = createServer({ requestTimeout: 10_000 }, (request, response) => void answer(request, response));
  return {
    gates: [new Gate(settings.http, (socket) => http.emit('connection', socket))],
    close: () => http.closeAllConnections(),
  };
});
