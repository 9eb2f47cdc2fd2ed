// The real doors, all of them. Made once, in `run`.
import type { Writable } from 'node:stream';
import { openAddresses } from './addresses.ts';
import { clock } from './clock.ts';
import { dns } from './dns.ts';
import { exec } from './exec.ts';
import { files } from './files.ts';
import { frames } from './frames.ts';
import { http } from './http.ts';
import { httpSession } from './http-session.ts';
import type { Log } from './log.ts';
import { net } from './net.ts';
import type { Ports } from './ports.ts';
import { openPacketFilter } from './packet-filter.ts';
import { peers } from './peers.ts';
import { proc } from './proc.ts';
import { scm } from './scm.ts';
import { secretsFrom } from './secrets.ts';
import { stores } from './store.ts';
import { sysinfo } from './sysinfo.ts';
import { openSystemLog } from './syslog.ts';
import { udp } from './udp.ts';
import { makeUnits } from './units.ts';

export interface RealOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly underSystemd: boolean;
  readonly out: Writable;
  readonly log: Log;
}

export const realPorts = ({ env, pid, underSystemd, out, log }: RealOptions): Ports => ({
  addresses: openAddresses(),
  clock,
  dns,
  exec,
  files,
  frames: frames(),
  http,
  httpSession,
  log,
  net,
  packets: openPacketFilter({ pid }),
  peers,
  proc,
  scm,
  secrets: secretsFrom(env),
  stores,
  sysinfo,
  systemLog: openSystemLog({ pid, underSystemd, out }),
  udp,
  units: makeUnits(exec, clock),
});
