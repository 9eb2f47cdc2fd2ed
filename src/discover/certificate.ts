// A certificate that a product shows: for which name, and whether its chain leads to an authority that this machine
// trusts. Reads public parts only; of a file that also holds the key, the key is passed over.
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { readFile } from './ask.ts';
import { domain, words } from './shape.ts';
import type { Machine, Overlay, Value } from './types.ts';

/** Where Debian keeps the authorities that this machine trusts. Node has a list of its own. */
const SYSTEM = '/etc/ssl/certs/ca-certificates.crt';
const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g;
const MOST = 400;
/** The authorities of Node, read when they are first needed. */
let world: readonly X509Certificate[] | undefined;

export interface Shown {
  readonly name: Value | null;
  /** What the check of the certificate must be told beside the name. */
  readonly overlays: readonly Overlay[];
  readonly notes: readonly string[];
}

const NOTHING: Shown = { name: null, overlays: [], notes: [] };

/** The first of the files that holds a certificate. `from` says which setting named it. */
export function shownBy(
  machine: Machine,
  files: readonly string[],
  from: string,
  names: readonly (string | null)[],
): Shown {
  for (const file of files) {
    const chain = certificatesIn(readFile(machine, file) ?? '');
    const [leaf] = chain;
    if (leaf) return judge(machine, chain, leaf, file, from, names);
  }
  if (files.length === 0) return NOTHING;
  return { ...NOTHING, notes: [`no certificate could be read where ${from} points: it is not checked`] };
}

export function certificatesIn(text: string): readonly X509Certificate[] {
  return (text.match(BLOCK) ?? []).slice(0, MOST).flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}

function judge(
  machine: Machine,
  chain: readonly X509Certificate[],
  leaf: X509Certificate,
  file: string,
  from: string,
  names: readonly (string | null)[],
): Shown {
  const trust = trustOf(machine, chain, leaf);
  const skip = (why: string): Shown => ({ ...NOTHING, notes: [`the certificate ${words(file)} ${why}: not checked`] });
  if (trust === 'itself') return skip('is signed by itself');
  if (trust === 'nobody') return skip('is from an authority that this machine does not know');
  const own = names.find((name) => name !== null && leaf.checkHost(name) !== undefined);
  const name = own ?? namesOf(leaf)[0];
  if (!name) return skip('names no host');
  const value = { value: name, from: `${from}, ${words(file)}` };
  const ca = { check: 'certificate', set: { ca: SYSTEM }, from: 'its authority is one of this machine only' };
  return { name: value, overlays: trust === 'machine' ? [ca] : [], notes: [] };
}

/** The names that it is for, without patterns. */
function namesOf(leaf: X509Certificate): readonly string[] {
  const listed = (leaf.subjectAltName ?? '').split(', ').filter((text) => text.startsWith('DNS:'));
  return listed.flatMap((text) => domain(text.slice(4)) ?? []);
}

const issued = (authority: X509Certificate, child: X509Certificate): boolean => {
  try {
    return child.checkIssued(authority) && child.verify(authority.publicKey);
  } catch {
    return false;
  }
};

/** Who stands at the end of the chain: an authority of Node, one of this machine, nobody, or the certificate itself. */
function trustOf(
  machine: Machine,
  chain: readonly X509Certificate[],
  leaf: X509Certificate,
): 'world' | 'machine' | 'nobody' | 'itself' {
  if (leaf.issuer === leaf.subject) return 'itself';
  let top = leaf;
  for (let step = 0; step < chain.length; step++) {
    const above = chain.find((one) => one !== top && one.fingerprint256 !== top.fingerprint256 && issued(one, top));
    if (!above) break;
    top = above;
  }
  const endsIn = (roots: readonly X509Certificate[]): boolean =>
    roots.some((root) => root.fingerprint256 === top.fingerprint256 || issued(root, top));
  world ??= rootCertificates.flatMap((text) => certificatesIn(text));
  if (endsIn(world)) return 'world';
  return endsIn(certificatesIn(readFile(machine, SYSTEM) ?? '')) ? 'machine' : 'nobody';
}
