// A log host of one's own: rsyslogd on loopback, with the ways in that a test asks for. It writes a line of JSON for
// each message.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { authority } from './certificates.ts';
import { endTree, newFolder, pidIn, readLog, spawnTo, until, writeCertificate } from './server.ts';

export interface LogHostOptions {
  /** Lines of configuration that load inputs. */
  readonly inputs: string;
  /** All of the configuration, with FOLDER where the files are, instead of everything else. */
  readonly whole?: string;
  /** With TLS: the driver, and whether clients must show a certificate that the authority of the tests signed. */
  readonly tls?: { readonly driver: 'gtls' | 'ossl'; readonly clients: 'anon' | 'x509/certvalid' };
  /** What it serves; default the good one. */
  readonly pair?: { readonly cert: string; readonly key: string };
}

export type LogEntry = Readonly<Record<'facility' | 'severity' | 'host' | 'app' | 'msgid' | 'data' | 'text', string>>;

export interface LogHostServer {
  start(): Promise<void>;
  /** SIGTERM, or SIGKILL when `how` says so. What it has read it writes before it ends by SIGTERM. */
  down(how?: 'SIGKILL'): Promise<void>;
  pid(): number;
  entries(): readonly LogEntry[];
  raw(): string;
  log(): string;
  /** Ends it and takes its folder away. */
  close(): Promise<void>;
}

/** One JSON object a line, of what rsyslogd understood. */
export const TEMPLATE = `
template(name="json" type="list" option.jsonf="on") {
  property(outname="facility" name="syslogfacility-text" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}`;

function configuration(folder: string, { inputs, whole, tls, pair }: LogHostOptions): string {
  const { cert, key } = writeCertificate(folder, pair);
  writeFileSync(join(folder, 'ca.pem'), authority);
  if (whole !== undefined) return whole.replaceAll('FOLDER', folder);
  const lines = [`global(workDirectory="${folder}/work" maxMessageSize="64k")`];
  if (tls)
    lines.push(
      `global(DefaultNetstreamDriver="${tls.driver}" DefaultNetstreamDriverCAFile="${folder}/ca.pem"`,
      `  DefaultNetstreamDriverCertFile="${cert}" DefaultNetstreamDriverKeyFile="${key}")`,
      `module(load="imtcp" StreamDriver.Name="${tls.driver}" StreamDriver.Mode="1"`,
      `  StreamDriver.AuthMode="${tls.clients}")`,
    );
  const out = `if $programname == "watchkeeper" then action(type="omfile" file="${folder}/out" template="json")`;
  return [...lines, inputs, TEMPLATE, out, ''].join('\n');
}

export function logHostServer(options: LogHostOptions): LogHostServer {
  const folder = newFolder('loghost');
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('work'));
  writeFileSync(at('conf'), configuration(folder, options));
  let pid = 0;
  const down = async (how?: 'SIGKILL'): Promise<void> => {
    if (pid === 0) return;
    if (how) process.kill(pid, how);
    await endTree(pid);
    pid = 0;
    rmSync(at('pid'), { force: true });
  };
  const raw = readLog(at('out'));
  return {
    down,
    raw,
    pid: () => pid,
    log: readLog(at('log')),
    async start() {
      pid = spawnTo(['/usr/sbin/rsyslogd', '-n', '-f', at('conf'), '-i', at('pid')], at('log'));
      await until(`rsyslogd ${readLog(at('log'))()}`, () => existsSync(at('pid')) && pidIn(at('pid')) > 0, 20_000);
    },
    entries: () =>
      raw()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as LogEntry),
    async close() {
      await down();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
