// The client of the benchmark, a program of its own next to the nodes: asks one port every 5 ms for its greeting and
// says each change of what it sees, with the machine's monotonic clock, which all processes share.
//   node probe.js ADDRESS PORT GREETING        prints lines `MILLISECONDS ok|refused|silent|…`, until killed
import { connect } from 'node:net';

const [address = '', port = '', greeting = ''] = process.argv.slice(2);
const EVERY_MS = 5;
/** Of a connection, and of a greeting once connected: a busy but living server needs 25 ms. */
const CONNECT_MS = 100;
const GREETING_MS = 250;

function ask(): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: Number(port) });
    const done = (seen: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(seen);
    };
    let timer = setTimeout(() => done('unreachable'), CONNECT_MS);
    socket.on('connect', () => {
      clearTimeout(timer);
      timer = setTimeout(() => done('silent'), GREETING_MS);
    });
    socket.on('data', (data) => done(data.toString('latin1').startsWith(greeting) ? 'ok' : 'other'));
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code === 'ECONNREFUSED' ? 'refused' : 'reset'));
    socket.on('close', () => done('closed'));
  });
}

let state = '';
for (;;) {
  const seen = await ask();
  if (seen !== state) console.log(`${(Number(process.hrtime.bigint()) / 1e6).toFixed(3)} ${seen}`);
  state = seen;
  await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
}
