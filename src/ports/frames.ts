// Raw Ethernet frames on one interface: packet(7), through koffi. Sent at once and never waited for; received only
// while somebody listens. Nothing here uses the thread pool or a name.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';

export interface Frames {
  /** Sends a whole frame out of an interface: 'sent', or the name of the errno. */
  send(device: string, frame: Uint8Array): string;
  /** Hears every frame of this EtherType on an interface until closed; null: it cannot be had. */
  listen(device: string, etherType: number): Listening | null;
  /** The hardware address of an interface; null: it has none, or is not there. */
  mac(device: string): Uint8Array | null;
}

export interface Listening {
  /** What has come since the last call; never waits. */
  take(): readonly Uint8Array[];
  close(): void;
}

const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0o2000000 | 0o4000;
const MSG_DONTWAIT = 0x40;
const FRAME_MAX = 2048;
const TAKE_MAX = 256;

/** struct sockaddr_ll (packet(7)): family, protocol in network order, index of the interface. */
function linkAddress(index: number, etherType: number): Buffer {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(etherType, 2);
  address.writeInt32LE(index, 4);
  return address;
}

const sys = (device: string, file: string): string | null => {
  if (!/^[A-Za-z0-9_.@:-]{1,15}$/.test(device)) return null;
  try {
    return readFileSync(`/sys/class/net/${device}/${file}`, 'latin1').trim();
  } catch {
    return null;
  }
};

function bind(): Frames {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const own = koffi.load(null);
  const socket = own.func('int socket(int domain, int type, int protocol)');
  const bindTo = own.func('int bind(int fd, const uint8_t *to, uint32_t length)');
  const send = own.func(
    'intptr_t sendto(int fd, const uint8_t *data, size_t size, int flags, const uint8_t *to, uint32_t n)',
  );
  const recv = own.func('intptr_t recv(int fd, uint8_t *data, size_t size, int flags)');
  const close = own.func('int close(int fd)');
  const ifIndex = own.func('uint32_t if_nametoindex(const char *name)');
  const reason = (): string => getSystemErrorName(-koffi.errno());
  const swap = (n: number): number => ((n & 0xff) << 8) | (n >> 8);
  return {
    send(device, frame) {
      const index = Number(ifIndex(device));
      if (index === 0) return 'ENODEV';
      const fd = Number(socket(AF_PACKET, SOCK_RAW_CLOEXEC_NONBLOCK, 0));
      if (fd < 0) return reason();
      const to = linkAddress(index, 0);
      const sent = Number(send(fd, frame, frame.length, MSG_DONTWAIT, to, to.length));
      const said = sent === frame.length ? 'sent' : reason();
      close(fd);
      return said;
    },
    listen(device, etherType) {
      const index = Number(ifIndex(device));
      if (index === 0) return null;
      const fd = Number(socket(AF_PACKET, SOCK_RAW_CLOEXEC_NONBLOCK, swap(etherType)));
      if (fd < 0) return null;
      const to = linkAddress(index, etherType);
      if (Number(bindTo(fd, to, to.length)) !== 0) {
        close(fd);
        return null;
      }
      return {
        take() {
          const frames: Uint8Array[] = [];
          for (let n = 0; n < TAKE_MAX; n++) {
            const room = Buffer.alloc(FRAME_MAX);
            const size = Number(recv(fd, room, room.length, MSG_DONTWAIT));
            if (size <= 0) break;
            frames.push(room.subarray(0, size));
          }
          return frames;
        },
        close: () => void close(fd),
      };
    },
    mac(device) {
      const text = sys(device, 'address');
      const bytes =
        text && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(text) ? Buffer.from(text.replaceAll(':', ''), 'hex') : null;
      return bytes && bytes.some((byte) => byte !== 0) ? bytes : null;
    },
  };
}

const NOTHING: Frames = { send: () => 'ENOSYS', listen: () => null, mac: () => null };
let bound: Frames | undefined;

/** The real frames; on systems without packet(7) every answer is that it is not here. */
export function frames(): Frames {
  if (bound) return bound;
  try {
    bound = process.platform === 'linux' ? bind() : NOTHING;
  } catch {
    bound = NOTHING;
  }
  return bound;
}
