// A bounded line dialogue over TCP, TLS or a unix socket, for protocols that talk in lines (SMTP, LMTP, IMAP, POP3 …).
// Every read has an end: a limit of bytes a line and a dialogue, a signal, and a time limit.

export type NetCode =
  | 'refused' // ECONNREFUSED, or no such unix socket
  | 'timeout' // nothing came, or not enough, in time
  | 'unreachable' // no route, host or network down
  | 'not-found' // the name does not resolve (or the resolver does not answer)
  | 'closed' // the other side closed or reset
  | 'too-long' // a line or a dialogue beyond its limit
  | 'tls' // handshake or certificate
  | 'local'; // our own trouble: EMFILE, EADDRNOTAVAIL, EACCES: nothing is known about the service

/** The only error that a dialogue throws. */
export class NetError extends Error {
  readonly code: NetCode;
  constructor(code: NetCode, detail: string) {
    super(detail);
    this.code = code;
  }
}

export interface TlsOptions {
  /** The name to ask for (SNI) and to check the certificate against. */
  readonly servername?: string;
  /** false: take any certificate, and leave judging to the caller. Default true. */
  readonly verify?: boolean;
  /** PEM of extra authorities. */
  readonly ca?: string;
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

export interface OpenOptions {
  readonly host?: string;
  readonly port?: number;
  /** A unix socket instead of host and port. */
  readonly path?: string;
  readonly tls?: TlsOptions;
  readonly signal: AbortSignal;
  /** For the connect and for each read. */
  readonly timeoutMs: number;
  /** Bytes in one line; default 16 KiB. */
  readonly maxLine?: number;
  /** Bytes read in the whole dialogue; default 1 MiB. */
  readonly maxBytes?: number;
}

export interface Dialogue {
  readonly connectMs: number;
  readonly certificate: PeerCertificate | null;
  /** The next line without its end. */
  readLine(): Promise<string>;
  write(text: string): Promise<void>;
  startTls(options: TlsOptions): Promise<PeerCertificate>;
  /** Ends politely if the other side does, at once if not. Never throws. */
  close(): void;
}

export interface Net {
  open(options: OpenOptions): Promise<Dialogue>;
}
