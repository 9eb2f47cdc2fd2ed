// Before the sandbox is started: are its ports free? A foreign program behind one of them would be taken for a service
// that behaves strangely, and no repair could ever cure that.
import { createServer } from 'node:net';
import { look } from './break.ts';
import { placesOf, services } from './places.ts';
import { type Endpoint, prepare, readSettings } from './settings.ts';

function taken(endpoint: Endpoint): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    server.listen(endpoint.port, endpoint.host, () => server.close(() => resolve(false)));
  });
}

const listening = { store: ['lmtp', 'imap'], mta: ['smtp'], web: ['http'] } as const;

/** Makes the folder ready, and names in a sentence each port that somebody else holds. */
export async function preflight(dir: string): Promise<readonly string[]> {
  prepare(dir);
  const problems: string[] = [];
  for (const service of services) {
    const read = readSettings(dir, service);
    // A service that runs holds its ports; settings that are broken are the daemon's to find.
    if (look(dir, service).life !== 'dead' || 'problem' in read) continue;
    const settings = read.settings as Readonly<Record<string, unknown>>;
    for (const name of listening[service]) {
      const endpoint = settings[name] as Endpoint;
      if (!(await taken(endpoint))) continue;
      const where = placesOf(dir, service).settings;
      const advice = `end that program, or choose another port in ${where} and in config/watchkeeper.yaml`;
      problems.push(`port ${endpoint.port} of ${endpoint.host} (${service}, ${name}) is taken: ${advice}`);
    }
  }
  return problems;
}
