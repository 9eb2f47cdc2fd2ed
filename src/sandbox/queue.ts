// Lists the queue of the sandbox's mail server, as `postqueue -j` does for Postfix: why a mail does not arrive is asked
// here. A program of its own, so that it answers when the mail server does not.
//   node queue.js [--dir DIR]
import { parseArgs } from 'node:util';
import { defaultDir, placesOf } from './places.ts';
import { listQueue } from './spool.ts';

const { values } = parseArgs({ options: { dir: { type: 'string' } } });
for (const line of listQueue(placesOf(values.dir ?? defaultDir, 'mta').data)) process.stdout.write(`${line}\n`);
