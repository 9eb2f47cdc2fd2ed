// The agent of a daemon with one made-up service. `pace`: its pauses are so many times as short.
import { DEFAULT_BASE } from '../../src/core/snmp.ts';
import { SubAgent } from '../../src/daemon/agent.ts';
import { clock } from '../../src/ports/clock.ts';
import { net } from '../../src/ports/net.ts';
import { known, knownService } from './known.ts';

interface Trouble {
  readonly bad: boolean;
  readonly detail: string;
}

export function subAgent(pace = 1) {
  const troubles: Trouble[] = [];
  const lines: string[] = [];
  const log = { error: () => undefined, debug: () => undefined };
  const say = (line: string): number => lines.push(line);
  let asked = 0;
  const quick = { ...clock, sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms / pace, signal) };
  const it = new SubAgent({
    ports: { clock: quick, net, log: { ...log, info: say, warn: say } as never },
    version: '1.2.3',
    known: () => {
      asked += 1;
      return known({ services: [knownService('mta')] });
    },
    onTrouble: (bad, detail) => troubles.push({ bad, detail }),
    onAgain: () => undefined,
    patienceMs: 300,
  });
  const configure = (port: number): void =>
    it.configure({ master: { host: '127.0.0.1', port }, base: DEFAULT_BASE, reconnectMs: 1000 });
  return { it, troubles, lines, configure, asked: () => asked, last: () => troubles.at(-1) };
}
