// A reader of unix datagrams, which Node has not: stands where journald, syslogd or the service manager would.
import { rmSync } from 'node:fs';
import koffi from 'koffi';

const own = koffi.load(null);
const socket = own.func('int socket(int domain, int type, int protocol)');
const bind = own.func('int bind(int fd, const uint8_t *to, uint32_t length)');
const recv = own.func('intptr_t recv(int fd, _Out_ uint8_t *data, size_t size, int flags)');
const close = own.func('int close(int fd)');

export interface Datagrams {
  /** What has come since the last call, without waiting. */
  take(): Buffer[];
  close(): void;
}

/** Listens at a path, or at an abstract name when it begins with `@`. */
export function listenDatagrams(path: string): Datagrams {
  const fd = socket(1, 2 | 0o2000000, 0) as number;
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`);
  const address = Buffer.concat([Buffer.from([1, 0]), name]);
  if (bind(fd, address, address.length) !== 0) throw new Error(`cannot bind ${path}: errno ${koffi.errno()}`);
  const room = Buffer.alloc(65_536);
  return {
    take() {
      const got: Buffer[] = [];
      for (;;) {
        const size = Number(recv(fd, room, room.length, 0x40));
        if (size < 0) return got;
        got.push(Buffer.from(room.subarray(0, size)));
      }
    },
    close() {
      close(fd);
      if (!path.startsWith('@')) rmSync(path, { force: true });
    },
  };
}
