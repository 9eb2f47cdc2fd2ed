// What a fault is, and what every heal ends with. A fault is real: it is done to real servers, from outside of them.
import type { Cause, RungName } from '../../src/core/types.ts';
import { poll, sleep } from '../lab/command.ts';
import type { Truth } from '../lab/judge.ts';
import { awaitServices, type MailNode, membersOf, type Unit } from '../lab/mail-node.ts';
import { signal } from '../lab/processes.ts';

/** Services as the lab's configuration names them. */
export type ServiceName = 'mta' | 'store' | 'web' | 'resolver' | 'directory' | 'filter';

export const UNIT_OF: Readonly<Record<ServiceName, Unit>> = {
  mta: 'postfix@-',
  store: 'dovecot',
  web: 'nginx',
  resolver: 'named',
  directory: 'slapd',
  filter: 'opendkim',
};

/** What a daemon that understands the fault says and does. */
export interface Expectation {
  /** Who is at fault; null: nobody, and nothing may be said or done. */
  readonly service: ServiceName | null;
  /** Causes that are true. */
  readonly causes: readonly Cause[];
  /** Repairs that are right. Empty: hands off. */
  readonly rungs: readonly RungName[];
  /** Must be found in what the daemon says about it. */
  readonly words: RegExp;
  /** It can be cured without undoing the fault. */
  readonly curable: boolean;
  /** How often each unit is started by the fault itself, where somebody works by hand: nobody else may start it. */
  readonly starts?: Readonly<Partial<Record<Unit, number>>>;
}

export interface Fault {
  readonly name: string;
  readonly about: string;
  /** What a user notices while nobody repairs it; null: nothing. */
  readonly breaks: keyof Truth | null;
  readonly expects: Expectation;
  /** Units that the heal restarts, whatever became of them. */
  readonly units: readonly Unit[];
  inject(mail: MailNode): Promise<void>;
  /** Undoes the cause. `healed` then brings the services back. */
  undo?(mail: MailNode): Promise<void>;
}

const REPAIR: readonly RungName[] = ['start', 'restart', 'kill-and-start'];

/** A repair by a start or a restart is right, and cures. */
export const restartCures = (service: ServiceName, causes: readonly Cause[], words: RegExp): Expectation => ({
  service,
  causes,
  rungs: REPAIR,
  words,
  curable: true,
});

/** The part alone is repaired; who kills more has taken the long way. */
export const partCures = (service: ServiceName, causes: readonly Cause[], words: RegExp): Expectation => ({
  ...restartCures(service, causes, words),
  rungs: ['part'],
});

/** No repair is right: somebody must be told, and that is all. */
export const onlyTell = (service: ServiceName, causes: readonly Cause[], words: RegExp): Expectation => ({
  service,
  causes,
  rungs: [],
  words,
  curable: false,
});

/** All is well, or somebody is at work: say nothing, do nothing. */
export const QUIET: Expectation = { service: null, causes: [], rungs: [], words: /^/, curable: true };

/** Undoes a fault and brings its services back: what is left of them is killed, so that no half-dead thing stays. */
export async function healed(fault: Fault, mail: MailNode): Promise<void> {
  await fault.undo?.(mail);
  for (const unit of fault.units) {
    signal(membersOf(mail.node, unit), 'SIGKILL');
    await mail.node.attempt(['systemctl', 'stop', unit]);
  }
  await mail.node.attempt(['systemctl', 'reset-failed']);
  // Dovecot before Postfix: its sockets lie in the spool.
  for (const unit of mail.units.filter((each) => fault.units.includes(each))) {
    await mail.node.exec(['systemctl', 'start', unit], { timeoutMs: 30_000 });
  }
  await awaitServices(mail.node, mail.units);
  await mail.node.attempt(['postqueue', '-f']);
}

/** Writes a file of the node anew, and keeps what it was: until `putBack`. */
export async function edit({ node }: MailNode, file: string, change: (text: string) => string): Promise<void> {
  await node.exec(['cp', '-p', file, `${file}.kept`]);
  const before = node.read(file);
  const after = change(before);
  if (after === before) throw new Error(`${file}: nothing to change`);
  node.put(file, after);
}

export async function putBack({ node }: MailNode, file: string): Promise<void> {
  await node.attempt(['mv', '-f', `${file}.kept`, file]);
}

export async function reload({ node }: MailNode, ...units: readonly Unit[]): Promise<void> {
  for (const unit of units) await node.exec(['systemctl', 'reload', unit]);
}

/** systemd does not bring a unit back by itself, until `restarting`: Debian's named and opendkim have Restart=. */
export async function notRestarting({ node }: MailNode, unit: Unit): Promise<void> {
  node.put(`/etc/systemd/system/${unit}.service.d/no.conf`, '[Service]\nRestart=no\n');
  await node.exec(['systemctl', 'daemon-reload']);
}

export async function restarting({ node }: MailNode, unit: Unit): Promise<void> {
  node.remove(`/etc/systemd/system/${unit}.service.d/no.conf`);
  await node.exec(['systemctl', 'daemon-reload']);
}

/** Starts a program in the node as a unit of its own, so that it is nobody's child. */
export async function startAside(mail: MailNode, name: string, argv: readonly string[]): Promise<void> {
  await mail.node.exec(['systemd-run', '--quiet', '--collect', `--unit=lab-${name}`, ...argv]);
}

export async function stopAside(mail: MailNode, name: string): Promise<void> {
  await mail.node.attempt(['systemctl', 'kill', '--signal=KILL', `lab-${name}`]);
  await poll(
    async () => (await mail.node.attempt(['systemctl', 'is-active', `lab-${name}`])).stdout.trim() !== 'active',
    3000,
  );
}

/** Fills a file system of the node to its last block. */
export async function fill(mail: MailNode, place: 'store' | 'spool'): Promise<void> {
  await mail.node.attempt([
    'sh',
    '-c',
    `dd if=/dev/zero of=$1/fill bs=64k; dd if=/dev/zero of=$1/fill bs=1k \
    oflag=append conv=notrunc; sync -f $1`,
    'fill',
    place === 'store' ? '/srv/mail' : '/var/spool/postfix',
  ]);
  await sleep(50);
}
