// A Cyrus of its own, from Debian's packages without installing them: Cyrus and Dovecot cannot live on one machine.
// It runs as `nobody`, for the machine has no user of its name.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers, endTree, freePorts, newFolder, readLog, type Server, spawnTo, until } from './server.ts';

export interface Cyrus extends Server {
  /** Options of the check: where its programs, its settings and its users are. */
  readonly options: Readonly<Record<string, string>>;
  readonly port: number;
  /** Its settings are these and `more`. */
  settings(more?: string): void;
  /** The list of its mailboxes is this one, each name with its partition. */
  list(names: readonly string[], partition?: string): void;
  start(): Promise<void>;
}

const [UID, GID] = [65_534, 65_534];
const PACKAGES = ['cyrus-common', 'cyrus-imapd', 'libical3', 'libpcre3', 'libxapian30', 'libzephyr4'];
const TOOLS = ['cyr_info', 'ctl_mboxlist', 'cyr_df', 'quota'];

function run(argv: readonly string[], cwd: string, input = ''): string {
  return execFileSync(argv[0] ?? '', argv.slice(1), {
    ...{ cwd, input, encoding: 'utf8', timeout: 120_000 },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Gives the folder of its programs: each a script that says where its libraries are. */
function unpack(folder: string): { readonly tools: string; readonly bin: string; readonly libraries: string } {
  const [root, tools] = [join(folder, 'root'), join(folder, 'tools')];
  run(['apt-get', '-q', 'download', ...PACKAGES], folder);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb')))
    run(['dpkg-deb', '-x', file, root], folder);
  const bin = join(root, 'usr/lib/cyrus/bin');
  const libraries = [...new Set(run(['find', root, '-name', '*.so*', '-printf', '%h\\n'], folder).trim().split('\n'))];
  mkdirSync(tools);
  const path = libraries.join(':');
  for (const name of TOOLS)
    writeFileSync(join(tools, name), `#!/bin/sh\nLD_LIBRARY_PATH=${path} exec ${bin}/${name} "$@"\n`, { mode: 0o755 });
  return { tools, bin, libraries: path };
}

const settingsIn = (folder: string, more: string): string => `configdirectory: ${folder}/state
partition-default: ${folder}/spool
defaultpartition: default
proc_path: ${folder}/run/proc
mboxname_lockpath: ${folder}/run/lock
cyrus_user: nobody
cyrus_group: nogroup
allowplaintext: yes
${more}`;

const mastersIn = (bin: string, config: string, port: number): string => `START {
  recover cmd="${bin}/ctl_cyrusdb -C ${config} -r"
}
SERVICES {
  imap cmd="${bin}/imapd -C ${config} -U 30" listen="127.0.0.1:${port}" prefork=1 maxchild=4
}
`;

export async function unpackCyrus(): Promise<Cyrus> {
  const folder = newFolder('cyrus');
  const { tools, bin, libraries } = unpack(folder);
  const [port = 0] = await freePorts(1);
  const [config, master] = [join(folder, 'imapd.conf'), join(folder, 'cyrus.conf')];
  for (const name of ['state', 'state/msg', 'state/db', 'state/socket', 'state/log', 'spool', 'run', 'run/proc']) {
    mkdirSync(join(folder, name));
    chmodSync(join(folder, name), 0o755);
    chownSync(join(folder, name), UID, GID);
  }
  const settings = (more = ''): void => writeFileSync(config, settingsIn(folder, more));
  settings();
  writeFileSync(master, mastersIn(bin, config, port));
  let main = 0;
  return {
    folder,
    port,
    options: { programs: tools, config, master },
    settings,
    list(names, partition = 'default') {
      const lines = names.map((name, at) => {
        const acl = '"acl": {"u1": "lrswipkxtecdan"}, "uniqueid": "abcdefgh12345678abcdef';
        return `"${name}": {"name": "${name}", "mbtype": "e", "partition": "${partition}", ${acl}${at}"}`;
      });
      rmSync(join(folder, 'state/mailboxes.db'), { force: true });
      run([join(tools, 'ctl_mboxlist'), '-C', config, '-u'], folder, `{\n${lines.join(',\n')}\n}\n`);
    },
    async start() {
      const argv = [join(bin, 'master'), '-C', config, '-M', master, '-p', join(folder, 'pid'), '-l', '32'];
      main = spawnTo(['env', `LD_LIBRARY_PATH=${libraries}`, ...argv], join(folder, 'log'));
      await until('the greeting of Cyrus', () => answers(port, /^\* OK/), 30_000);
    },
    pid: () => main,
    log: readLog(join(folder, 'log')),
    async stop() {
      await endTree(main);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
