// keepalived on the two nodes of the lab's cluster, with two addresses of its own: one for each of two intervals of its
// advertisements.
import type { LabCluster, NodeName } from '../lab/cluster.ts';
import { NETWORK } from '../lab/place.ts';

export const VRRP = [
  { name: 'keepalived, adverts every 1 s (default)', address: `${NETWORK}.51`, router: 51, interval: '1' },
  { name: 'keepalived, every 0.1 s', address: `${NETWORK}.52`, router: 52, interval: '0.1' },
] as const;

/** The priorities are high and near each other: the backup then waits for little beyond three intervals. */
const keepalivedConf = (name: NodeName): string =>
  `global_defs {
  vrrp_version 3
  router_id ${name}
  vrrp_garp_master_repeat 3
}
${VRRP.map(
  ({ address, router, interval }) => `vrrp_instance i${router} {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id ${router}
  priority ${name === 'n1' ? 254 : 252}
  advert_int ${interval}
  virtual_ipaddress {
    ${address}/24 dev eth0
  }
}
`,
).join('')}`;

const UNIT = '[Service]\nExecStart=/usr/sbin/keepalived -n -D -f /etc/keepalived/keepalived.conf\nRestart=always\n';
export const KEEPALIVED = 'bench-keepalived';

export async function startKeepalived(cluster: LabCluster, name: NodeName): Promise<void> {
  const node = cluster.node(name);
  node.put('/etc/keepalived/keepalived.conf', keepalivedConf(name), { mode: 0o644 });
  node.put(`/etc/systemd/system/${KEEPALIVED}.service`, `${UNIT}[Install]\nWantedBy=multi-user.target\n`);
  await node.exec(['systemctl', 'daemon-reload']);
  await node.exec(['systemctl', 'enable', '-q', '--now', KEEPALIVED]);
}
