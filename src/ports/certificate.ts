// Certificates and keys as files hold them (PEM), read by node:crypto. Pure: no file is opened here, and nothing of a
// key comes out but whether it fits.
import { createPrivateKey, X509Certificate } from 'node:crypto';

export interface FileCertificate {
  readonly subject: string;
  readonly names: readonly string[];
  /** Wall clock, milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly fingerprint256: string;
  /** The next one in the file issued it; null for the last. */
  readonly issuedByNext: boolean | null;
}

const BLOCK = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[A-Za-z0-9+/=\s]{1,100000}-----END [A-Z0-9 ]{1,30}-----/g;
const MAX_CERTIFICATES = 20;

function parse(pem: string): X509Certificate[] | null {
  try {
    return (pem.match(BLOCK) ?? []).slice(0, MAX_CERTIFICATES).map((block) => new X509Certificate(block));
  } catch {
    return null;
  }
}

const commonName = (subject: string | undefined): string => /^CN=(.*)$/m.exec(subject ?? '')?.[1] ?? '';

/** The certificates of a file, in its order; null when one of them cannot be read. */
export function fileCertificates(pem: string): readonly FileCertificate[] | null {
  const chain = parse(pem);
  return (
    chain?.map((one, index) => {
      const next = chain[index + 1];
      return {
        subject: commonName(one.subject),
        names: (one.subjectAltName ?? '')
          .split(/,\s*/)
          .slice(0, 100)
          .map((entry) => entry.replace(/^(DNS|IP Address):/, ''))
          .filter((entry) => entry !== ''),
        notBefore: Date.parse(one.validFrom),
        notAfter: Date.parse(one.validTo),
        fingerprint256: one.fingerprint256,
        issuedByNext: next ? one.checkIssued(next) && one.verify(next.publicKey) : null,
      };
    }) ?? null
  );
}

/** Does the key belong to the first certificate? `locked`: it needs a pass phrase, so nobody can tell. */
export function keyFits(certificatePem: string, keyPem: string): 'yes' | 'no' | 'locked' | 'unreadable' {
  const [first] = parse(certificatePem) ?? [];
  if (!first) return 'unreadable';
  if (/ENCRYPTED/.test(keyPem.slice(0, 4096))) return 'locked';
  try {
    return first.checkPrivateKey(createPrivateKey(keyPem)) ? 'yes' : 'no';
  } catch {
    return 'unreadable';
  }
}
