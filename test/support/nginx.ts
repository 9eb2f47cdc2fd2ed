// An nginx of its own, with a page, over HTTP and HTTPS.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  answers,
  endTree,
  freePorts,
  launch,
  newFolder,
  pidIn,
  readLog,
  type Server,
  until,
  writeCertificate,
} from './server.ts';

export interface Nginx extends Server {
  readonly http: number;
  readonly https: number;
  /** What it serves. */
  readonly pages: string;
}

/** Serves `pages`; `/gone` redirects, `/gateway` asks something that is not there. `extra` goes into both servers. */
export async function startNginx(extra = ''): Promise<Nginx> {
  const folder = newFolder('nginx');
  const [http = 0, https = 0, nobody = 0] = await freePorts(3);
  const pages = join(folder, 'pages');
  mkdirSync(pages);
  writeFileSync(join(pages, 'index.html'), '<h1>Webmail</h1> Password: <input>\n');
  const { cert, key } = writeCertificate(folder);
  const server = (listen: string): string => `server {
    listen 127.0.0.1:${listen};
    server_name mail.test;
    root ${pages};
    location = /gone { return 302 http://elsewhere.test/; }
    location = /gateway { proxy_pass http://127.0.0.1:${nobody}; }
    ${extra}
  }`;
  const config = join(folder, 'nginx.conf');
  writeFileSync(
    config,
    `pid ${folder}/pid;
error_log ${folder}/log;
worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  ssl_certificate ${cert};
  ssl_certificate_key ${key};
  ${server(String(http))}
  ${server(`${https} ssl`)}
}
`,
  );
  launch(['nginx', '-c', config, '-p', folder], join(folder, 'start'));
  await until('an nginx that answers', () => answers(http));
  const pid = (): number => pidIn(join(folder, 'pid'));
  return {
    folder,
    http,
    https,
    pages,
    pid,
    log: readLog(join(folder, 'log')),
    async stop() {
      await endTree(pid());
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
