// A session of ours with some master, over a few made-up services.
import { rowsOf } from '../../src/core/mib-rows.ts';
import { viewOf } from '../../src/core/mib-view.ts';
import { DEFAULT_BASE } from '../../src/core/snmp.ts';
import { serveAgentX } from '../../src/dialogues/agentx.ts';
import { clock } from '../../src/ports/clock.ts';
import { net } from '../../src/ports/net.ts';
import { known, knownService } from './known.ts';

const moments = { upTime: 1_000_000, steady: (_key: string, ticks: number) => ticks };
const services = [knownService('mta'), knownService('web')];
const view = viewOf(DEFAULT_BASE, rowsOf(known({ services })), moments);

export interface Served {
  readonly ended: Promise<Error>;
  readonly refused: () => readonly string[] | null;
  stop(): void;
}

export function serve(port: number): Served {
  const stop = new AbortController();
  let refused: readonly string[] | null = null;
  const ended = serveAgentX(
    { net, clock },
    {
      ...{ master: { host: '127.0.0.1', port }, base: DEFAULT_BASE, description: 'Wächter', signal: stop.signal },
      view: () => view,
      onReady: (found) => (refused = found),
    },
  ).catch((error: Error) => error);
  return { ended, refused: () => refused, stop: () => stop.abort() };
}
