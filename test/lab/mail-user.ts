// A mail user at an address, a program of its own on the client of the lab.
//   node mail-user.js send ADDRESS USER PASSWORD EVERY_MS   sends numbered mails to itself, one after the other, until
//                                                           killed; `MS N` for each that was accepted with its 250
//   node mail-user.js read ADDRESS USER PASSWORD            the numbers of all that are in the inbox, one a line
import { connect } from 'node:net';

const [act, host = '', user = '', password = '', every = '50'] = process.argv.slice(2);
const LIMIT_MS = 1500;
const READ_MS = 10_000;

type Say = (text: string, until: RegExp) => Promise<string>;

/** One connection: `say` writes, and gives what was answered up to the line that is waited for. */
function session<T>(port: number, limitMs: number, work: (say: Say) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let heard = '';
    let look = (): void => undefined;
    const limit = setTimeout(() => socket.destroy(new Error('no answer in time')), limitMs);
    socket.setEncoding('latin1');
    socket.on('data', (text) => {
      heard += String(text);
      look();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(limit);
      reject(new Error('it was closed'));
    });
    const say: Say = (text, until) =>
      new Promise((said) => {
        look = () => {
          const found = until.exec(heard);
          if (!found) return;
          const answer = heard.slice(0, found.index + found[0].length);
          heard = heard.slice(answer.length);
          said(answer);
        };
        if (text !== '') socket.write(text);
        look();
      });
    work(say)
      .then(resolve, reject)
      .finally(() => socket.destroy());
  });
}

const REPLY = /^\d{3}( .*)?\r\n/m;

async function must(say: Say, text: string, code: string): Promise<void> {
  const answer = await say(text, REPLY);
  const last = answer.trimEnd().split('\r\n').at(-1) ?? '';
  if (!last.startsWith(code)) throw new Error(last);
}

/** When its 250 came. */
const send = (n: number): Promise<number> =>
  session(25, LIMIT_MS, async (say) => {
    await must(say, '', '220');
    await must(say, 'EHLO client.lab.test\r\n', '250');
    await must(say, `MAIL FROM:<${user}>\r\n`, '250');
    await must(say, `RCPT TO:<${user}>\r\n`, '250');
    await must(say, 'DATA\r\n', '354');
    await must(say, `From: <${user}>\r\nTo: <${user}>\r\nSubject: numbered ${n}\r\n\r\nx\r\n.\r\n`, '250');
    const at = Number(process.hrtime.bigint()) / 1e6;
    await say('QUIT\r\n', REPLY).catch(() => undefined);
    return at;
  });

const read = (): Promise<readonly string[]> =>
  session(143, READ_MS, async (say) => {
    const ask = (tag: string, text: string): Promise<string> =>
      say(`${tag} ${text}\r\n`, new RegExp(`^${tag} .*\\r\\n`, 'm'));
    await say('', /^\* OK.*\r\n/m);
    const login = await ask('a', `LOGIN ${user} ${password}`);
    if (!/^a OK/m.test(login)) throw new Error(login);
    const box = await ask('b', 'EXAMINE INBOX');
    if (/^\* 0 EXISTS/m.test(box)) return [];
    const all = await ask('c', 'FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])');
    if (!/^c OK/m.test(all)) throw new Error(all.slice(-200));
    await ask('d', 'LOGOUT');
    return [...all.matchAll(/^Subject: numbered (\d+)/gim)].map(([, n = '']) => n);
  });

if (act === 'read') console.log((await read()).join('\n'));
else
  for (let n = 1; ; n += 1) {
    const at = await send(n).catch(() => null);
    if (at !== null) console.log(`${at.toFixed(2)} ${n}`);
    await new Promise((resolve) => setTimeout(resolve, Number(every)));
  }
