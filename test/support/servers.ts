// Real mail, web and name servers on loopback, each with its own configuration and files below a new folder, on free
// ports, started by a test and stopped by it, by pid. Needs root and Debian's packages (postfix, dovecot-imapd,
// dovecot-pop3d, dovecot-lmtpd, nginx-light, bind9). Directories and databases have starters beside this file.
export { type Bind, startBind } from './bind.ts';
export { type Dovecot, startDovecot } from './dovecot.ts';
export { type Nginx, startNginx } from './nginx.ts';
export { nameOf, processTree } from './pids.ts';
export { type Postfix, type PostfixOptions, startPostfix } from './postfix.ts';
export { answers, endTree, freePorts, frozen, type Server, stopped, until } from './server.ts';
