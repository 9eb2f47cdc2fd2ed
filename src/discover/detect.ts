// Which products are on this machine. A unit that is enabled or active, or a program that runs, is proof; a file or a
// port alone is a hint: packages leave files behind, and ports say nothing of who holds them.
import type { PortHolder, ProcessFacts } from '../ports/proc.ts';
import type { UnitFacts } from '../ports/units.ts';
import { words } from './shape.ts';
import type { Found, Hint, Kit, Machine } from './types.ts';

const ACTIVE = new Set(['active', 'reloading', 'refreshing', 'activating']);
/** Not what is enabled until the next boot only: Debian's generators do that to every instance there is. */
const ENABLED = new Set(['enabled', 'linked']);
const RUNLEVELS = ['/etc/rc2.d', '/etc/rc3.d', '/etc/rc4.d', '/etc/rc5.d'];
/** Instances of one product that are proposed. */
const MOST_INSTANCES = 16;

export interface Detected {
  readonly found: readonly Found[];
  readonly hints: readonly Hint[];
}

export async function detect(kits: readonly Kit[], machine: Machine): Promise<Detected> {
  const { proc } = machine.ports;
  // All that waits comes before all that only computes: a program's words may be lost while this process is busy.
  const units = await Promise.all(kits.map((kit) => known(kit.units, machine)));
  const holders = proc.holders(EVERY_PORT);
  const perKit = kits.map((kit, at) => ofKit(kit, units[at] ?? [], holders, machine));
  const found = perKit.flatMap((one) => one.found);
  const taken = new Set(found.flatMap(({ held }) => held.map(({ port }) => port)));
  const hints = perKit.flatMap(({ kit, found: here, homeless }) => {
    if (homeless) return [{ kit: kit.name, text: homeless }];
    return here.length > 0 ? [] : traces(kit, taken, machine);
  });
  return { found, hints };
}

/** Its executables, without links: the kernel knows a process of /usr/bin/redis-server by another name. */
export function programsOf(kit: Kit, machine: Machine): readonly string[] {
  return kit.programs.map((program) => {
    try {
      return machine.ports.files.realPath(program) ?? program;
    } catch {
      return program;
    }
  });
}

interface Here {
  readonly kit: Kit;
  readonly found: readonly Found[];
  /** It runs, and in no unit. */
  readonly homeless: string | null;
}

function ofKit(kit: Kit, units: readonly Unit[], holders: readonly PortHolder[], machine: Machine): Here {
  const { proc } = machine.ports;
  const [first, ...rest] = units.filter(({ id, facts }) => isActive(facts) || isEnabled(id, facts, machine));
  if (first) {
    // Several units of one template are several services; of other units the first one named is the product.
    const template = templateOf(first.id);
    const more = template === null ? [] : rest.filter(({ id }) => templateOf(id) === template);
    const all = [first, ...more].slice(0, MOST_INSTANCES);
    const found = all.map(({ id, facts }) => {
      const state = isActive(facts) ? 'is active' : 'is enabled, and does not run now';
      return foundAs(kit, id, `${id} ${state}`, proc.cgroup(facts['ControlGroup'] ?? ''), holders);
    });
    return { kit, found, homeless: null };
  }
  const running = programsOf(kit, machine).flatMap((program) => proc.byExe(program));
  const main = eldest(running);
  if (!main) return { kit, found: [], homeless: null };
  const unit = unitOf(proc.cgroupOf(main.pid));
  const runs = `${words(main.exe ?? main.comm)} runs`;
  if (unit === null) return { kit, found: [], homeless: `${runs}, but in no unit of systemd: it cannot be kept so` };
  const pids = running.map(({ pid }) => pid);
  return { kit, found: [foundAs(kit, unit, `${runs} in ${unit}`, pids, holders)], homeless: null };
}

interface Unit {
  readonly id: string;
  readonly facts: UnitFacts;
}

