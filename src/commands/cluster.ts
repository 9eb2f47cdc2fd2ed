// `watchkeeper cluster certificates`: an authority of the cluster's own, and a key and a certificate for each node,
// made by openssl in a folder that nobody else may read. What is there is not written over, unless it is asked for.
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { quote } from '../core/clean.ts';
import { exec } from '../ports/exec.ts';
import { EXIT, type Io } from './io.ts';

export interface CertificateOptions {
  /** `n1,n2`, or with the addresses of their paths `n1=10.0.0.1+192.168.2.1,n2=…` */
  readonly nodes: string;
  readonly out: string;
  readonly days?: string;
  readonly renew?: boolean;
}

interface NodeNames {
  readonly node: string;
  readonly addresses: readonly string[];
}

const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const NODES_MAX = 64;
const AUTHORITY_DAYS = 7300;
const OPENSSL_MS = 30_000;

class Refused extends Error {}

function parseNodes(text: string): readonly NodeNames[] {
  const nodes = text.split(',').map((part): NodeNames => {
    const [node = '', list] = part.trim().split('=', 2);
    return { node, addresses: list === undefined ? [] : list.split('+') };
  });
  for (const { node, addresses } of nodes) {
    if (!NAME.test(node)) throw new Refused(`${quote(node)} cannot be the name of a node`);
    const bad = addresses.find((address) => isIP(address) === 0);
    if (bad !== undefined) throw new Refused(`${node}: ${quote(bad)} is no address`);
  }
  const names = nodes.map(({ node }) => node.toLowerCase());
  if (new Set(names).size !== names.length) throw new Refused('the same node twice');
  if (nodes.length > NODES_MAX) throw new Refused(`${nodes.length} nodes; at most ${NODES_MAX}`);
  return nodes;
}

const daysOf = (text: string): string => {
  const days = Number(text);
  if (!/^\d{1,5}$/.test(text) || days < 1 || days > 7300) throw new Refused('--days is a number from 1 to 7300');
  return String(days);
};

async function openssl(argv: readonly string[]): Promise<void> {
  const { code, stderr, failed, timedOut } = await exec.run(['openssl', ...argv], { timeoutMs: OPENSSL_MS });
  if (code === 0) return;
  const why = failed === 'ENOENT' ? 'it is not installed' : timedOut ? 'it took too long' : quote(stderr, 300);
  throw new Refused(`openssl ${argv[0]}: ${failed && failed !== 'ENOENT' ? failed : why}`);
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const serial = (): string => `0x4${randomBytes(15).toString('hex')}`;

async function makeAuthority(temp: string): Promise<void> {
  const config = join(temp, 'authority.cnf');
  const text = [
    ...['[req]', 'distinguished_name=dn', 'x509_extensions=ca', 'prompt=no', '[dn]', 'CN=Watchkeeper cluster'],
    ...['[ca]', 'basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign,cRLSign'],
    ...['subjectKeyIdentifier=hash', ''],
  ];
  writeFileSync(config, text.join('\n'));
  await openssl([
    ...['req', '-x509', ...NEW_KEY, '-config', config, '-set_serial', serial(), '-days', String(AUTHORITY_DAYS)],
    ...['-keyout', join(temp, 'authority.key'), '-out', join(temp, 'authority.pem')],
  ]);
}

/** For both sides of a connection. With the addresses in it, etcd takes it too. */
async function makeNode(temp: string, authority: string, { node, addresses }: NodeNames, days: string): Promise<void> {
  const at = (end: string): string => join(temp, `${node}.${end}`);
  const names = [`DNS:${node}`, ...addresses.map((address) => `IP:${address}`)];
  const extensions = [
    ...['basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature'],
    ...['extendedKeyUsage=serverAuth,clientAuth', `subjectAltName=${names.join(',')}`, ''],
  ];
  writeFileSync(at('ext'), extensions.join('\n'));
  writeFileSync(at('cnf'), `[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=${node}\n`);
  await openssl(['req', '-new', ...NEW_KEY, '-config', at('cnf'), '-keyout', at('key'), '-out', at('csr')]);
  await openssl([
    ...['x509', '-req', '-in', at('csr'), '-CA', join(authority, 'authority.pem')],
    ...['-CAkey', join(authority, 'authority.key'), '-set_serial', serial(), '-sha256'],
    ...['-days', days, '-extfile', at('ext'), '-out', at('pem')],
  ]);
}

async function make({ nodes: text, out, days = '825', renew = false }: CertificateOptions, io: Io): Promise<void> {
  const nodes = parseNodes(text);
  const valid = daysOf(days);
  const made = nodes.flatMap(({ node }) => [`${node}.key`, `${node}.pem`]);
  const there = made.filter((name) => existsSync(join(out, name)));
  if (there.length > 0 && !renew)
    throw new Refused(`${there.join(', ')} ${there.length === 1 ? 'is' : 'are'} there already: --renew makes new ones`);
  const known = ['authority.pem', 'authority.key'].filter((name) => existsSync(join(out, name)));
  if (known.length === 1) throw new Refused(`${known[0]} is there without the other half of the authority`);
  mkdirSync(out, { recursive: true, mode: 0o700 });
  // All of it or nothing; and nobody else can look before the modes are right.
  const temp = mkdtempSync(join(out, '.new-'));
  try {
    if (known.length === 0) await makeAuthority(temp);
    for (const node of nodes) await makeNode(temp, known.length === 0 ? temp : out, node, valid);
    const files = [...(known.length === 0 ? ['authority.key', 'authority.pem'] : []), ...made];
    for (const name of files) {
      chmodSync(join(temp, name), 0o600);
      renameSync(join(temp, name), join(out, name));
    }
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
  io.out(`${known.length === 0 ? 'made an authority, and' : 'made'} certificates for ${valid} days: `);
  io.out(`${nodes.map(({ node }) => node).join(', ')} in ${out}\n`);
  io.out('each node gets authority.pem, and its own key and certificate; keep authority.key away from all of them\n');
}

export async function certificates(options: CertificateOptions, io: Io): Promise<number> {
  try {
    await make(options, io);
    return EXIT.done;
  } catch (error) {
    io.err(`watchkeeper cluster certificates: ${(error as Error).message}\n`);
    return error instanceof Refused ? EXIT.usage : EXIT.failed;
  }
}
