// The member of etcd that this daemon runs: it is started, started again when it dies, and told of when it does not
// answer. It outlives the daemon: a later one knows it again by pid, start time and boot, and leaves it as it is.
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { MemberConfig } from '../../config/types.ts';
import type { SessionTls } from '../../ports/http-session.ts';
import type { Ports } from '../../ports/ports.ts';
import type { SpawnRecord } from '../../ports/proc.ts';
import { parseSpawnRecord } from '../../ports/spawn-record.ts';

export interface MemberDoors {
  readonly ports: Ports;
  readonly stateDir: string;
  /** `bad` false: it is well again. Told when it changes. */
  onTrouble(bad: boolean, detail: string): void;
}

const QUOTA_BYTES = 1_073_741_824;
const LOG_BYTES = 4_194_304;
const RECORD_BYTES = 4096;
const PEM_BYTES = 262_144;
const LOOK_MS = 1000;
const ASK_MS = 1500;
/** Not heard of for so long: it is said. It is not killed: without a quorum a good member does not answer either. */
const SILENT_MS = 10_000;
const BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
/** Having lived so long, its next death counts as the first. */
const STEADY_MS = 60_000;
const TERM_MS = 8000;
const KILL_MS = 3000;
const STEP_MS = 25;

const tlsWords = ({ tls }: MemberConfig): string[] =>
  tls === null
    ? []
    : ['', 'peer-'].flatMap((side) => [
        ...[`--${side}cert-file`, tls.certificate, `--${side}key-file`, tls.key],
        ...[`--${side}trusted-ca-file`, tls.authority, `--${side}client-cert-auth`],
      ]);

/** The command line. Zap is the logger because the other one of 3.4 ends the process after a stall. */
export function memberArgv(config: MemberConfig): string[] {
  const { name, dataDir, clientUrls, peerUrls, initial, token, heartbeatMs, electionMs } = config;
  const all = Object.entries(initial).flatMap(([one, urls]) => urls.map((url) => `${one}=${url}`));
  return [
    ...['etcd', '--name', name, '--data-dir', dataDir, '--logger', 'zap', '--log-outputs', 'stderr'],
    ...['--listen-client-urls', clientUrls.join(','), '--advertise-client-urls', clientUrls.join(',')],
    ...['--listen-peer-urls', peerUrls.join(','), '--initial-advertise-peer-urls', peerUrls.join(',')],
    ...['--initial-cluster', all.join(','), '--initial-cluster-token', token, '--initial-cluster-state', 'new'],
    ...['--heartbeat-interval', String(heartbeatMs), '--election-timeout', String(electionMs), '--pre-vote'],
    ...['--quota-backend-bytes', String(QUOTA_BYTES), '--strict-reconfig-check'],
    ...tlsWords(config),
  ];
}

export class EtcdMember {
  readonly #config: MemberConfig;
  readonly #doors: MemberDoors;
  readonly #over = new AbortController();
  #record: SpawnRecord | null = null;
  #startedMs = 0;
  #deaths = 0;
  #heardMs = 0;
  #trouble = false;
  #running: Promise<void> = Promise.resolve();

  constructor(config: MemberConfig, doors: MemberDoors) {
    this.#config = config;
    this.#doors = doors;
  }

  get #recordPath(): string {
    return join(this.#doors.stateDir, `etcd-${encodeURIComponent(this.#config.name)}.json`);
  }
  get #logPath(): string {
    return join(this.#doors.stateDir, `etcd-${encodeURIComponent(this.#config.name)}.log`);
  }

