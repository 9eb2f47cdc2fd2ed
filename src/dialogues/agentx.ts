// One session with an AgentX master (RFC 2741): opened, registered, asked, and watched by pings until it ends, which it
// always does in time: a master that hangs or talks nonsense ends it, and nothing else.
import type { Missing, Oid, View } from '../core/mib-view.ts';
import { rootsOf } from '../core/mib-view.ts';
import type { Clock } from '../ports/clock.ts';
import type { Dialogue, Net, OpenOptions } from '../ports/net.ts';
import {
  AgentXGarbage,
  type Answered,
  ERROR,
  errorName,
  hasContext,
  HEADER,
  type Header,
  headerOf,
  PDU,
  type Pdus,
  pdusOf,
  type Range,
  rangesOf,
  type Response,
  responseOf,
} from './agentx-pdu.ts';
import { snmpLibrary } from './snmp.ts';

export type Master = { readonly path: string } | { readonly host: string; readonly port: number };

export interface AgentXOptions {
  readonly master: Master;
  readonly base: string;
  readonly description: string;
  readonly signal: AbortSignal;
  /** `upTime`: hundredths of a second that the master is up. Cheap: it is called for every question. */
  readonly view: (upTime: number) => View;
  /** Registered, and from now on asked. `refused`: what belongs to somebody else, with the reason. */
  readonly onReady: (refused: readonly string[]) => void;
}

/** The master says no. */
export class AgentXRefusal extends Error {}

const REPLY_MS = 5000;
const PING_MS = 10_000;
/** For the connection, and for each read: more than a ping and its reply. */
const IDLE_MS = 20_000;
/** A bulk answer of more would not fit one SNMP message anyway. */
const ANSWERS_MAX = 2000;
const FAREWELL_MS = 200;
/** Below our own tables nobody else has anything; the standard ones may be served by a module of snmpd that knows
 *  nothing of this mail server: the lower number is heard. */
const PRIORITY = { own: 127, standard: 100 } as const;

interface Waiting {
  readonly answered: (response: Response) => void;
  readonly lost: (error: Error) => void;
}

class Session {
  readonly #dialogue: Dialogue;
  readonly #pdus: Pdus;
  readonly #options: AgentXOptions;
  readonly #clock: Clock;
  readonly #over: AbortSignal;
  readonly #waiting = new Map<number, Waiting>();
  /** Ours, and the packet's number of the newest question. */
  #session = 0;
  #packet = 0;
  /** When the master began, on our clock. */
  #masterStart = 0;
  #written: Promise<unknown> = Promise.resolve();

  constructor(dialogue: Dialogue, pdus: Pdus, clock: Clock, options: AgentXOptions, over: AbortSignal) {
    this.#dialogue = dialogue;
    this.#pdus = pdus;
    this.#clock = clock;
    this.#options = options;
    this.#over = over;
  }