/** The units that systemd knows, each once and under its own name; a wrapper is replaced by what it stands for. */
async function known(names: readonly string[], machine: Machine, depth = 0): Promise<readonly Unit[]> {
  const { units } = machine.ports;
  const all = await Promise.all(names.map((name) => units.show(name, machine.signal)));
  const found = new Map<string, UnitFacts>();
  for (const facts of all) {
    if (facts?.['LoadState'] !== 'loaded') continue;
    const id = facts['Id'] ?? '';
    const parts = (facts['ConsistsOf'] ?? '').split(' ').filter((name) => name.endsWith('.service'));
    // postfix.service and postgresql.service of Debian do nothing; what they start are units of their own.
    const wrapper = facts['RemainAfterExit'] === 'yes' && parts.length > 0 && depth === 0;
    const those = wrapper ? await known(parts.sort(), machine, 1) : [{ id, facts }];
    const on = isActive(facts) || isEnabled(id, facts, machine);
    for (const one of those) {
      const meant = wrapper && on ? { ...one.facts, UnitFileState: 'enabled' } : one.facts;
      const before = found.get(one.id);
      if (!before || !isEnabled(one.id, before, machine)) found.set(one.id, meant);
    }
  }
  return [...found].map(([id, facts]) => ({ id, facts }));
}

const isActive = (facts: UnitFacts): boolean => ACTIVE.has(facts['ActiveState'] ?? '');

function isEnabled(id: string, facts: UnitFacts, machine: Machine): boolean {
  const state = facts['UnitFileState'] ?? '';
  if (state !== 'generated') return ENABLED.has(state);
  // Of a SysV script systemd says only that it made a unit of it: the links of the runlevels say whether it starts.
  const script = new RegExp(`^S\\d\\d${id.replace(/\.service$/, '').replace(/[^\w-]/g, '\\$&')}$`);
  return RUNLEVELS.some((folder) => listed(folder, machine).some((name) => script.test(name)));
}

function listed(folder: string, machine: Machine): readonly string[] {
  try {
    return machine.ports.files.list(folder);
  } catch {
    return [];
  }
}

const templateOf = (unit: string): string | null => /^(.+?)@.+\.service$/.exec(unit)?.[1] ?? null;
const instanceOf = (unit: string): string | null => /@(.+)\.service$/.exec(unit)?.[1] ?? null;

/** `/system.slice/system-postgresql.slice/postgresql@15-main.service` → the unit. */
function unitOf(group: string | null): string | null {
  const last = group?.split('/').find((part) => part.endsWith('.service'));
  return last && !last.startsWith('user@') ? last : null;
}

/** The process that the others come from. */
function eldest(all: readonly ProcessFacts[]): ProcessFacts | null {
  const pids = new Set(all.map(({ pid }) => pid));
  const roots = all.filter(({ ppid, state }) => !pids.has(ppid) && state !== 'Z');
  return [...roots].sort((a, b) => a.startTicks - b.startTicks)[0] ?? null;
}

const EVERY_PORT = Array.from({ length: 65_535 }, (_, at) => at + 1);

function foundAs(
  kit: Kit,
  unit: string,
  evidence: string,
  pids: readonly number[],
  holders: readonly PortHolder[],
): Found {
  const own = new Set(pids);
  const held = holders.filter(({ pid }) => own.has(pid)).map(({ port, address }) => ({ port, address }));
  const each = new Map(held.map((one) => [`${one.port} ${one.address}`, one]));
  const sorted = [...each.values()].sort((a, b) => a.port - b.port || a.address.localeCompare(b.address));
  return { kit, unit, instance: instanceOf(unit), evidence, held: sorted };
}

/** Files and ports of a product that is not here. Several products have the same ports: what one that was found holds
 *  says nothing of others, and neither does a port say anything of a product without a program. */
function traces(kit: Kit, taken: ReadonlySet<number>, machine: Machine): readonly Hint[] {
  const file = kit.files.find((path) => isThere(path, machine));
  const wanted = kit.programs.length > 0 ? kit.ports.filter((port) => !taken.has(port)) : [];
  const port = machine.ports.proc.holders(wanted).find(({ exe, pid }) => pid > 1 && exe !== null);
  const seen = [
    ...(file ? [`${file} is there`] : []),
    ...(port ? [`port ${port.port} is held by ${words(port.exe ?? 'somebody')}`] : []),
  ];
  const text = `${seen.join(' and ')}, but nothing of it is enabled, active or running`;
  return seen.length === 0 ? [] : [{ kit: kit.name, text }];
}

function isThere(path: string, machine: Machine): boolean {
  try {
    return machine.ports.files.facts(path) !== null;
  } catch {
    return false;
  }
}