  /** Adopts the one that runs, or starts it; then looks after it until close. Its first trouble is told, not thrown. */
  async start(): Promise<void> {
    const { clock, log } = this.#doors.ports;
    mkdirSync(this.#doors.stateDir, { recursive: true, mode: 0o700 });
    const record = this.#recorded() ?? this.#found();
    this.#heardMs = clock.monotonic();
    if (record) {
      this.#record = record;
      this.#startedMs = clock.monotonic();
      log.info(`the member ${this.#config.name} of etcd runs already as pid ${record.pid}`);
    } else await this.#spawn();
    this.#running = this.#lookAfter();
  }

  /** `stop`: SIGTERM, and SIGKILL when that is not enough. Otherwise it goes on without us. */
  async close({ stop }: { readonly stop: boolean }): Promise<void> {
    this.#over.abort();
    await this.#running;
    if (stop) await this.#end();
  }

  /** The one that an earlier daemon wrote down, if it lives. */
  #recorded(): SpawnRecord | null {
    const { files, proc } = this.#doors.ports;
    try {
      const record = parseSpawnRecord(files.readText(this.#recordPath, RECORD_BYTES));
      return record && record.bootId === proc.bootId() && proc.alive(record) ? record : null;
    } catch {
      return null; // Too big, or not to be read: as if it were torn.
    }
  }

  /** One that runs on our data folder, though nothing was written down: a crash came between, or a full disk. */
  #found(): SpawnRecord | null {
    const { proc } = this.#doors.ports;
    const words = memberArgv(this.#config)
      .slice(0, 5)
      .join(' ')
      .replace(/[^\w\s/-]/g, '\\$&');
    const [found] = proc.byArgv(new RegExp(`^(\\S*/)?${words} `)).filter(({ state }) => state !== 'Z' && state !== 'X');
    return found ? { pid: found.pid, startTicks: found.startTicks, exe: found.exe, bootId: proc.bootId() } : null;
  }

  #tell(bad: boolean, detail: string): void {
    if (bad === this.#trouble) return;
    this.#trouble = bad;
    this.#doors.onTrouble(bad, detail);
  }

  async #spawn(): Promise<void> {
    const { clock, log, proc } = this.#doors.ports;
    try {
      mkdirSync(this.#config.dataDir, { recursive: true, mode: 0o700 });
      // etcd takes a folder that others may read, with a warning.
      chmodSync(this.#config.dataDir, 0o700);
      if (readdirSync(this.#config.dataDir).length === 0)
        log.warn(`the member ${this.#config.name} of etcd begins without data in ${this.#config.dataDir}`);
    } catch (error) {
      this.#deaths++;
      this.#tell(true, `the data folder of etcd cannot be used: ${(error as NodeJS.ErrnoException).code ?? 'error'}`);
      return;
    }
    const got = await proc.spawn(memberArgv(this.#config), {
      recordPath: this.#recordPath,
      logPath: this.#logPath,
      logMaxBytes: LOG_BYTES,
    });
    this.#startedMs = clock.monotonic();
    if ('failed' in got) {
      this.#deaths++;
      this.#tell(true, `etcd could not be started: ${got.failed}`);
      return;
    }
    this.#record = got;
    log.info(`started the member ${this.#config.name} of etcd as pid ${got.pid}`);
  }

  async #lookAfter(): Promise<void> {
    const { clock, proc } = this.#doors.ports;
    const { signal } = this.#over;
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS / 4, signal).catch(() => undefined);
      if (signal.aborted) return;
      if (!this.#record || !proc.alive(this.#record)) await this.#again();
      else await this.#listen();
    }
  }

  /** Its death: said, waited for, and started anew. */
  async #again(): Promise<void> {
    const { clock } = this.#doors.ports;
    const { signal } = this.#over;
    if (this.#record) {
      this.#deaths = clock.monotonic() - this.#startedMs > STEADY_MS ? 1 : this.#deaths + 1;
      this.#tell(true, `the member ${this.#config.name} of etcd died (pid ${this.#record.pid}); see ${this.#logPath}`);
      this.#record = null;
    }
    const wait = Math.min(BACKOFF_MS * 2 ** Math.min(this.#deaths - 1, 10), LONGEST_BACKOFF_MS);
    await clock.sleep(wait, signal).catch(() => undefined);
    if (signal.aborted) return;
    this.#heardMs = clock.monotonic();
    await this.#spawn();
  }

  /** Its own /health: that it reads with a quorum. */
  async #listen(): Promise<void> {
    const { clock, proc } = this.#doors.ports;
    proc.boundLog(this.#logPath, LOG_BYTES);
    const fault = await this.#health();
    if (this.#over.signal.aborted) return;
    const now = clock.monotonic();
    if (fault === null) {
      this.#heardMs = now;
      this.#tell(false, `the member ${this.#config.name} of etcd is well`);
    } else if (now - this.#heardMs > SILENT_MS) {
      this.#tell(true, `the member ${this.#config.name} of etcd is not well: ${fault}`);
    }
    await clock.sleep(LOOK_MS, this.#over.signal).catch(() => undefined);
  }

  #tls(): SessionTls {
    const { files } = this.#doors.ports;
    const { tls } = this.#config;
    if (!tls) return {};
    const read = (path: string): string => files.readText(path, PEM_BYTES) ?? '';
    return { ca: read(tls.authority), cert: read(tls.certificate), key: read(tls.key) };
  }

  /** Null: well. */
  async #health(): Promise<string | null> {
    const { http } = this.#doors.ports;
    const url = this.#config.clientUrls[0] ?? '';
    try {
      const { signal } = this.#over;
      const { status, body } = await http.request({
        url: `${url}/health`,
        tls: this.#tls(),
        signal,
        timeoutMs: ASK_MS,
        maxBytes: 4096,
      });
      if (status === 200 && /"health"\s*:\s*"true"/.test(body)) return null;
      return `/health answers ${status}: it has no quorum, no leader, or an alarm`;
    } catch (error) {
      return (error as Error).message;
    }
  }

  async #end(): Promise<void> {
    const { log, proc } = this.#doors.ports;
    const record = this.#record;
    if (!record) return;
    if (!proc.alive(record)) return;
    proc.signal(record.pid, 'SIGTERM');
    if (await this.#gone(record, TERM_MS)) return;
    proc.signal(record.pid, 'SIGKILL');
    if (!(await this.#gone(record, KILL_MS))) log.error(`etcd, pid ${record.pid}, cannot be killed`);
  }

  async #gone(record: SpawnRecord, limitMs: number): Promise<boolean> {
    const { clock, proc } = this.#doors.ports;
    for (const end = clock.monotonic() + limitMs; clock.monotonic() < end; await clock.sleep(STEP_MS))
      if (!proc.alive(record)) return true;
    return !proc.alive(record);
  }
}
