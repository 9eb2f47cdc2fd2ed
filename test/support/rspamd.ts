// An rspamd of its own: a worker that scans, the controller, the proxy that speaks milter. No DNS, no rules but GTUBE.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers, endTree, freePorts, newFolder, readLog, type Server, spawnTo, until } from './server.ts';

export interface Rspamd extends Server {
  readonly port: number;
  readonly controller: number;
  readonly milter: number;
}

/** `options` goes into the block of that name. The controller's password is `pw-of-the-lab`. */
export async function startRspamd(options = ''): Promise<Rspamd> {
  const folder = newFolder('rspamd');
  const [port = 0, controller = 0, milter = 0] = await freePorts(3);
  const [data, logFile] = [join(folder, 'data'), join(folder, 'log')];
  mkdirSync(data);
  // It compiles the endings of all names in the world before it listens, which takes a minute: a few are enough.
  writeFileSync(join(data, 'tld'), 'test\norg\n');
  writeFileSync(
    join(folder, 'rspamd.conf'),
    `options {
  pidfile = "${data}/pid";
  filters = "regexp";
  cache_file = "${data}/symbols.cache";
  history_file = "${data}/history";
  dynamic_conf = "${data}/dynamic";
  rrd = "${data}/rrd";
  stats_file = "${data}/stats.ucl";
  hs_cache_dir = "${data}/";
  control_socket = "${data}/control mode=0600";
  url_tld = "${data}/tld";
  tempdir = "${data}";
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
  ${options}
}
logging { type = "console"; level = "warning"; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
worker "controller" {
  bind_socket = "127.0.0.1:${controller}"; count = 1; password = "pw-of-the-lab"; secure_ip = "192.0.2.1";
}
worker "rspamd_proxy" {
  bind_socket = "127.0.0.1:${milter}"; milter = yes; count = 1;
  upstream "local" { default = yes; hosts = "127.0.0.1:${port}"; }
}
actions { reject = 15; "add header" = 6; greylist = 4; }
`,
  );
  execFileSync('chown', ['-R', '_rspamd:_rspamd', folder]);
  const argv = ['-f', '-u', '_rspamd', '-g', '_rspamd', '-c', join(folder, 'rspamd.conf')];
  const main = spawnTo(['rspamd', ...argv], logFile);
  for (const one of [port, controller, milter])
    await until('an rspamd that listens', () => answers(one), 120_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${readLog(logFile)()}`);
    });
  return {
    folder,
    port,
    controller,
    milter,
    pid: () => main,
    log: readLog(logFile),
    async stop() {
      await endTree(main);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