  /** Until it ends, which is a throw. */
  async run(): Promise<never> {
    // Questions may come as soon as the first table is registered.
    return Promise.race([this.#read(), this.#lead()]);
  }

  /** Says goodbye, if the master listens. */
  async close(): Promise<void> {
    for (const { lost } of this.#waiting.values()) lost(new Error('the session is over'));
    if (this.#session === 0) return;
    const said = this.#write(this.#pdus.close(++this.#packet, this.#session)).catch(() => undefined);
    await Promise.race([said, this.#clock.sleep(FAREWELL_MS)]);
  }

  #write(bytes: Buffer): Promise<void> {
    const written = this.#written.then(() => this.#dialogue.write(bytes));
    this.#written = written.catch(() => undefined);
    return written;
  }

  async #ask(make: (packet: number) => Buffer): Promise<Response> {
    const packet = ++this.#packet;
    let cancel = (): void => undefined;
    const answer = new Promise<Response>((resolve, reject) => {
      this.#waiting.set(packet, { answered: resolve, lost: reject });
      cancel = this.#clock.after(REPLY_MS, () => reject(new Error(`the master does not answer in ${REPLY_MS} ms`)));
    });
    try {
      const [response] = await Promise.all([answer, this.#write(make(packet))]);
      return response;
    } finally {
      cancel();
      this.#waiting.delete(packet);
    }
  }

  async #lead(): Promise<never> {
    const opened = await this.#ask((packet) => this.#pdus.open(packet, this.#options.description));
    if (opened.error !== ERROR.none) throw new AgentXRefusal(`the master refuses us: ${errorName(opened.error)}`);
    this.#masterStart = this.#clock.monotonic() - opened.upTime * 10;
    this.#options.onReady(await this.#register());
    for (;;) {
      await this.#clock.sleep(PING_MS, this.#over);
      const { error } = await this.#ask((packet) => this.#pdus.ping(packet, this.#session));
      if (error !== ERROR.none) throw new Error(`the master has forgotten us: ${errorName(error)}`);
    }
  }

  async #register(): Promise<readonly string[]> {
    const refused: string[] = [];
    for (const [at, root] of rootsOf(this.#options.base).entries()) {
      const priority = at === 0 ? PRIORITY.own : PRIORITY.standard;
      const { error } = await this.#ask((packet) => this.#pdus.register(packet, this.#session, root, priority));
      if (error === ERROR.none) continue;
      const told = `${root.join('.')}: ${errorName(error)}`;
      if (at === 0) throw new AgentXRefusal(`the master refuses ${told}`);
      refused.push(told);
    }
    return refused;
  }

  async #read(): Promise<never> {
    for (;;) {
      const header = headerOf(await this.#dialogue.readBytes(HEADER));
      await this.#take(header, header.length === 0 ? Buffer.alloc(0) : await this.#dialogue.readBytes(header.length));
    }
  }

  async #take(header: Header, payload: Buffer): Promise<void> {
    if (header.type === PDU.close) throw new Error('the master ends the session');
    if (header.type === PDU.response) {
      const wanted = this.#waiting.get(header.packet);
      if (wanted && this.#session === 0) this.#session = header.session;
      return wanted?.answered(responseOf(payload));
    }
    if (header.type === PDU.cleanupSet) return;
    const answers = header.session === this.#session ? this.#answer(header, payload) : ERROR.notOpen;
    const bytes =
      typeof answers === 'number'
        ? this.#pdus.answer(header, answers, [])
        : this.#pdus.answer(header, ERROR.none, answers);
    await this.#write(bytes);
  }

  /** Values, or an error. */
  #answer(header: Header, payload: Buffer): readonly Answered[] | number {
    if (hasContext(header)) return ERROR.unsupportedContext;
    const upTime = Math.max(0, Math.floor((this.#clock.monotonic() - this.#masterStart) / 10));
    const view = this.#options.view(upTime);
    switch (header.type) {
      case PDU.get:
        return rangesOf(payload, 0).map(({ from }) => valueOf(view, from));
      case PDU.getNext:
        return rangesOf(payload, 0).map((range) => nextOf(view, range));
      case PDU.getBulk:
        return bulk(view, payload.readUInt16BE(0), payload.readUInt16BE(2), rangesOf(payload, 4));
      // Nothing can be set.
      case PDU.testSet:
        return ERROR.notWritable;
      case PDU.commitSet:
        return ERROR.commitFailed;
      case PDU.undoSet:
        return ERROR.undoFailed;
      default:
        throw new AgentXGarbage(`a message of type ${header.type}`);
    }
  }
}

function valueOf(view: View, oid: Oid): Answered {
  const found = view.get(oid);
  return typeof found === 'string' ? { oid, shown: found satisfies Missing } : found;
}

const nextOf = (view: View, { from, include, end }: Range): Answered =>
  view.next(from, include, end) ?? { oid: from, shown: 'end' };

/** Section 7.2.3.3: the first once each, the rest again and again, round by round. */
function bulk(view: View, once: number, rounds: number, ranges: readonly Range[]): readonly Answered[] {
  const answers = ranges.slice(0, once).map((range) => nextOf(view, range));
  let repeated = ranges.slice(once);
  for (let round = 0; round < rounds && answers.length + repeated.length <= ANSWERS_MAX; round++) {
    const found = repeated.map((range) => nextOf(view, range));
    answers.push(...found);
    if (found.every(({ shown }) => shown === 'end')) break;
    repeated = repeated.map((range, at) => ({ ...range, from: found[at]?.oid ?? range.from, include: false }));
  }
  return answers;
}

/** Connects and serves until something ends it; then it throws why. Nothing of it is left. */
export async function serveAgentX(doors: { net: Net; clock: Clock }, options: AgentXOptions): Promise<never> {
  const pdus = pdusOf(await snmpLibrary());
  // Of its own: the goodbye comes after the daemon's signal.
  const over = new AbortController();
  const limits: OpenOptions = { signal: over.signal, timeoutMs: IDLE_MS, maxBytes: Number.POSITIVE_INFINITY };
  let cancel = (): void => undefined;
  const cancelled = new Promise<never>((_, reject) => {
    cancel = () => reject(new Error('no agent is wanted any more'));
  });
  cancelled.catch(() => undefined);
  options.signal.addEventListener('abort', cancel, { once: true });
  if (options.signal.aborted) cancel();
  const opening = doors.net.open({ ...options.master, ...limits });
  let session: Session | null = null;
  try {
    const dialogue = await Promise.race([opening, cancelled]);
    session = new Session(dialogue, pdus, doors.clock, options, over.signal);
    return await Promise.race([session.run(), cancelled]);
  } finally {
    options.signal.removeEventListener('abort', cancel);
    await session?.close();
    over.abort();
    void opening.then(
      (dialogue) => dialogue.close(),
      () => undefined,
    );
  }
}
