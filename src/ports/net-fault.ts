// What can go wrong on a connection: one small list of codes, and how every error of a socket, of TLS or of a
// look-up is put into it. Checks judge by these codes alone.

export type NetCode =
  | 'refused' // ECONNREFUSED, or no such unix socket
  | 'timeout' // nothing came, or not enough, in time
  | 'unreachable' // no route, host or network down
  | 'not-found' // the name does not resolve (or the resolver does not answer)
  | 'closed' // the other side closed or reset
  | 'too-long' // a line or a dialogue beyond its limit
  | 'garbled' // what came is not the protocol
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

const CODES: Readonly<Record<string, NetCode>> = {
  ECONNREFUSED: 'refused',
  ENOENT: 'refused',
  ENOTSOCK: 'refused',
  ETIMEDOUT: 'timeout',
  // A unix socket whose listen queue is full says EAGAIN (unix(7)): somebody holds it and does not accept.
  EAGAIN: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  ENOTFOUND: 'not-found',
  EAI_AGAIN: 'not-found',
  EAI_FAIL: 'not-found',
  EAI_NODATA: 'not-found',
  EAI_NONAME: 'not-found',
  ECONNRESET: 'closed',
  ECONNABORTED: 'closed',
  EPIPE: 'closed',
  EPROTO: 'tls',
};
const WORDS: Partial<Readonly<Record<NetCode, string>>> = {
  refused: 'connection refused',
  unreachable: 'no route to the host, or the host is down',
  closed: 'connection reset by the other side',
};
const LOCAL = new Set(
  'EMFILE ENFILE EADDRNOTAVAIL EADDRINUSE EACCES EPERM ENOBUFS ENOMEM EAI_MEMORY EAI_SYSTEM EINVAL'.split(' '),
);

/** Any error of a socket, of TLS or of a look-up, as one of our codes. */
export function netError(error: unknown): NetError {
  if (error instanceof NetError) return error;
  // OpenSSL's own word for it, without the names of its source files.
  const { code = '', message = String(error), reason } = error as NodeJS.ErrnoException & { reason?: string };
  if (LOCAL.has(code)) return new NetError('local', `${code}: ${message}`);
  const told = reason === undefined ? message : `TLS failed: ${reason}`;
  const known = CODES[code];
  if (known) return new NetError(known, WORDS[known] ?? told);
  // OpenSSL's and Node's TLS codes are many; everything else that a socket can say has its errno above.
  return new NetError(/^ERR_(SSL|TLS)|CERT|SSL|TLS/.test(`${code} ${message}`) ? 'tls' : 'local', told);
}
