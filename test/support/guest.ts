// A web server as a guest of other houses: an nginx with a kit of its own, and calls of programs as those houses make
// them. Its manager is two commands, because a test's machine has no systemd that runs.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answers, endTree, launch, until } from './server.ts';
import { type Nginx, startNginx } from './servers.ts';

export const root = fileURLToPath(new URL('../../..', import.meta.url));
export const watchkeeper = join(root, 'bin/watchkeeper.js');
export const integration = (path: string): string => join(root, 'config/integrations', path);

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end, without blocking us: the small servers of a test may live in this process. */
export function call(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  limitMs = 60_000,
): Promise<Ran> {
  return new Promise((resolve) => {
    const [file = '', ...args] = argv;
    const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
    const child = spawn(file, args, {
      env: { PATH: `${join(process.execPath, '..')}:${PATH}`, LANG: 'C', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (data: Buffer) => void (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => void (err += data.toString()));
    child.on('error', (error) => void (err += error.message));
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

export interface Web extends Nginx {
  /** The file of its kit. */
  readonly kit: string;
  /** Does its main process live? */
  lives(): boolean;
}

/** An nginx whose kit asks for its page: the text of it only in a DeepCheck. */
export async function startWeb(): Promise<Web> {
  const nginx = await startNginx();
  const config = join(nginx.folder, 'nginx.conf');
  // A program of its own: what a dead one leaves behind is known by it, and no other nginx is ever touched.
  const program = join(nginx.folder, 'nginx');
  copyFileSync('/usr/sbin/nginx', program);
  await endTree(nginx.pid());
  launch([program, '-c', config, '-p', nginx.folder], join(nginx.folder, 'start'));
  await until('an nginx that answers', () => answers(nginx.http));
  const argv = `${program}, -c, ${config}, -p, ${nginx.folder}`;
  const kit = join(nginx.folder, 'web.yaml');
  writeFileSync(
    kit,
    `about: A web server of a test
params:
  text: { about: What the page says, default: Webmail }
checks:
  - { type: tcp, port: ${nginx.http}, depth: quick }
  - { type: http, depth: deep, url: 'http://127.0.0.1:${nginx.http}/', text: $text }
manager:
  type: command
  start: [${argv}]
  stop: [${argv}, -s, quit]
  validate: [${argv}, -t, -q]
  pid-file: ${nginx.folder}/pid
  exe: [${program}]
  ports: [${nginx.http}, ${nginx.https}]
`,
  );
  return { ...nginx, kit, lives: () => nginx.pid() > 0 && existsSync(`/proc/${nginx.pid()}`) };
}
