// A service for tests of the whole daemon, as a process of its own: `node small-server.js FOLDER NAME PORT`. It says
// what stands in FOLDER/NAME.banner to everyone who connects, and nothing while FOLDER/NAME.hang exists. With
// FOLDER/NAME.broken it ends at once. Each start leaves a line in FOLDER/NAME.starts, each connection one byte in
// FOLDER/NAME.asked. It ends by itself when its folder is gone, and in any case after some minutes.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const [folder = '', name = '', port = '0'] = process.argv.slice(2);
const file = (kind: string): string => join(folder, `${name}.${kind}`);
const LIFE_MS = 240_000;

appendFileSync(file('starts'), `${process.pid}\n`);
if (existsSync(file('broken'))) process.exit(1);

const server = createServer((socket) => {
  socket.on('error', () => undefined);
  appendFileSync(file('asked'), '.');
  if (existsSync(file('hang'))) return;
  socket.write(existsSync(file('banner')) ? readFileSync(file('banner')) : '220 ready\r\n');
  socket.resume();
  socket.on('end', () => socket.end());
});
server.on('error', () => process.exit(2));
server.listen(Number(port), '127.0.0.1');
setInterval(() => existsSync(folder) || process.exit(0), 1000);
setTimeout(() => process.exit(0), LIFE_MS);
