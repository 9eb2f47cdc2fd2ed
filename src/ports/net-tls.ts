// Certificates and TLS settings, the same for line dialogues and for HTTP. Judging an expiry is the caller's.
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type TLSSocket } from 'node:tls';

export interface TlsOptions {
  /** The name to ask for (SNI) and to check the certificate against. */
  readonly servername?: string;
  /** false: take any certificate, and leave judging to the caller. Default true. */
  readonly verify?: boolean;
  /** PEM of extra authorities. */
  readonly ca?: string;
  /** PEM of a certificate of our own and of its key, for a server that asks who we are. */
  readonly cert?: string;
  readonly key?: string;
}

export interface PeerCertificate {
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  /** Wall clock, milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly fingerprint256: string;
  /** What verification said, also with `verify: false`: null, or a code such as CERT_HAS_EXPIRED. */
  readonly error: string | null;
  readonly protocol: string;
}

/** What a certificate says, and what verification said about it. */
export function peerCertificate(socket: TLSSocket): PeerCertificate | null {
  const peer = socket.getPeerCertificate();
  if (!peer?.valid_to) return null;
  const name = (of: unknown): string => String((of as { CN?: string } | undefined)?.CN ?? '');
  const problem = socket.authorizationError as Error | string | null | undefined;
  return {
    subject: name(peer.subject),
    issuer: name(peer.issuer),
    names: (peer.subjectaltname ?? '')
      .split(/,\s*/)
      .slice(0, 100)
      .map((entry) => entry.replace(/^(DNS|IP Address):/, ''))
      .filter((entry) => entry !== ''),
    notBefore: Date.parse(peer.valid_from),
    notAfter: Date.parse(peer.valid_to),
    fingerprint256: peer.fingerprint256,
    error: problem
      ? typeof problem === 'string'
        ? problem
        : ((problem as { code?: string }).code ?? problem.message)
      : null,
    protocol: socket.getProtocol() ?? '',
  };
}

/** What node:tls needs for our options. Never rejects by itself: the caller looks at the certificate's `error`. */
export function tlsSettings(options: TlsOptions, host: string | undefined): ConnectionOptions {
  const name = options.servername ?? host ?? '';
  return {
    // An address is no server name (RFC 6066 section 3), but it is what the certificate must be for.
    ...(name !== '' && isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (_asked, certificate) => (name === '' ? undefined : checkServerIdentity(name, certificate)),
    rejectUnauthorized: false,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(options.cert === undefined ? {} : { cert: options.cert }),
    ...(options.key === undefined ? {} : { key: options.key }),
  };
}
