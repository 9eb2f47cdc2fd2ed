// By what this daemon proves who it is, and knows the others: three files of PEM, read again when one of them changes.
// What cannot be used leaves the old ones in force. Whose certificate it is, the names in it say.
import type { PeerCredentials, PeerIdentity, PeerTls } from '../../ports/peers.ts';
import type { Ports } from '../../ports/ports.ts';

export type TlsFiles = PeerTls;

const LOOK_MS = 3000;
const PEM_BYTES = 262_144;

/** The one node of the cluster that a certificate is for. Null: none of them, or more than one. */
export function nodeIn(identity: PeerIdentity, nodes: readonly string[]): string | null {
  const names = new Set(identity.names.map((name) => name.toLowerCase()));
  const found = nodes.filter((node) => names.has(node.toLowerCase()));
  return found.length === 1 ? (found[0] ?? null) : null;
}

export class PeerTrust {
  readonly #ports: Pick<Ports, 'clock' | 'files' | 'peers' | 'log'>;
  readonly #onNew: (credentials: PeerCredentials) => void;
  #files: TlsFiles;
  #seen = '';
  #credentials: PeerCredentials | null = null;
  #trouble = 'its own certificate was not read yet';
  #cancel = (): void => undefined;

  constructor(
    ports: Pick<Ports, 'clock' | 'files' | 'peers' | 'log'>,
    files: TlsFiles,
    onNew: (credentials: PeerCredentials) => void,
  ) {
    this.#ports = ports;
    this.#files = files;
    this.#onNew = onNew;
  }

  get credentials(): PeerCredentials | null {
    return this.#credentials;
  }

  get trouble(): string {
    return this.#trouble;
  }

  start(): void {
    const look = (): void => {
      this.look();
      this.#cancel = this.#ports.clock.after(LOOK_MS, look);
    };
    look();
  }

  configure(files: TlsFiles): void {
    this.#files = files;
    this.look();
  }

  /** Only what stat says, as long as nothing changed: a disk that hangs is not asked for anything. */
  #mark(): string {
    const { files } = this.#ports;
    return Object.values(this.#files)
      .map((path) => {
        const found = files.facts(files.realPath(path) ?? path);
        return `${path} ${found?.modifiedMs} ${found?.size}`;
      })
      .join('\n');
  }

  #read(path: string): string {
    const text = this.#ports.files.readText(path, PEM_BYTES);
    if (text === null) throw new Error(`${path} is not there`);
    return text;
  }

  look(): void {
    const { peers, log } = this.#ports;
    try {
      const mark = this.#mark();
      if (mark === this.#seen) return;
      this.#seen = mark;
      const { certificate, key, authority } = this.#files;
      const pem = { certificate: this.#read(certificate), key: this.#read(key), authority: this.#read(authority) };
      const renewed = peers.credentials(pem);
      this.#credentials = renewed;
      this.#trouble = '';
      this.#onNew(renewed);
    } catch (error) {
      this.#trouble = `our own certificate cannot be used: ${(error as Error).message.slice(0, 200)}`;
      log.warn(`comm paths: ${this.#trouble}`);
    }
  }

  close(): void {
    this.#cancel();
  }
}
