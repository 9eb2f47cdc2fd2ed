// What keeps the services of a node: Watchkeeper, monit, or systemd by itself. Each as a careful administrator sets
// it up for speed: 1 s between looks, restarts without a limit, no patience that it does not need.
import { eventually } from '../lab/command.ts';
import type { LabNode } from '../lab/node.ts';
import { startWatchkeeper } from '../lab/watchkeeper.ts';
import { manyServices, twoServices } from './watchkeeper-setup.ts';

export interface Keeper {
  readonly name: string;
  /** Its own unit, whose control group holds all that it costs. Null: it is systemd itself. */
  readonly unit: string | null;
  /** Sets it up for Dovecot and Postfix and waits until it looks after both. */
  keep(node: LabNode): Promise<void>;
  /** Sets it up for `count` services of responder.ts from port `first` on. */
  watch(node: LabNode, first: number, count: number): Promise<void>;
}

async function startUnit(node: LabNode, unit: string, lines: readonly string[]): Promise<void> {
  node.put(`/etc/systemd/system/${unit}.service`, `[Service]\n${lines.join('\n')}\n`);
  await node.exec(['systemctl', 'daemon-reload']);
  await node.exec(['systemctl', 'restart', unit], { timeoutMs: 30_000 });
}

const MONIT = `set daemon 1
set log /var/log/monit.log
set pidfile /run/monit.pid
set idfile /var/lib/monit/id
set statefile /var/lib/monit/state
set httpd port 2812 and use address 127.0.0.1 allow admin:lab
`;

const monitProcess = (name: string, pid: string, unit: string, port: number, protocol: string): string =>
  `check process ${name} with pidfile ${pid}
  start program = "/usr/bin/systemctl start ${unit}" with timeout 10 seconds
  stop program = "/usr/bin/systemctl stop ${unit}" with timeout 10 seconds
  if failed port ${port} protocol ${protocol} with timeout 2 seconds then restart
`;

async function startMonit(node: LabNode, text: string): Promise<void> {
  node.put('/etc/monit/monitrc', MONIT + text, { mode: 0o600, owner: 0 });
  await node.exec(['mkdir', '-p', '/var/lib/monit']);
  await startUnit(node, 'bench-monit', ['ExecStart=/usr/bin/monit -I -c /etc/monit/monitrc']);
  const looking = async (): Promise<boolean> =>
    (await node.attempt(['monit', '-c', '/etc/monit/monitrc', 'summary', '-B'])).code === 0;
  await eventually('monit', looking, 15_000, 200);
}

const monit: Keeper = {
  name: 'monit',
  unit: 'bench-monit',
  keep: (node) =>
    startMonit(
      node,
      monitProcess('dovecot', '/run/dovecot/master.pid', 'dovecot', 143, 'imap') +
        monitProcess('postfix', '/var/spool/postfix/pid/master.pid', 'postfix@-', 25, 'smtp'),
    ),
  watch: (node, first, count) => {
    const services = Array.from({ length: count }, (_, index) => first + index).map(
      (port) => `check host s${port} with address 127.0.0.1
  if failed port ${port} protocol ${port % 2 === 0 ? 'smtp' : 'imap'} with timeout 2 seconds then alert\n`,
    );
    return startMonit(node, services.join(''));
  },
};

const systemd: Keeper = {
  name: 'systemd',
  unit: null,
  async keep(node) {
    for (const unit of ['dovecot', 'postfix@-']) {
      const drop = '[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=100ms\n';
      node.put(`/etc/systemd/system/${unit}.service.d/keep.conf`, drop);
    }
    await node.exec(['systemctl', 'daemon-reload']);
  },
  watch: async () => {
    throw new Error('systemd asks no service anything');
  },
};

const watchkeeper: Keeper = {
  name: 'Watchkeeper',
  unit: 'watchkeeper',
  keep: (node) => startWatchkeeper(node, twoServices),
  watch: (node, first, count) => startWatchkeeper(node, manyServices(first, count)),
};

export const keepers: readonly Keeper[] = [watchkeeper, monit, systemd];
