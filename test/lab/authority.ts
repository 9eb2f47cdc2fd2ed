// The lab's own certificate authority: what a node shows to clients is signed by it, also a certificate that is past
// its end. Keys are made once a lab and never leave its directory.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from './command.ts';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

export class Authority {
  readonly #dir: string;
  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async open(dir: string): Promise<Authority> {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const made = new Authority(dir);
    const out = ['-keyout', join(dir, 'ca.key'), '-out', made.root];
    // It is older than any certificate that it signs, also than the expired one.
    const request = ['openssl', 'req', '-x509', ...KEY, '-days', '3650', '-subj', '/CN=Lab authority', ...out];
    await must(['faketime', '90 days ago', ...request]);
    return made;
  }

  /** Path of the root certificate: what a client trusts. */
  get root(): string {
    return join(this.#dir, 'ca.pem');
  }

  /** A certificate for these names, valid for 30 days from `since` on (text for faketime). Paths of its files. */
  async issue(file: string, names: readonly string[], since = '1 hour ago'): Promise<Certificate> {
    const [key, certificate] = [join(this.#dir, `${file}.key`), join(this.#dir, `${file}.pem`)];
    const [request, extensions] = [join(this.#dir, `${file}.csr`), join(this.#dir, `${file}.ext`)];
    writeFileSync(extensions, `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}\n`);
    await must(['openssl', 'req', ...KEY, '-subj', `/CN=${names[0]}`, '-keyout', key, '-out', request]);
    const sign = ['-CA', this.root, '-CAkey', join(this.#dir, 'ca.key'), '-CAcreateserial', '-extfile', extensions];
    await must([
      'faketime',
      since,
      'openssl',
      'x509',
      '-req',
      '-in',
      request,
      ...sign,
      '-days',
      '30',
      '-out',
      certificate,
    ]);
    return { certificate, key };
  }
}
