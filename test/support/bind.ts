// A BIND of its own, with one zone that works and some that do not.
import { spawn } from 'node:child_process';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endTree, freePorts, newFolder, readLog, type Server, until } from './server.ts';

export interface Bind extends Server {
  readonly port: number;
  /** `127.0.0.1:PORT`, as the DNS check takes it. */
  readonly address: string;
}

const START = `$TTL 60
@ SOA ns.lab.test. admin.lab.test. 1 60 60 60 60
@ NS ns.lab.test.
`;

/** Serves the zone lab.test from a file, and what `zones` holds (records by name of the zone); recursion goes to an
 *  address where nobody answers. `keyText`: keys as tsig-keygen(8) makes them; the first may change the zones. */
export async function startBind(zones: Readonly<Record<string, string>> = {}, keyText = ''): Promise<Bind> {
  const folder = newFolder('bind');
  const [port = 0, nobody = 0] = await freePorts(2);
  writeFileSync(
    join(folder, 'zone'),
    `${START}@ MX 10 mail.lab.test.
@ MX 20 backup.lab.test.
ns A 127.0.0.1
mail A 127.0.0.1
mail A 127.0.0.2
mail AAAA ::1
text TXT "one " "two"
`,
  );
  for (const [name, text] of Object.entries(zones)) writeFileSync(join(folder, name), `${START}${text}\n`);
  const mover = /key "([^"]+)"/.exec(keyText)?.[1];
  const update = mover === undefined ? '' : ` allow-update { key "${mover}"; };`;
  const more = Object.keys(zones).map(
    (name) => `zone "${name}" { type primary; file "${folder}/${name}";${update} };\n`,
  );
  writeFileSync(
    join(folder, 'named.conf'),
    `${keyText}options {
  directory "${folder}";
  pid-file "${folder}/pid";
  session-keyfile "${folder}/session.key";
  lock-file none;
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion yes;
  dnssec-validation no;
  allow-query { 127.0.0.1; };
  forward only;
  forwarders { 127.0.0.1 port ${nobody}; };
};
controls {};
zone "lab.test" { type primary; file "${folder}/zone"; };
zone "broken.test" { type primary; file "${folder}/away"; };
zone "closed.test" { type primary; file "${folder}/zone"; allow-query { none; }; };
${more.join('')}`,
  );
  const logFile = join(folder, 'log');
  const child = spawn('named', ['-g', '-n', '1', '-c', join(folder, 'named.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr.on('data', (text: Buffer) => appendFileSync(logFile, text));
  const main = child.pid ?? 0;
  await until('a BIND that runs', () => / running$/m.test(readLog(logFile)()));
  return {
    folder,
    port,
    address: `127.0.0.1:${port}`,
    pid: () => main,
    log: readLog(logFile),
    async stop() {
      await endTree(main);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
