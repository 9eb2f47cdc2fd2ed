// A bad line, as a program for a node: it listens on PORT + 20000 for each port, passes on what it hears, and every
// answer comes later. The kernel need not know how to delay packets.
//   node late.js ADDRESS DELAY_MS PORT…
import { connect, createServer } from 'node:net';

const [address = '', delay = '0', ...ports] = process.argv.slice(2);

for (const port of ports.map(Number)) {
  const server = createServer((client) => {
    const service = connect(port, address);
    const later = (run: () => void): void => void setTimeout(run, Number(delay));
    service.on('data', (data) => later(() => client.writable && client.write(data)));
    service.on('end', () => later(() => client.end()));
    client.on('data', (data) => service.writable && service.write(data));
    client.on('end', () => service.end());
    for (const one of [client, service])
      one.on('error', () => {
        client.destroy();
        service.destroy();
      });
  });
  server.listen(port + 20_000, '127.0.0.1');
}
