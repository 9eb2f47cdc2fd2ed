// Looks all the time on which nodes an address is, a program of its own beside the nodes: what is frozen or cut off in
// there hides nothing from it. Prints each change of what it sees, with the machine's monotonic clock.
//   node holder-eyes.js ADDRESS NAME=PID...     PID: any process in the network namespace of NAME. Lines `MS NAME,NAME`
import { readFileSync } from 'node:fs';

const EVERY_MS = 4;
const [address = '', ...places] = process.argv.slice(2);
const nodes = places.map((place) => {
  const [name = '', pid = ''] = place.split('=');
  return { name, file: `/proc/${pid}/net/fib_trie` };
});

// The local table has a line for the address and, below it, one that says it is the node's own.
const entry = `|-- ${address}\n`;
function has(file: string): boolean {
  const text = readFileSync(file, 'latin1');
  for (let at = text.indexOf(entry); at >= 0; at = text.indexOf(entry, at + 1))
    if (text.slice(at + entry.length, at + entry.length + 60).includes('/32 host LOCAL')) return true;
  return false;
}

/** Two are true only if the first is still there after the second was seen: it may have gone between two looks. */
function look(): string {
  const first = nodes.filter(({ file }) => has(file));
  const sure = first.length > 1 ? first.filter(({ file }) => has(file)) : first;
  return sure.map(({ name }) => name).join(',') || '-';
}

let seen = '';
for (;;) {
  const now = look();
  if (now !== seen) console.log(`${(Number(process.hrtime.bigint()) / 1e6).toFixed(2)} ${now}`);
  seen = now;
  await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
}
