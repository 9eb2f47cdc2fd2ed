// Whom a client reaches at an address, a program of its own on the client of the lab: connects again and again, and
// says of each greeting when it came and which node's name is in it. One that does not answer does not keep the next
// question waiting.
//   node holder-client.js ADDRESS PORT [EVERY_MS]       prints `MS NAME` for each greeting, until killed
import { connect } from 'node:net';

const [address = '', port = '', every = '10'] = process.argv.slice(2);
const ANSWER_MS = 400;
/** A question that has not been answered for so long does not keep the next one back. */
const PATIENCE_MS = 25;
const OPEN_MAX = 12;
let open = 0;

/** Ends when it was answered, refused, or PATIENCE_MS are over. */
function ask(): Promise<void> {
  return new Promise((resolve) => {
    open += 1;
    const socket = connect({ host: address, port: Number(port) });
    const patience = setTimeout(resolve, PATIENCE_MS);
    const limit = setTimeout(() => socket.destroy(), ANSWER_MS);
    socket.on('data', (data) => {
      const name = /^\S+[ -]([A-Za-z0-9]+)/.exec(data.toString('latin1'))?.[1] ?? '?';
      console.log(`${(Number(process.hrtime.bigint()) / 1e6).toFixed(2)} ${name}`);
      socket.end('QUIT\r\n');
      socket.removeAllListeners('data');
      socket.resume();
      resolve();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(patience);
      clearTimeout(limit);
      open -= 1;
      resolve();
    });
  });
}

for (;;) {
  if (open < OPEN_MAX) await ask();
  await new Promise((resolve) => setTimeout(resolve, Number(every)));
}
