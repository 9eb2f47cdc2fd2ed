// The configuration files of the sandbox's services: what stands in them, how they are first made, how they are read.
// A service reads its file at the start and for `--check-config`; nothing else of the sandbox may guess a setting.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { passwordFile, placesOf, type ServiceName, services } from './places.ts';

/** `127.0.0.1:20025`; loopback only: the password of the sandbox is no secret worth a network. */
const endpoint = z
  .string()
  .regex(/^127\.\d+\.\d+\.\d+:\d+$/, 'expected a loopback address and a port, such as 127.0.0.1:20025')
  .transform((text) => {
    const [host = '', port = ''] = text.split(':');
    return { host, port: Number(port) };
  });
const users = z.array(z.string().regex(/^[a-z0-9.-]+$/)).min(1);
const bytes = z.number().int().positive();

export const schemas = {
  store: z.strictObject({ lmtp: endpoint, imap: endpoint, domain: z.string(), users, limitBytes: bytes }),
  mta: z.strictObject({ smtp: endpoint, deliverTo: endpoint, domain: z.string(), users, limitBytes: bytes }),
  web: z.strictObject({ http: endpoint, smtp: endpoint, imap: endpoint, user: z.string() }),
};
export type Settings<S extends ServiceName> = z.output<(typeof schemas)[S]>;
type Written<S extends ServiceName> = z.input<(typeof schemas)[S]>;
export type Endpoint = z.output<typeof endpoint>;

const people = ['probe', 'postmaster'];

/** The first settings. The ports are high, and rarely anybody's. */
export const defaults: { readonly [S in ServiceName]: Written<S> } = {
  store: {
    lmtp: '127.0.0.1:20024',
    imap: '127.0.0.1:20143',
    domain: 'sandbox.test',
    users: people,
    limitBytes: 1_048_576,
  },
  mta: {
    smtp: '127.0.0.1:20025',
    deliverTo: '127.0.0.1:20024',
    domain: 'sandbox.test',
    users: people,
    limitBytes: 1_048_576,
  },
  web: { http: '127.0.0.1:20080', smtp: '127.0.0.1:20025', imap: '127.0.0.1:20143', user: 'probe' },
};

function writeOnce(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Makes what is missing below `dir`, and leaves what is there. Any number of processes may do so at once. */
export function prepare(dir: string, wanted: Partial<{ [S in ServiceName]: Written<S> }> = {}): void {
  for (const service of services) {
    const places = placesOf(dir, service);
    mkdirSync(places.data, { recursive: true, mode: 0o700 });
    writeOnce(places.settings, `${JSON.stringify(wanted[service] ?? defaults[service], null, 2)}\n`);
  }
  writeOnce(passwordFile(dir), `${randomBytes(12).toString('hex')}\n`);
}

/** The settings of a service, or in one sentence what is wrong with its file. */
export function readSettings<S extends ServiceName>(
  dir: string,
  service: S,
): { readonly settings: Settings<S> } | { readonly problem: string } {
  const path = placesOf(dir, service).settings;
  try {
    const found = schemas[service].safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (found.success) return { settings: found.data as Settings<S> };
    const issue = found.error.issues[0];
    return { problem: `${path}: ${issue?.path.join('.') || 'file'}: ${issue?.message}` };
  } catch (error) {
    return { problem: `${path}: ${(error as Error).message}` };
  }
}

/** The password of the users `probe` and `postmaster`. */
export const readPassword = (dir: string): string => readFileSync(passwordFile(dir), 'utf8').trim();
