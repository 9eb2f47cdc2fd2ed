// An OpenLDAP server of its own with the suffix dc=lab,dc=test, on free ports of loopback; a provider, or a consumer of
// another one.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers, endTree, freePorts, newFolder, readLog, type Server, until, writeCertificate } from './server.ts';

export const SUFFIX = 'dc=lab,dc=test';
export const ADMIN = `cn=admin,${SUFFIX}`;
export const PROBE = `cn=probe,${SUFFIX}`;

export interface Slapd extends Server {
  readonly port: number;
  /** LDAP over TLS from the first byte. */
  readonly tls: number;
  /** Once more, after it was killed. */
  boot(): Promise<void>;
  /** Changes as the administrator, in LDIF. */
  change(ldif: string): void;
}

export interface SlapdOptions {
  /** The port of the server that this one replicates from. */
  readonly provider?: number;
  /** It asks its provider at its start, and then no more for an hour. */
  readonly once?: boolean;
  readonly maxBytes?: number;
  /** More entries, in LDIF, from the beginning. */
  readonly entries?: string;
  /** Lines for the top of the file, and for the database. */
  readonly global?: string;
  readonly database?: string;
}

const ENTRIES = `dn: ${SUFFIX}
objectClass: dcObject
objectClass: organization
dc: lab
o: lab

dn: ${PROBE}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: probe
userPassword: pw
description: new

dn: cn=u1,${SUFFIX}
objectClass: organizationalRole
cn: u1
description: one
`;

const configuration = (folder: string, options: SlapdOptions): string => `
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
pidfile ${join(folder, 'pid')}
TLSCertificateFile ${join(folder, 'cert.pem')}
TLSCertificateKeyFile ${join(folder, 'key.pem')}
${options.global ?? ''}
database mdb
suffix "${SUFFIX}"
rootdn "${ADMIN}"
rootpw pw
directory ${join(folder, 'db')}
maxsize ${options.maxBytes ?? 16_777_216}
access to * by dn="${PROBE}" write by * read
${options.database ?? ''}
${
  options.provider === undefined
    ? 'overlay syncprov'
    : `syncrepl rid=001 provider=ldap://127.0.0.1:${options.provider} ${options.once ? 'type=refreshOnly interval=00:01:00:00' : 'type=refreshAndPersist'} retry="1 +" searchbase="${SUFFIX}"
  bindmethod=simple binddn="${ADMIN}" credentials=pw`
}
`;

export async function startSlapd(options: SlapdOptions = {}): Promise<Slapd> {
  const folder = newFolder('slapd');
  const [port = 0, tls = 0] = await freePorts(2);
  mkdirSync(join(folder, 'db'));
  writeCertificate(folder);
  const conf = join(folder, 'slapd.conf');
  writeFileSync(conf, configuration(folder, options));
  if (options.provider === undefined)
    execFileSync('slapadd', [options.entries === undefined ? '-w' : '-q', '-f', conf], {
      input: `${ENTRIES}\n${options.entries ?? ''}`,
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: 120_000,
    });
  const log = openSync(join(folder, 'log'), 'a');
  const urls = `ldap://127.0.0.1:${port} ldaps://127.0.0.1:${tls}`;
  const argv = ['-d', 'stats', '-f', conf, '-h', urls];
  let pid = 0;
  const boot = async (): Promise<void> => {
    pid = spawn('slapd', argv, { stdio: ['ignore', log, log] }).pid ?? 0;
    await until('a slapd that listens', () => answers(port), 20_000);
  };
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await endTree(pid);
    closeSync(log);
    rmSync(folder, { recursive: true, force: true });
  };
  await boot().catch(async (error: Error) => {
    const text = readLog(join(folder, 'log'))();
    await stop();
    throw new Error(`${error.message}: ${text.slice(-2000)}`);
  });
  return {
    folder,
    port,
    tls,
    pid: () => pid,
    boot,
    log: readLog(join(folder, 'log')),
    change: (ldif) =>
      void execFileSync('ldapmodify', ['-x', '-H', `ldap://127.0.0.1:${port}`, '-D', ADMIN, '-w', 'pw'], {
        input: ldif,
        stdio: ['pipe', 'ignore', 'pipe'],
        timeout: 10_000,
      }),
    stop,
  };
}
