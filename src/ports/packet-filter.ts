// Packets for and from a floating address pass only until a given moment: sets of nftables whose elements end by
// themselves, asked for each packet (nft(8), "timeout"). It stands beside the lifetime of the address: a
// command that froze on its way, and is carried out at the thaw, can bring back one of the two and not both. The tables
// belong to the child that made them and go with it (`flags owner`, Linux 5.12): nothing is left when the daemon ends,
// and nobody else's rules are touched.
import { TOO_LATE } from './addresses.ts';
import { Batch } from './batch.ts';
import { clock } from './clock.ts';

export interface PacketFilter {
  /** From now on, and until `untilMs` (monotonic) at the latest, packets for and from `ip` pass; after that none does.
   *  Null: so it is. TOO_LATE: they may pass for longer than that. Else why not, and nothing is filtered any more. */
  pass(ip: string, untilMs: number): Promise<string | null>;
  /** All packets for it pass again. */
  forget(ip: string): Promise<void>;
  /** Null: it can be asked; else why not. */
  usable(): Promise<string | null>;
}

export interface NftChild extends PacketFilter {
  close(): void;
}

export interface PacketFilterOptions {
  readonly pid: number;
  /** How nft is started, for a test that has it look into another network namespace. */
  readonly argv?: readonly string[];
}

/** Longer than others' changes of their rules, shorter than what an address can wait for. */
const ANSWER_MS = 250;
/** The lifetime of an address is set only after this: so often in a row it may take so long. */
const SLOW_MS = 100;
const SLOW_MAX = 3;
/** After a failure the address goes without for so long: each try costs time that the address does not have. */
const REST_MS = 60_000;
/** nft keeps every line that it was told: it is replaced now and then. */
const LINES_MAX = 10_000;
/** For the command itself, and for a loop that is busy. */
const ROOM_MS = 50;
/** Before anybody else's rules, and before connections are known. */
const PRIORITY = -400;

/** As nft takes a name: it begins with a letter. */
const word = (ip: string): string => `a_${ip.replaceAll(/[^A-Za-z0-9]/g, '_')}`;
const isAddress = (ip: string): boolean =>
  /^\d{1,3}(\.\d{1,3}){3}$/.test(ip) || (/^[0-9a-fA-F:]{2,39}$/.test(ip) && ip.includes(':'));

interface Hook {
  readonly family: 'inet' | 'arp';
  readonly hook: 'prerouting' | 'input' | 'output';
  readonly match: string;
}

/** Where packets for and from it are seen. Before routing, so that an address is seen too whose packets are handed on
 *  to a container. ARP has hooks of its own; an answer about an IPv6 address comes from that address. */
function hooksOf(ip: string): readonly Hook[] {
  const six = ip.includes(':');
  const ip6 = six ? 'ip6' : 'ip';
  const both: readonly Hook[] = [
    { family: 'inet', hook: 'prerouting', match: `iifname != "lo" ${ip6} daddr ${ip}` },
    { family: 'inet', hook: 'output', match: `oifname != "lo" ${ip6} saddr ${ip}` },
  ];
  if (six) return both;
  return [
    ...both,
    { family: 'arp', hook: 'input', match: `arp daddr ip ${ip}` },
    { family: 'arp', hook: 'output', match: `arp saddr ip ${ip}` },
  ];
}
const familiesOf = (ip: string): readonly string[] => [...new Set(hooksOf(ip).map(({ family }) => family))];

const toBuild = (table: string, ip: string): string =>
  [
    ...familiesOf(ip).flatMap((family) => [
      `add table ${family} ${table} { flags owner; }`,
      `add set ${family} ${table} ${word(ip)} { type ether_type; flags timeout; }`,
    ]),
    ...hooksOf(ip).flatMap(({ family, hook, match }) => {
      const chain = `${family} ${table} ${word(ip)}_${hook}`;
      return [
        `add chain ${chain} { type filter hook ${hook} priority ${PRIORITY}; policy accept; }`,
        `add rule ${chain} ${match} meta protocol != @${word(ip)} counter drop`,
      ];
    }),
  ].join('; ');

/** An element that is there keeps its end: all are taken out and put in, in one transaction. */
const toOpen = (table: string, ip: string, ms: number): string =>
  familiesOf(ip)
    .map((family) => `${family} ${table} ${word(ip)}`)
    .flatMap((set) => [
      `flush set ${set}`,
      `add element ${set} { ${['ip', 'arp', 'ip6'].map((type) => `${type} timeout ${ms}ms`).join(', ')} }`,
    ])
    .join('; ');

