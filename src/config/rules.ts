// The second pass: what no schema sees. References between services, what a manager can do, and whether the times fit
// together. Each rule has a name; its sentence says which values do not fit and where a default is one of them.
import type { Plugins } from '../registry.ts';
import type { Built } from './build.ts';
import { problemAt } from './issues.ts';
import { quote, suggest } from './problems.ts';
import { durationText } from './reflect.ts';
import type { RootInput } from './schema.ts';
import { at, get, type Path, pathText, type Place, placeAt, type Tree } from './tree.ts';
import type { Problem } from './types.ts';

export interface Ruling {
  readonly tree: Tree;
  readonly plugins: Plugins;
  readonly problems: Problem[];
}

// -------------------------------------------------------------------------------------------------------- references

/** Every `depends` names a service, and nothing depends on itself by any way. */
export function checkDepends(ruling: Ruling, depends: ReadonlyMap<string, readonly string[]>): void {
  for (const [name, wanted] of depends)
    for (const [index, other] of wanted.entries()) {
      if (depends.has(other) || typeof other !== 'string') continue;
      const path = ['services', name, 'depends', index];
      const text = `services.${name}.depends: there is no service ${quote(other)}`;
      const place = placeAt(ruling.tree, path).value;
      ruling.problems.push(problemAt(place, text, 'unknown-service', suggest(other, depends.keys())));
    }
  for (const circle of circles(depends)) {
    const [first = '', second = first] = circle;
    const index = depends.get(first)?.indexOf(second) ?? 0;
    const place = placeAt(ruling.tree, ['services', first, 'depends', index]).value;
    const names = circle.length > 10 ? [...circle.slice(0, 9), `... (${circle.length} services)`] : circle;
    const text = `services.${first}.depends: a circle: ${[...names, first].join(' -> ')}`;
    ruling.problems.push(problemAt(place, text, 'circular'));
  }
}

/** One list of names for each circle, without recursion: ten thousand services may hang in one chain. */
function circles(depends: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const done = new Set<string>();
  const found: (readonly string[])[] = [];
  for (const start of depends.keys()) {
    if (done.has(start)) continue;
    const way: { readonly name: string; next: number }[] = [{ name: start, next: 0 }];
    const onWay = new Map([[start, 0]]);
    for (let top = way.at(-1); top; top = way.at(-1)) {
      const child = depends.get(top.name)?.[top.next++];
      if (child === undefined) {
        done.add(top.name);
        onWay.delete(top.name);
        way.pop();
        continue;
      }
      const from = onWay.get(child);
      if (from !== undefined) found.push(way.slice(from).map((step) => step.name));
      else if (depends.has(child) && !done.has(child)) {
        onWay.set(child, way.length);
        way.push({ name: child, next: 0 });
      }
    }
  }
  return found;
}

// ------------------------------------------------------------------------------------------------------ one service

export function checkService(ruling: Ruling, built: Built): void {
  const { config, input } = built;
  const spot = spotOn(ruling, ['services', config.name]);
  if (config.checks.length === 0) spot.say(['checks'], 'has no checks: it would never be looked at', 'no-checks');
  const { manager } = config;
  const plugin = manager ? ruling.plugins.recovery.get(manager.type) : undefined;
  for (const [index, rung] of config.policy.ladder.entries()) {
    const path = ['recover', 'ladder', index];
    if (rung.name !== 'command' && !plugin)
      spot.say(path, `the rung ${rung.name} needs a manager, and there is none`, 'no-manager');
    if (rung.name === 'reload' && plugin && !plugin.reload)
      spot.say(path, `the manager ${manager?.type} cannot reload`, 'no-reload');
    if (rung.name === 'part' && plugin && (rung.parts ?? []).length === 0)
      spot.say(path, `the manager ${manager?.type} names no parts that can be repaired alone`, 'no-parts');
  }
  timing(spot, built);
  const repaired = config.policy.ladder.length > 0 && !config.policy.observe;
  if (!repaired) return;
  if (config.checks.length > 0 && !config.checks.some((check) => check.depths.includes('deep')))
    spot.say(['checks'], 'is repaired and has no deep check: no repair could be verified', 'no-deep-check');
  repairTiming(spot, input);
}

type Timed = readonly [Path, number];

/** Says things about one part of the tree, at the first of the places that somebody wrote. */
interface Spot {
  say(path: Path, text: string, rule: string, ...others: readonly Path[]): void;
  /** `recover.verify 30s (default)` */
  value(path: Path, ms: number): string;
  /** `a` may not be more than `b`. */
  atMost(a: Timed, b: Timed, why: string, orEqual?: boolean): void;
}

