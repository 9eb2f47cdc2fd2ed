// A configuration for an nginx that somebody else starts, with an executable of its own: what is killed by executable
// in a test is nobody else's.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { proc } from '../../src/ports/proc.ts';
import { freePorts, newFolder, until } from './server.ts';

export interface OwnNginx {
  readonly folder: string;
  readonly exe: string;
  readonly config: string;
  readonly pidFile: string;
  readonly port: number;
  /** Writes the configuration: good, or one that it refuses. */
  write(how: 'good' | 'bad'): void;
  /** Living processes of it. */
  living(): number;
  end(): Promise<void>;
}

export async function ownNginx(): Promise<OwnNginx> {
  const folder = newFolder('own-nginx');
  const [port = 0] = await freePorts(1);
  const [exe, config, pidFile] = [join(folder, 'nginx'), join(folder, 'nginx.conf'), join(folder, 'nginx.pid')];
  copyFileSync('/usr/sbin/nginx', exe);
  mkdirSync(join(folder, 'pages'));
  writeFileSync(join(folder, 'pages', 'index.html'), 'Welcome</body>\n');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${folder}/${name};`)
    .join('\n');
  const text = `pid ${pidFile};
error_log ${folder}/log;
worker_processes 1;
events {}
http {
${temporary}
  access_log off;
  server {
    listen 127.0.0.1:${port};
    root ${folder}/pages;
  }
}
`;
  const write = (how: 'good' | 'bad'): void =>
    writeFileSync(config, how === 'good' ? text : text.replace('listen', 'liszen'));
  const living = (): number => proc.byExe(exe).filter((one) => one.state !== 'Z').length;
  write('good');
  return {
    ...{ folder, exe, config, pidFile, port, write, living },
    async end() {
      await until('the end of nginx', () => {
        for (const one of proc.byExe(exe)) proc.signal(one.pid, 'SIGKILL');
        return living() === 0;
      });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
