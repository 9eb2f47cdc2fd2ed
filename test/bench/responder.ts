// Many small services in one process, to be watched: each port greets and says goodbye as the protocol wants it.
//   node responder.js FIRST-PORT COUNT        even ports speak SMTP, odd ones IMAP; prints `ready`
import { createServer, type Socket } from 'node:net';

const [first = 0, count = 0] = process.argv.slice(2).map(Number);

function smtp(socket: Socket): void {
  socket.write('220 bench.lab.test ESMTP\r\n');
  socket.on('data', (data) => {
    const text = data.toString('latin1').toUpperCase();
    if (/^(EHLO|HELO)/m.test(text)) socket.write('250 bench.lab.test\r\n');
    if (/^QUIT/m.test(text)) socket.end('221 bye\r\n');
  });
}

function imap(socket: Socket): void {
  socket.write('* OK bench.lab.test ready\r\n');
  socket.on('data', (data) => {
    const tag = /^(\S+) LOGOUT/im.exec(data.toString('latin1'))?.[1];
    if (tag) socket.end(`* BYE\r\n${tag} OK done\r\n`);
  });
}

let open = 0;
for (let port = first; port < first + count; port += 1) {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    if (port % 2 === 0) smtp(socket);
    else imap(socket);
  });
  server.listen(port, '127.0.0.1', 64, () => {
    open += 1;
    if (open === count) console.log('ready');
  });
}