function spotOn({ tree, problems }: Ruling, base: Path): Spot {
  const written = (path: Path): boolean => at(tree, [...base, ...path]) !== undefined;
  const whose = base.length > 0 ? `${base.join('.')}: ` : '';
  const spot: Spot = {
    say(path, text, rule, ...others) {
      const wrote = [path, ...others].find(written);
      const place: Place = wrote ? placeAt(tree, [...base, ...wrote]).value : placeAt(tree, [...base, ...path]).key;
      problems.push(problemAt(place, `${whose}${text}`, rule));
    },
    value(path, ms) {
      const words = pathText(at(tree, base) ?? tree, path);
      return `${words} ${durationText(ms)}${written(path) ? '' : ' (default)'}`;
    },
    atMost(a, b, why, orEqual = true) {
      if (orEqual ? a[1] <= b[1] : a[1] < b[1]) return;
      const text = `${spot.value(...a)} is ${a[1] === b[1] ? 'as long as' : 'longer than'} ${spot.value(...b)}: ${why}`;
      spot.say(a[0], text, 'timing', b[0]);
    },
  };
  return spot;
}

function timing(spot: Spot, { config, input }: Built): void {
  const { quick, deep } = input;
  const quickEvery = [['quick', 'every'], quick.every] as const;
  const deepEvery = [['deep', 'every'], deep.every] as const;
  spot.atMost([['quick', 'timeout'], quick.timeout], quickEvery, 'the answer must come before the next question');
  spot.atMost([['deep', 'timeout'], deep.timeout], deepEvery, 'the answer must come before the next question', false);
  spot.atMost(quickEvery, deepEvery, 'the cheap question is the frequent one');
  for (const [index, check] of input.checks.entries()) {
    if (check.every === undefined) continue;
    const depths = config.checks.find((one) => one.name === check.name)?.depths ?? [];
    const beat = depths.includes('quick') ? quickEvery : deepEvery;
    spot.atMost(
      beat,
      [['checks', index, 'every'], check.every],
      'a check can only have a slower beat than its service',
    );
  }
}

function repairTiming(spot: Spot, { deep, quick, recover }: Built['input']): void {
  const timeout = [['deep', 'timeout'], deep.timeout] as const;
  const verify = [['recover', 'verify'], recover.verify] as const;
  const window = [['recover', 'window'], recover.window] as const;
  const { backoff, flapping } = recover;
  if (recover.confirm !== undefined)
    spot.atMost(
      timeout,
      [['recover', 'confirm'], recover.confirm],
      'the confirming DeepCheck would be asked again too early',
    );
  spot.atMost(timeout, verify, 'one DeepCheck must fit into it');
  spot.atMost(
    [['recover', 'backoff', 'first'], backoff.first],
    [['recover', 'backoff', 'max'], backoff.max],
    'the first pause is the shortest',
  );
  spot.atMost(
    [['deep', 'every'], deep.every],
    [['recover', 'stable'], recover.stable],
    'stable health means at least one DeepCheck',
  );
  const oneMs = recover.repair + recover.verify;
  if (oneMs > recover.window) {
    const one = `${spot.value(['recover', 'repair'], recover.repair)} and ${spot.value(...verify)}`;
    const text = `${one} together are longer than ${spot.value(...window)}: no two attempts would ever be in it`;
    spot.say(window[0], text, 'timing', verify[0], ['recover', 'repair']);
  }
  if (recover.again !== null && recover.again < oneMs)
    spot.say(
      ['recover', 'again'],
      `${spot.value(['recover', 'again'], recover.again)} is shorter than repair and verify together`,
      'timing',
    );
  if (flapping.window < quick.every * flapping.changes)
    spot.say(
      ['recover', 'flapping', 'window'],
      `${spot.value(['recover', 'flapping', 'window'], flapping.window)} is too short for ${flapping.changes} ` +
        `changes with ${spot.value(['quick', 'every'], quick.every)}: flapping would never be seen`,
      'timing',
      ['recover', 'flapping', 'changes'],
      ['quick', 'every'],
    );
}

// ---------------------------------------------------------------------------------------------------------- the node

export function checkNode(ruling: Ruling, root: Omit<RootInput, 'services'>): void {
  const spot = spotOn(ruling, []);
  spot.atMost(
    [['tilt', 'window'], root.tilt.window],
    [['tilt', 'limit'], root.tilt.limit],
    'the doubt would end before it could begin',
  );
  const { max, parallel } = root.repairs;
  if (parallel > max)
    spot.say(['repairs', 'parallel'], `repairs.parallel ${parallel} is more than repairs.max ${max}`, 'timing');
}

/** Kits of one's own that nobody uses: their values were not judged. */
export function unusedKits(ruling: Ruling, used: ReadonlySet<string>): readonly Problem[] {
  const kits = get(ruling.tree, 'kits');
  if (kits?.kind !== 'map') return [];
  return [...kits.entries].flatMap(([name, entry]) => {
    if (used.has(name)) return [];
    const problem = problemAt(
      entry.key,
      `kits.${name}: no service uses it, so its values were not checked`,
      'unused-kit',
    );
    return [{ ...problem, level: 'warning' } satisfies Problem];
  });
}
