// Who this node is to those who take its SNMPv3 traps: an engine id made once, how often the engine began, and how long
// ago (RFC 3414 section 2.2). On the disk before the first message that shows it; one a state folder, however many
// channels use it. What receivers were told stands in a second file: a lost identity is known by that.
import type { Ports } from '../define.ts';
import type { Store } from '../ports/store.ts';

/** Id and beginnings, with a checksum: damage is seen, never guessed around. */
export const ENGINE_FILE = 'snmp-engine.json';
/** The id that receivers know. `watchkeeper snmp engine-id --registered` says that they know the present one. */
export const KNOWN_FILE = 'snmp-engine.known';

/** Octets 1 to 5 (SNMP-FRAMEWORK-MIB): Net-SNMP's enterprise number until the project has one, and format 5: octets
 *  that the administrator, here chance, chose. An address would be wrong: snmpd of the same machine may use it. */
const PREFIX = '80001f8805';
const RANDOM_OCTETS = 12;
const ID = /^80001f8805[0-9a-f]{24}$/;
/** At this number no message is authentic any more, by the standard. */
const LAST_BOOT = 2_147_483_647;
/** Receivers allow 150 s. A machine that stood still for longer is behind their reckoning: then it begins anew. */
const PAUSE_MS = 60_000;

export interface Identity {
  readonly id: string;
  readonly boots: number;
}

export interface Now extends Identity {
  /** Seconds since `boots` was raised. */
  readonly time: number;
}

export interface Engine {
  /** What the next message says. */
  now(): Promise<Now>;
  /** What a person has to know: receivers that know us by another id. */
  trouble(): string | null;
}

/** FNV-1a: it is against damage, not against people. */
function checksum(text: string): string {
  let sum = 0x811c9dc5;
  for (const byte of Buffer.from(text)) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  return sum.toString(16).padStart(8, '0');
}

const written = ({ id, boots }: Identity): string =>
  `${JSON.stringify({ engineId: id, boots, check: checksum(`${id} ${boots}`) })}\n`;

/** null: damaged. */
function parse(text: string): Identity | null {
  try {
    const { engineId, boots, check } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const sound = typeof engineId === 'string' && ID.test(engineId) && Number.isSafeInteger(boots);
    if (!sound || check !== checksum(`${engineId} ${String(boots)}`)) return null;
    return { id: engineId, boots: boots as number };
  } catch {
    return null;
  }
}

function newId(): string {
  const octets = crypto.getRandomValues(new Uint8Array(RANDOM_OCTETS));
  return PREFIX + Buffer.from(octets).toString('hex');
}

/** The id that receivers know; null: none was ever told, '': the note is damaged. */
export function registeredId(store: Store): string | null {
  const text = store.read(KNOWN_FILE)?.toString('latin1').trim() ?? null;
  return text === null || ID.test(text) ? text : '';
}

/** The identity in the folder: made where there is none. A damaged one is set aside. Boots are not raised here. */
export async function identityIn(store: Store): Promise<Identity> {
  const found = store.read(ENGINE_FILE);
  const read = found === null ? null : parse(found.toString('utf8'));
  if (read && read.boots + 1 < LAST_BOOT) {
    // The note may be damaged too; who we are is not in doubt.
    if (registeredId(store) === '') await setKnown(store, read.id);
    return read;
  }
  if (found !== null) store.rename(ENGINE_FILE, `${ENGINE_FILE}.damaged`);
  const made = { id: newId(), boots: 0 };
  await store.replace(ENGINE_FILE, written(made));
  return made;
}

/** Receivers know this id. */
export async function setKnown(store: Store, id: string): Promise<void> {
  await store.replace(KNOWN_FILE, `${id}\n`);
}

/** Nobody has been told of another one yet: this is what they will be told. */
export async function firstKnown(store: Store, id: string): Promise<void> {
  if (registeredId(store) === null) await setKnown(store, id);
}

/** Raises the boots and keeps them before anything can be sent. Throws what the disk says. */
export async function openEngine(
  { clock, stores }: Pick<Ports, 'clock' | 'stores'>,
  stateDir: string,
): Promise<Engine> {
  const store = stores.open(stateDir);
  let began = { wall: 0, monotonic: 0 };
  const begin = async ({ id, boots }: Identity): Promise<Identity> => {
    const raised = { id, boots: boots + 1 };
    await store.replace(ENGINE_FILE, written(raised));
    began = { wall: clock.wall(), monotonic: clock.monotonic() };
    return raised;
  };
  let current = await begin(await identityIn(store));
  await firstKnown(store, current.id);
  let isKnown = false;
  let again: Promise<Identity> | null = null;
  return {
    async now() {
      const passed = clock.monotonic() - began.monotonic;
      // A machine that slept, or was moved while it stood still: its own clock did not go on.
      if (clock.wall() - began.wall - passed > PAUSE_MS) {
        again ??= begin(current).finally(() => {
          again = null;
        });
        current = await again;
      }
      return { ...current, time: Math.floor((clock.monotonic() - began.monotonic) / 1000) };
    },
    trouble() {
      const known = isKnown ? current.id : registeredId(store);
      isKnown = known === current.id;
      if (isKnown) return null;
      return (
        `the SNMP engine id was lost and is new: ${current.id}${known ? ` instead of ${known}` : ''}. ` +
        'Receivers of v3 traps drop what we send until it is registered there; ' +
        'then tell us: watchkeeper snmp engine-id --registered'
      );
    },
  };
}

/** By state folder, for the life of this process. */
const engines = new Map<string, Promise<Engine>>();

export function engineOf(ports: Pick<Ports, 'clock' | 'stores'>, stateDir: string): Promise<Engine> {
  const opened = (): Promise<Engine> =>
    openEngine(ports, stateDir).catch((error: Error) => {
      throw new Error(`the SNMP engine id and its boots cannot be kept: ${error.message}`);
    });
  const held = engines.get(stateDir) ?? opened();
  engines.set(stateDir, held);
  held.catch(() => engines.delete(stateDir));
  return held;
}
