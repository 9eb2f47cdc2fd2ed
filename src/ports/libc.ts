// The few system calls that Node does not have: datagrams to unix sockets, flock, and what a connection has not had
// acknowledged. Through koffi, which is loaded at the first use, because the command line rarely needs it. Nothing here
// blocks.
import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';

export interface Libc {
  /** One datagram to a unix socket path (`@name` = abstract), never waiting. 'sent', or the name of the errno:
   *  EAGAIN (the reader is behind), ENOENT or ECONNREFUSED (nobody there), EMSGSIZE, ENAMETOOLONG … (unix(7)). */
  sendTo(path: string, data: Uint8Array): string;
  /** flock(2) LOCK_EX without waiting, on an open file: 'locked', or the errno (EWOULDBLOCK has the name EAGAIN). */
  lock(fd: number): string;
  /** Bytes written to a TCP socket that the other side's system has not acknowledged (tcp(7), SIOCOUTQ); null: not
   *  known. */
  unacknowledged(fd: number): number | null;
}

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC_NONBLOCK = 0o2 | 0o2000000 | 0o4000;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
const LOCK_EX_NB = 2 | 4;
const SIOCOUTQ = 0x5411;
const PATH_MAX_BYTES = 107;

/** struct sockaddr_un: family in host order (little-endian wherever Node runs), then the path. */
function address(path: string): Buffer | null {
  const abstract = path.startsWith('@');
  const name = Buffer.from(abstract ? `\0${path.slice(1)}` : `${path}\0`, 'utf8');
  if (name.length > PATH_MAX_BYTES + 1) return null;
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, name]);
}

function bind(): Libc {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const own = koffi.load(null);
  const socket = own.func('int socket(int domain, int type, int protocol)');
  const sendto = own.func(
    'intptr_t sendto(int fd, const uint8_t *data, size_t size, int flags, const uint8_t *to, uint32_t length)',
  );
  const flock = own.func('int flock(int fd, int how)');
  const ioctl = own.func('int ioctl(int fd, unsigned long request, ...)');
  const reason = (): string => getSystemErrorName(-koffi.errno());
  let fd = -1;
  return {
    sendTo(path, data) {
      const to = address(path);
      if (!to) return 'ENAMETOOLONG';
      if (fd < 0) fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0) as number;
      if (fd < 0) return reason();
      const sent = Number(sendto(fd, data, data.length, MSG_DONTWAIT_NOSIGNAL, to, to.length));
      return sent === data.length ? 'sent' : reason();
    },
    lock: (file) => (flock(file, LOCK_EX_NB) === 0 ? 'locked' : reason()),
    unacknowledged(socketFd) {
      const room = Buffer.alloc(4);
      return ioctl(socketFd, SIOCOUTQ, 'uint8_t *', room) === 0 ? room.readInt32LE() : null;
    },
  };
}

let bound: Libc | null | undefined;
let trouble = '';

/** The calls, or null where they cannot be had: another system than Linux, or koffi has no binary for this one. */
export function libc(): Libc | null {
  if (bound !== undefined) return bound;
  bound = null;
  try {
    if (process.platform === 'linux') bound = bind();
    else trouble = `${process.platform} is not Linux`;
  } catch (error) {
    trouble = (error as Error).message;
  }
  return bound;
}

/** Why `libc()` is null, for messages. */
export function whyNoLibc(): string {
  return trouble;
}
