// An Exim of its own, from Debian's package without installing it: exim4 and Postfix cannot live on one machine.
// It wants its user in /etc/passwd; a mount namespace gives it a file of its own there.
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newFolder } from './server.ts';

export interface Exim {
  readonly folder: string;
  /** The program, as the check takes it. */
  readonly program: string;
  readonly config: string;
  readonly paniclog: string;
  /** Puts a message into the queue, and gives its id. */
  queue(from: string, ...to: readonly string[]): string;
  freeze(id: string): void;
  stop(): void;
}

const UID = 64_999;
const run = (argv: readonly string[], cwd: string, input = ''): string =>
  execFileSync(argv[0] ?? '', argv.slice(1), {
    ...{ cwd, input, encoding: 'utf8', timeout: 120_000 },
    stdio: ['pipe', 'pipe', 'ignore'],
  });

/** The package is fetched by apt, as an installation would. */
function unpack(folder: string): void {
  run(['apt-get', '-q', 'download', 'exim4-daemon-light'], folder);
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.deb'));
  run(['dpkg-deb', '-x', file ?? '', join(folder, 'root')], folder);
}

function accounts(folder: string): void {
  const line = `Debian-exim:x:${UID}:`;
  writeFileSync(join(folder, 'passwd'), `${readFileSync('/etc/passwd', 'utf8')}${line}${UID}::/:/usr/sbin/nologin\n`);
  writeFileSync(join(folder, 'group'), `${readFileSync('/etc/group', 'utf8')}${line}\n`);
}

const configuration = (folder: string): string => `spool_directory = ${folder}/spool
log_file_path = ${folder}/log/%slog
pid_file_path = ${folder}/pid
primary_hostname = mail.test
queue_only = true
keep_environment =
acl_smtp_rcpt = accept
begin acl
begin routers
begin transports
`;

export function unpackExim(): Exim {
  const folder = newFolder('exim');
  unpack(folder);
  accounts(folder);
  for (const name of ['spool', 'log']) {
    mkdirSync(join(folder, name));
    chownSync(join(folder, name), UID, UID);
  }
  const [program, config] = [join(folder, 'exim'), join(folder, 'exim.conf')];
  writeFileSync(config, configuration(folder));
  const inside = `mount --bind ${folder}/passwd /etc/passwd && mount --bind ${folder}/group /etc/group`;
  const real = `${folder}/root/usr/sbin/exim4`;
  writeFileSync(program, `#!/bin/sh\nexec unshare -m sh -c '${inside} && exec ${real} "$@"' exim "$@"\n`, {
    mode: 0o755,
  });
  const list = (): string[] =>
    [...run([program, '-C', config, '-bp'], folder).matchAll(/ (\S+-\S+-\S+) </g)].map(([, id]) => id ?? '');
  return {
    folder,
    program,
    config,
    paniclog: join(folder, 'log', 'paniclog'),
    queue(from, ...to) {
      const before = new Set(list());
      run([program, '-C', config, '-odq', '-f', from, ...to], folder, 'Subject: t\n\nt\n');
      return list().find((id) => !before.has(id)) ?? '';
    },
    freeze: (id) => void run([program, '-C', config, '-Mf', id], folder),
    stop: () => rmSync(folder, { recursive: true, force: true }),
  };
}
