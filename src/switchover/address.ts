// A floating address that the kernel takes away by itself: it is added with a lifetime that ends before anybody else
// may have it, and extended only while the right lasts. A daemon that is stopped, hung or killed loses it all the same.
// A command that froze on its way, and is carried out when the address has long gone, brings it back: so packets for it
// pass only until the same moment, and that is set first, and looked at, before the address is.
import { safeLifetime, stillFits } from '../core/lifetime.ts';
import { type ActionResult, defineStep, opt, type StepContext, z } from '../define.ts';
import {
  advertised,
  advertisement,
  ARP,
  arpAnnouncements,
  arpClaim,
  arpProbe,
  IPV6,
  ipv6Bytes,
  solicitation,
} from '../dialogues/neighbour.ts';
import { type NodeAddress, TOO_LATE } from '../ports/addresses.ts';

const IPV4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}\/([1-9]|[12]\d|3[0-2])$/;
const IPV6_CIDR = /^[0-9a-fA-F:]{2,39}\/(\d{1,2}|1[01]\d|12[0-8])$/;

const options = z.strictObject({
  ip: z
    .string()
    .refine(
      (text) => IPV4.test(text) || (IPV6_CIDR.test(text) && text.includes(':')),
      'expected an address with its prefix, such as 10.0.0.5/24',
    )
    .describe('The address with its prefix: 10.0.0.5/24 or 2001:db8::5/64'),
  interfaces: z
    .array(z.string().regex(/^[A-Za-z0-9_.@:-]{1,15}$/, 'expected the name of an interface'))
    .min(1)
    .max(8)
    .describe('Where it may be, the most wanted first; the first with carrier has it, and it moves when that is lost'),
  probe: opt
    .duration('How long another holder has to answer before the address is added; 0ms: nobody is asked')
    .prefault('60ms'),
  lifetime: z
    .enum(['auto', 'off'])
    .describe('`off`: the kernel keeps it for ever: only where a fence is sure')
    .default('auto'),
  filter: z
    .enum(['auto', 'off'])
    .describe('`auto`: where nftables is there, packets for it pass only while the right lasts, whatever comes late')
    .default('auto'),
  announce: z
    .strictObject({
      count: opt.count('How often neighbours are told when it has appeared').default(5),
      every: opt.duration('The pause between').prefault('200ms'),
      refresh: opt.duration('Told again so often while it is here').prefault('30s'),
    })
    .describe('Gratuitous ARP, or unsolicited neighbour advertisements')
    .prefault({}),
});
type Options = z.output<typeof options>;
type Context = StepContext<Options>;

interface Memory {
  device: string;
  toldAt: number;
}

const memoryOf = ({ memory }: Context): Memory => {
  const held = memory.get('address') as Memory | undefined;
  if (held) return held;
  const made: Memory = { device: '', toldAt: Number.NEGATIVE_INFINITY };
  memory.set('address', made);
  return made;
};

const parts = ({ ip }: Options): { readonly address: string; readonly prefix: number; readonly six: boolean } => {
  const [address = '', prefix = ''] = ip.split('/');
  return { address, prefix: Number(prefix), six: address.includes(':') };
};

const same = (a: string, b: string): boolean =>
  a === b || (a.includes(':') && b.includes(':') && ipv6Bytes(a).equals(ipv6Bytes(b)));

const ours = (all: readonly NodeAddress[], { options: wanted }: Context): readonly NodeAddress[] =>
  all.filter(({ ip }) => same(ip, parts(wanted).address));

/** Other addresses with an end make the kernel later: it looks once a second for all of them. */
const othersEnd = (all: readonly NodeAddress[], { options: wanted }: Context): boolean =>
  all.some(({ ip, validS }) => validS !== null && !same(ip, parts(wanted).address));

const usable = ({ options: { interfaces }, ports }: Context): string | null =>
  interfaces.find((device) => ports.addresses.carrier(device) === 'up') ?? null;

/** One command, and no longer than somebody waits for it. It may be carried out all the same: commands are carried
 *  out one after the other, so that whatever is asked for later finds it done; and after the signal nothing new is
 *  begun. */
function ask<T>({ signal }: Context, command: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = (): void => reject(new Error('it was given up before there was an answer'));
    if (signal.aborted) return over();
    signal.addEventListener('abort', over, { once: true });
    command()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', over));
  });
}

const listed = (context: Context): Promise<readonly NodeAddress[]> =>
  ask(context, () => context.ports.addresses.list());

/** Takes it away from everywhere but `but`, and says what is left after all. */
async function clear(context: Context, but: string | null): Promise<readonly NodeAddress[]> {
  const { addresses } = context.ports;
  const elsewhere = (all: readonly NodeAddress[]): readonly NodeAddress[] =>
    ours(all, context).filter(({ device }) => device !== but);
  for (const one of elsewhere(await listed(context)))
    await ask(context, () => addresses.remove(one.device, one.ip, one.prefix));
  return elsewhere(await listed(context));
}

