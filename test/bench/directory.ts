// 14,000 mailboxes that change their node in a real OpenLDAP: by the step `directory` in one transaction (RFC 5805) and
// one by one in flights, beside ldapmodify with the same changes, on the same server in the same run. What each side
// computes for it tells which of them is waited for; the rest is the server's disk.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StepContext } from '../../src/define.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { openStore } from '../../src/ports/store.ts';
import directory from '../../src/switchover/directory.ts';
import { hostPorts } from '../support/host.ts';
import { ADMIN, type Slapd, startSlapd, SUFFIX } from '../support/slapd.ts';

const USERS = 14_000;
/** No round begins later. */
const BUDGET_MS = 10 * 60_000;
/** Of one way, for all users. */
const LIMIT_MS = 300_000;
const TICKS_A_SECOND = 100;
const schema = 'include /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/misc.schema\n';
const hostOf = (node: string): string => `${node}.test`;

const entry = (n: number): string =>
  `dn: cn=user${n},${SUFFIX}\nobjectClass: organizationalRole\nobjectClass: inetLocalMailRecipient\n` +
  `cn: user${n}\nmailHost: ${hostOf('n1')}\n\n`;

const start = (more: string): Promise<Slapd> =>
  startSlapd({
    entries: Array.from({ length: USERS }, (_, n) => entry(n)).join(''),
    ...{ maxBytes: 1_073_741_824, global: `${schema}${more}`, database: 'index mailHost eq\n' },
  });

async function moved(slapd: Slapd, from: string, to: string, epoch: number, state: string): Promise<void> {
  const options = {
    ...{ url: `ldap://127.0.0.1:${slapd.port}`, tls: 'off', bind: ADMIN, password: 'env:LAB_PASSWORD', base: SUFFIX },
    ...{ filter: '(mailHost=$from.host)', set: { mailHost: '$to.host' } },
  };
  const words = { n1: { host: hostOf('n1') }, n2: { host: hostOf('n2') } };
  const done = await directory.do({
    ...{ options: directory.options.parse(options) as never, node: to, to, from, group: 'mail', step: 'people', words },
    ports: hostPorts({ secrets: secretsFrom({ LAB_PASSWORD: 'pw' }), stores: { open: openStore } }),
    ...{ signal: AbortSignal.timeout(LIMIT_MS), lease: { epoch, untilMs: () => Number.POSITIVE_INFINITY } },
    ...{ planned: true, services: {} as never, memory: new Map(), stateDir: state, progress: () => undefined },
  } as StepContext<never>);
  if (!done.ok) throw new Error(done.detail);
}

function byProgram(slapd: Slapd, from: string, to: string): void {
  const change = (n: number): string =>
    `dn: cn=user${n},${SUFFIX}\nchangetype: modify\ndelete: mailHost\nmailHost: ${hostOf(from)}\n-\n` +
    `add: mailHost\nmailHost: ${hostOf(to)}\n-\n\n`;
  const input = Array.from({ length: USERS }, (_, n) => change(n)).join('');
  const words = ['-x', '-H', `ldap://127.0.0.1:${slapd.port}`, '-D', ADMIN, '-w', 'pw'];
  execFileSync('ldapmodify', words, { input, stdio: ['pipe', 'ignore', 'ignore'], timeout: LIMIT_MS });
}

export interface Figure {
  readonly ms: number;
  /** Processor time of the server meanwhile, and of this process. */
  readonly serverMs: number;
  readonly ownMs: number;
}

export interface DirectoryFigures {
  readonly transaction: readonly Figure[];
  readonly flights: readonly Figure[];
  readonly program: readonly Figure[];
}

/** User and system time of a process (proc(5): fields 14 and 15, counted behind the name). */
function computedMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_A_SECOND;
}

async function figureOf(slapd: Slapd, work: () => void | Promise<void>): Promise<Figure> {
  const [started, server, own] = [performance.now(), computedMs(slapd.pid()), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(own);
  const ms = performance.now() - started;
  return { ms, serverMs: computedMs(slapd.pid()) - server, ownMs: (user + system) / 1000 };
}

/** Each way, for all of the users. */
export async function directoryFigures(runs: number): Promise<DirectoryFigures> {
  const state = mkdtempSync(join(tmpdir(), 'wk-directory-'));
  // Where the extension for transactions is not shown, the step goes one by one, in flights.
  const whole = await start('');
  const single = await start('access to dn.base="" attrs=supportedExtension by * none\naccess to * by * read\n').catch(
    async (error: Error) => {
      await whole.stop();
      throw error;
    },
  );
  const figures = { transaction: [] as Figure[], flights: [] as Figure[], program: [] as Figure[] };
  const end = performance.now() + BUDGET_MS;
  try {
    let epoch = 1;
    for (let n = 0; n < runs && performance.now() < end; n++) {
      const [from, to] = n % 2 ? (['n2', 'n1'] as const) : (['n1', 'n2'] as const);
      figures.transaction.push(await figureOf(whole, () => moved(whole, 'n1', 'n2', epoch++, state)));
      figures.program.push(await figureOf(whole, () => byProgram(whole, 'n2', 'n1')));
      figures.flights.push(await figureOf(single, () => moved(single, from, to, epoch++, state)));
    }
    return figures;
  } finally {
    await whole.stop();
    await single.stop();
    rmSync(state, { recursive: true, force: true });
  }
}
