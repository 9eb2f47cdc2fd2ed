// Authorities and certificates of nodes for tests, made by openssl when they are needed: good ones, expired ones, and
// of strangers. In a folder of their own, which the caller removes.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

function openssl(...argv: string[]): void {
  const { status, stderr } = spawnSync('openssl', argv, { encoding: 'utf8', timeout: 60_000 });
  if (status !== 0) throw new Error(`openssl ${argv[0]}: ${stderr}`);
}

export interface TlsFilesOf {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
}

export interface Authority {
  readonly dir: string;
  /** For a node of this name. */
  issue(cn: string, how?: { readonly names?: readonly string[]; readonly days?: number; readonly as?: string }): TlsFilesOf;
  remove(): void;
}

export function authorityOf(name = 'authority of a test'): Authority {
  const dir = mkdtempSync(join(tmpdir(), 'wk-peers-'));
  const at = (file: string): string => join(dir, file);
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at('ca.key'));
  openssl('req', '-new', '-x509', '-key', at('ca.key'), '-subj', `/CN=${name}`, '-days', '30', '-out', at('ca.pem'));
  return {
    dir,
    issue(cn, { names = [], days = 30, as = cn } = {}) {
      const [key, request, extensions, certificate] = ['key', 'csr', 'ext', 'pem'].map((end) => at(`${as}.${end}`));
      openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key as string);
      openssl('req', '-new', '-key', key as string, '-subj', `/CN=${cn}`, '-out', request as string);
      const san = names.length > 0 ? `subjectAltName=${names.map((one) => `DNS:${one}`).join(',')}\n` : '';
      writeFileSync(extensions as string, `extendedKeyUsage=serverAuth,clientAuth\n${san}`);
      openssl(
        ...['x509', '-req', '-in', request as string, '-CA', at('ca.pem'), '-CAkey', at('ca.key')],
        ...['-days', String(days), '-extfile', extensions as string, '-out', certificate as string],
      );
      return { certificate: certificate as string, key: key as string, authority: at('ca.pem') };
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
