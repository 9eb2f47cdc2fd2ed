// A process of its own for proc.test.ts: with `leave` it watches a child and comes to its end; without, it tells how
// long the news of the child's death took where there is no pidfd.
import { spawn } from 'node:child_process';
import { proc } from '../../src/ports/proc.ts';
import { makeExitWatch } from '../../src/ports/proc-exit.ts';

const child = spawn('/bin/sleep', ['30'], { stdio: 'ignore' });
const identity = proc.facts(child.pid ?? 0);
if (!identity) throw new Error('it did not start');
if (process.argv[2] === 'leave') {
  child.unref();
  proc.onExit(identity, () => undefined);
  process.on('exit', () => child.kill('SIGKILL'));
} else {
  const keep = setInterval(() => undefined, 1000);
  setTimeout(() => {
    const killed = performance.now();
    makeExitWatch(proc.alive, true)(identity, () => {
      console.log(`told in ${Math.round(performance.now() - killed)} ms`);
      clearInterval(keep);
    });
    child.kill('SIGKILL');
  }, 20);
}