const toForget = (table: string, ip: string): string =>
  hooksOf(ip)
    .map(({ family, hook }) => `${family} ${table} ${word(ip)}_${hook}`)
    .flatMap((chain) => [`flush chain ${chain}`, `delete chain ${chain}`])
    .concat(familiesOf(ip).map((family) => `delete set ${family} ${table} ${word(ip)}`))
    .join('; ');

class Filter implements NftChild {
  readonly #pid: number;
  readonly #batch: Batch;
  readonly #made = new Set<string>();
  #generation = 0;
  #lines = 0;
  #slow = 0;
  #rest: { readonly why: string; readonly untilMs: number } | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ pid, argv = ['nft'] }: PacketFilterOptions) {
    this.#pid = pid;
    this.#batch = new Batch({
      argv: [...argv, '-i'],
      ...{ after: 'describe meta mark', answered: /^meta expression/m, answerMs: ANSWER_MS },
    });
  }

  pass(ip: string, untilMs: number): Promise<string | null> {
    return this.#inTurn(() => this.#pass(ip, untilMs));
  }

  forget(ip: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#made.delete(ip)) await this.#ask(toForget(this.#table(), ip));
    });
  }

  usable(): Promise<string | null> {
    return this.#inTurn(() => this.#ask('list tables arp'));
  }

  close(): void {
    this.#batch.close();
  }

  /** Two addresses share the child: what one of them makes anew, the other must not be in the middle of. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(() => {
      if (this.#lines > LINES_MAX) this.#renew();
      return work();
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  #table(): string {
    return `watchkeeper_${this.#pid}_${this.#generation}`;
  }

  async #ask(line: string): Promise<string | null> {
    this.#lines += 1;
    const answer = await this.#batch.ask(line);
    if (!answer) return 'nft does not answer';
    return /^\S.*/m.exec(answer.err)?.[0].slice(0, 200) ?? null;
  }

  /** Its tables go with the child. The next ones have another name: the kernel may be behind with the first. */
  #renew(): void {
    this.#batch.renew();
    this.#made.clear();
    this.#generation += 1;
    this.#lines = 0;
  }

  async #open(ip: string, untilMs: number): Promise<string | null> {
    let room = ROOM_MS;
    for (let attempt = 0; attempt < 3; attempt++) {
      const began = clock.monotonic();
      const ms = Math.floor(untilMs - room - began);
      if (ms <= 0) return TOO_LATE;
      const fault = await this.#ask(toOpen(this.#table(), ip, ms));
      const now = clock.monotonic();
      // It counts from the moment it was carried out, not from when it was written.
      if (fault !== null || now + ms <= untilMs) return fault;
      room = ROOM_MS + 2 * (now - began);
    }
    return TOO_LATE;
  }

  async #once(ip: string, untilMs: number): Promise<string | null> {
    if (!this.#made.has(ip)) {
      const fault = await this.#ask(toBuild(this.#table(), ip));
      if (fault !== null) return fault;
      this.#made.add(ip);
    }
    return this.#open(ip, untilMs);
  }

  async #pass(ip: string, untilMs: number): Promise<string | null> {
    if (!isAddress(ip)) return 'not an address';
    if (this.#rest !== null && clock.monotonic() < this.#rest.untilMs) return this.#rest.why;
    let fault: string | null = null;
    // Somebody may have killed it: then its tables have gone, and are made anew.
    for (let attempt = 0; attempt < 2; attempt++) {
      const began = clock.monotonic();
      fault = await this.#once(ip, untilMs);
      this.#slow = clock.monotonic() - began > SLOW_MS ? this.#slow + 1 : 0;
      if (this.#slow >= SLOW_MAX) break;
      if (fault === null || fault === TOO_LATE) return fault;
      // Half a filter would keep out what may come in.
      this.#renew();
    }
    const why = fault === null || fault === TOO_LATE ? 'nft is slow' : fault;
    this.#renew();
    this.#slow = 0;
    this.#rest = { why, untilMs: clock.monotonic() + REST_MS };
    return why;
  }
}

export const openPacketFilter = (options: PacketFilterOptions): NftChild => new Filter(options);