/** Lets packets through for as long as the right lasts. What it answers is for the eye, but for TOO_LATE: an address
 *  without a filter has its lifetime still. */
async function filter(context: Context): Promise<string> {
  const { options: wanted, ports, lease } = context;
  const untilMs = lease.untilMs();
  if (wanted.filter === 'off' || wanted.lifetime === 'off' || !Number.isFinite(untilMs)) return '';
  const fault = await ask(context, () => ports.packets.pass(parts(wanted).address, untilMs));
  return fault === null || fault === TOO_LATE ? (fault ?? '') : `, unfiltered: ${fault}`;
}

const lasting = (seconds: number | null): string => (seconds === null ? '' : ` for ${seconds} s`);

/** Sets the lifetime, and looks again: what does not end in time any more is taken away at once. */
async function put(context: Context, device: string, others: boolean): Promise<ActionResult & { late?: boolean }> {
  const { options: wanted, ports, lease, signal } = context;
  const { address, prefix } = parts(wanted);
  const { clock, addresses } = ports;
  const lifetime = (): number | null =>
    wanted.lifetime === 'off' ? null : safeLifetime(clock.monotonic(), lease.untilMs(), others);
  const soon = { ok: false, detail: 'the right ends too soon for a lifetime of one second', late: true };
  const over = (seconds: number | null): boolean =>
    seconds === null && (wanted.lifetime === 'auto' || lease.untilMs() <= clock.monotonic());
  if (over(lifetime())) return soon;
  const unfiltered = await filter(context);
  const seconds = lifetime();
  if (unfiltered === TOO_LATE || over(seconds)) return soon;
  const still = (): boolean =>
    lease.untilMs() > clock.monotonic() &&
    (seconds === null || stillFits(clock.monotonic(), seconds, lease.untilMs(), others));
  const fault = await ask(context, () => addresses.put(device, address, prefix, seconds, still));
  // Nothing was done: what stands there ends by itself, in time.
  if (fault === TOO_LATE) return { ok: false, detail: TOO_LATE, late: true };
  if (fault === null && !signal.aborted && still())
    return { ok: true, detail: `${wanted.ip} is on ${device}${lasting(seconds)}${unfiltered}` };
  // A command that was not answered may have been carried out all the same.
  const left = await clear(context, null);
  const why = fault ?? (signal.aborted ? 'it was given up meanwhile' : TOO_LATE);
  const late = fault === null && !signal.aborted && left.length === 0;
  return { ok: false, detail: left.length === 0 ? `${why}: it is not here` : `${why}, and it is here still`, late };
}

const RENEWED_MS = 10;

/** With a short silence there is room for a lifetime only for a moment after each renewal: it is waited for. */
async function putFresh(context: Context, device: string, others: boolean): Promise<ActionResult> {
  const { ports, lease, signal } = context;
  for (;;) {
    const until = lease.untilMs();
    const result = await put(context, device, others);
    if (!result.late) return result;
    while (lease.untilMs() === until) {
      if (signal.aborted || until <= ports.clock.monotonic()) return result;
      await ports.clock.sleep(RENEWED_MS);
    }
    if (lease.untilMs() <= ports.clock.monotonic()) return result;
  }
}

// -------------------------------------------------------------------------------------------------------- neighbours

function tell({ options: wanted, ports }: Context, device: string): void {
  const { address, six } = parts(wanted);
  const mac = ports.frames.mac(device);
  if (!mac) return;
  const all = six ? [advertisement(mac, address)] : arpAnnouncements(mac, address);
  for (const frame of all) ports.frames.send(device, frame);
}

/** The first word goes out at once, the others behind it; a later appearance begins anew. */
function announce(context: Context, device: string): void {
  const { options: wanted, ports } = context;
  const memory = memoryOf(context);
  const began = ports.clock.monotonic();
  memory.toldAt = began;
  const again = (left: number): void => {
    if (memory.toldAt !== began || memory.device !== device || left <= 0) return;
    tell(context, device);
    ports.clock.after(wanted.announce.every, () => again(left - 1));
  };
  again(Math.max(1, wanted.announce.count));
}

