// Who has this address: ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861) as frames. Builds and reads them,
// and does nothing else.
export const ARP = 0x0806;
export const IPV6 = 0x86dd;

const BROADCAST = Buffer.from('ffffffffffff', 'hex');
const ICMP6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;

export function ipv4Bytes(ip: string): Buffer {
  return Buffer.from(ip.split('.').map(Number));
}

/** The 16 bytes of an IPv6 address as text, `::` included. */
export function ipv6Bytes(ip: string): Buffer {
  const [head = '', tail] = ip.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const all = tail === undefined ? left : [...left, ...zeros, ...right];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

type Opcode = 1 | 2;

function arp(opcode: Opcode, mac: Uint8Array, sender: Uint8Array, target: Uint8Array, to: Uint8Array): Buffer {
  const head = Buffer.from('0001080006040000', 'hex');
  head.writeUInt16BE(opcode, 6);
  const whom = opcode === 2 ? to : Buffer.alloc(6);
  return Buffer.concat([BROADCAST, mac, Buffer.from('0806', 'hex'), head, mac, sender, whom, target, Buffer.alloc(18)]);
}

/** RFC 5227 section 2.1.1: asks without claiming, from 0.0.0.0. */
export const arpProbe = (mac: Uint8Array, ip: string): Buffer =>
  arp(1, mac, Buffer.alloc(4), ipv4Bytes(ip), Buffer.alloc(6));

/** Both forms: some neighbours believe a request (RFC 5227 announcement), some a reply. */
export const arpAnnouncements = (mac: Uint8Array, ip: string): readonly Buffer[] => {
  const address = ipv4Bytes(ip);
  return [arp(1, mac, address, address, Buffer.alloc(6)), arp(2, mac, address, address, BROADCAST)];
};

/** The hardware address that claims this IPv4 address in a frame; null: it is about something else. */
export function arpClaim(frame: Uint8Array, ip: string): string | null {
  const bytes = Buffer.from(frame);
  if (bytes.length < 42 || bytes.readUInt16BE(12) !== ARP || bytes.readUInt32BE(14) !== 0x00010800) return null;
  return bytes.subarray(28, 32).equals(ipv4Bytes(ip)) ? bytes.subarray(22, 28).toString('hex') : null;
}

function checksum(parts: readonly Uint8Array[]): number {
  let sum = 0;
  const all = Buffer.concat(parts);
  for (let at = 0; at + 1 < all.length; at += 2) sum += all.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

function icmp6(mac: Uint8Array, from: Buffer, to: Buffer, body: Buffer): Buffer {
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(body.length, 0);
  pseudo[7] = ICMP6;
  body.writeUInt16BE(0, 2);
  body.writeUInt16BE(checksum([from, to, pseudo, body]), 2);
  const head = Buffer.from('6000000000003aff', 'hex');
  head.writeUInt16BE(body.length, 4);
  // RFC 2464 section 7: the group's hardware address is its last four bytes after 33:33.
  const group = Buffer.concat([Buffer.from('3333', 'hex'), to.subarray(12)]);
  return Buffer.concat([group, mac, Buffer.from('86dd', 'hex'), head, from, to, body]);
}

/** RFC 4862 section 5.4.2: asks from the unspecified address, at the solicited-node group. */
export function solicitation(mac: Uint8Array, ip: string): Buffer {
  const target = ipv6Bytes(ip);
  const group = Buffer.concat([Buffer.from('ff0200000000000000000001ff', 'hex'), target.subarray(13)]);
  const body = Buffer.concat([Buffer.from([SOLICITATION, 0, 0, 0, 0, 0, 0, 0]), target]);
  return icmp6(mac, Buffer.alloc(16), group, body);
}

/** RFC 4861 section 7.2.6: unsolicited, to all nodes, with the override flag. */
export function advertisement(mac: Uint8Array, ip: string): Buffer {
  const address = ipv6Bytes(ip);
  const allNodes = Buffer.from('ff020000000000000000000000000001', 'hex');
  const option = Buffer.concat([Buffer.from([2, 1]), mac]);
  const body = Buffer.concat([Buffer.from([ADVERTISEMENT, 0, 0, 0, 0x20, 0, 0, 0]), address, option]);
  return icmp6(mac, address, allNodes, body);
}

/** The hardware address whose advertisement claims this IPv6 address; null: it is about something else. */
export function advertised(frame: Uint8Array, ip: string): string | null {
  const bytes = Buffer.from(frame);
  if (bytes.length < 78 || bytes.readUInt16BE(12) !== IPV6 || bytes[20] !== ICMP6 || bytes[54] !== ADVERTISEMENT)
    return null;
  return bytes.subarray(62, 78).equals(ipv6Bytes(ip)) ? bytes.subarray(6, 12).toString('hex') : null;
}
