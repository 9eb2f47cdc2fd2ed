// All doors to the outside in one type. Each has its interface and its real side in its own file, and a fake in
// test/support. A plugin gets this object in its context; nothing else of the outside.
import type { Addresses } from './addresses.ts';
import type { Clock } from './clock.ts';
import type { Dns } from './dns.ts';
import type { Exec } from './exec.ts';
import type { Files } from './files.ts';
import type { Frames } from './frames.ts';
import type { Http } from './http.ts';
import type { HttpSessions } from './http-session.ts';
import type { Log } from './log.ts';
import type { Net } from './net.ts';
import type { PacketFilter } from './packet-filter.ts';
import type { Peers } from './peers.ts';
import type { Proc } from './proc.ts';
import type { Scm } from './scm.ts';
import type { Secrets } from './secrets.ts';
import type { Stores } from './store.ts';
import type { SysInfo } from './sysinfo.ts';
import type { SystemLog } from './syslog.ts';
import type { Udp } from './udp.ts';
import type { Units } from './units.ts';

export interface Ports {
  readonly addresses: Addresses;
  readonly clock: Clock;
  readonly dns: Dns;
  readonly exec: Exec;
  readonly files: Files;
  readonly frames: Frames;
  readonly http: Http;
  readonly httpSession: HttpSessions;
  readonly log: Log;
  readonly net: Net;
  readonly packets: PacketFilter;
  readonly peers: Peers;
  readonly proc: Proc;
  /** Windows only: elsewhere every answer is that it is not here. */
  readonly scm: Scm;
  readonly secrets: Secrets;
  readonly stores: Stores;
  readonly sysinfo: SysInfo;
  readonly systemLog: SystemLog;
  readonly udp: Udp;
  readonly units: Units;
}