/** Asks whether anybody else has it. Null: nobody answered. What could not be asked is no answer: it throws. */
async function holder(context: Context, device: string): Promise<string | null> {
  const { options: wanted, ports, signal } = context;
  const { address, six } = parts(wanted);
  const mac = ports.frames.mac(device);
  const listening = mac && ports.frames.listen(device, six ? IPV6 : ARP);
  if (!mac || !listening) throw new Error(`nobody can be asked on ${device} whether the address is taken`);
  const own = Buffer.from(mac).toString('hex');
  try {
    const question = six ? solicitation(mac, address) : arpProbe(mac, address);
    const until = ports.clock.monotonic() + wanted.probe;
    const sent = ports.frames.send(device, question);
    if (sent !== 'sent') throw new Error(`the question whether it is taken could not be sent on ${device}: ${sent}`);
    let asked = 1;
    while (ports.clock.monotonic() < until && !signal.aborted) {
      await ports.clock.sleep(5);
      for (const frame of listening.take()) {
        const who = six ? advertised(frame, address) : arpClaim(frame, address);
        if (who !== null && who !== own) return who.replace(/(..)(?!$)/g, '$1:');
      }
      // A lost question would look like nobody.
      if (asked === 1 && ports.clock.monotonic() > until - wanted.probe / 2) {
        ports.frames.send(device, question);
        asked++;
      }
    }
    if (signal.aborted) throw new Error('given up while asking whether it is taken');
    return null;
  } finally {
    listening.close();
  }
}

/** Why nobody could be asked there; null: they can, or nobody is to be. Known before it is needed: a failover would end
 *  with it. */
function unaskable({ options: wanted, ports }: Context, device: string): string | null {
  if (wanted.probe === 0) return null;
  const why = 'so nobody could be asked whether the address is taken (probe: 0ms does without)';
  if (!ports.frames.mac(device)) return `${device} has no hardware address, ${why}`;
  const listening = ports.frames.listen(device, parts(wanted).six ? IPV6 : ARP);
  listening?.close();
  return listening ? null : `no raw socket is to be had on ${device}, ${why}`;
}

// --------------------------------------------------------------------------------------------------------------- acts

async function bring(context: Context): Promise<ActionResult> {
  const { options: wanted, planned } = context;
  const device = usable(context);
  if (device === null) return { ok: false, detail: `none of ${wanted.interfaces.join(', ')} has carrier` };
  if (!planned && wanted.probe > 0) {
    const who = await holder(context, device);
    if (who !== null) return { ok: false, detail: `${wanted.ip} is answered for by ${who} on ${device}` };
  }
  const left = await clear(context, device);
  if (left.length > 0)
    return { ok: false, detail: `it cannot be taken from ${left.map((one) => one.device).join(', ')}` };
  const all = await listed(context);
  const result = await putFresh(context, device, othersEnd(all, context));
  if (!result.ok) return result;
  memoryOf(context).device = device;
  announce(context, device);
  return result;
}

async function hold(context: Context): Promise<ActionResult> {
  const { options: wanted, ports } = context;
  const memory = memoryOf(context);
  const all = await listed(context);
  const here = ours(all, context);
  const held = here.find((one) => ports.addresses.carrier(one.device) === 'up');
  // The link went down under it: another interface of this node comes before another node.
  const where = held?.device ?? usable(context) ?? here[0]?.device ?? null;
  if (where === null) return { ok: false, detail: `none of ${wanted.interfaces.join(', ')} has carrier` };
  if (here.some((one) => one.device !== where)) await clear(context, where);
  const result = await put(context, where, othersEnd(all, context));
  if (!result.ok) return result;
  const moved = memory.device !== where || !here.some((one) => one.device === where);
  memory.device = where;
  if (moved || ports.clock.monotonic() - memory.toldAt >= wanted.announce.refresh) announce(context, where);
  return moved ? { ok: true, detail: `${wanted.ip} is on ${where} now` } : result;
}

async function away(context: Context): Promise<ActionResult> {
  const { options: wanted, ports } = context;
  memoryOf(context).device = '';
  const left = await clear(context, null);
  // Not before it has gone. Nobody waits for it: what is passed later comes behind it.
  if (left.length === 0) void ports.packets.forget(parts(wanted).address);
  return left.length === 0
    ? { ok: true, detail: `${wanted.ip} is not here` }
    : { ok: false, detail: `${wanted.ip} is on ${left.map(({ device }) => device).join(', ')} still` };
}

export default defineStep({
  about: 'A floating address, IPv4 or IPv6, that the kernel takes away by itself when the right to it ends.',
  options,
  example: { ip: '10.0.0.5/24', interfaces: ['eth0', 'eth1'] },
  scope: 'node',
  pivot: true,
  timeoutMs: 10_000,
  async probe(context) {
    const here = ours(await listed(context), context);
    const [one] = here;
    return one ? { state: 'done', detail: `it is on ${one.device}` } : { state: 'undone', detail: 'it is not here' };
  },
  // Each ends with its own work and not before: what went on behind its back could put the address there once more.
  do: bring,
  undo: away,
  hold,
  async ready(context) {
    const device = usable(context);
    if (device === null) return { ok: false, detail: `none of ${context.options.interfaces.join(', ')} has carrier` };
    await listed(context);
    const deaf = unaskable(context, device);
    if (deaf !== null) return { ok: false, detail: deaf };
    const without = context.options.filter === 'off' ? null : await ask(context, () => context.ports.packets.usable());
    return { ok: true, detail: `it would be on ${device}${without === null ? '' : `, unfiltered: ${without}`}` };
  },
});
