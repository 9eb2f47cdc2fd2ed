// Reads an incident story and tells it again with what the core made of it. A story is text: what begins with `>` is
// an event, `+2s` lets time pass (alarm clocks ring), `service NAME {…}` and `node {…}` set the policy; what is
// indented is the answer, and is written anew each time.
import { durationMs } from '../../src/define.ts';
import { explain } from '../../src/core/explain.ts';
import { span } from '../../src/core/move.ts';
import type {
  Cause,
  ConditionName,
  Depth,
  Effect,
  NodeState,
  Outcome,
  Policy,
  RepairResult,
} from '../../src/core/types.ts';
import { Drive, type Step } from './drive.ts';
import { policy, rung, servicePolicy } from './policies.ts';

type Words = readonly string[];

const wordsOf = (line: string): Words =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((found) => found[1] ?? found[2] ?? '');

const time = (word: string | undefined): number => {
  const negative = word?.startsWith('-') === true;
  const ms = durationMs((word ?? '').replace(/^[-+]/, ''));
  if (ms === null) throw new Error(`not a time: ${word}`);
  return negative ? -ms : ms;
};

const CAUSES: readonly string[] =
  'dead hung refusing misconfigured no-space dependency overloaded credentials expired'.split(' ');

/** Outcome, cause and sentence out of the words after the depth. */
function verdictOf(words: Words) {
  const [outcome, second, ...rest] = words;
  const cause = CAUSES.includes(second ?? '') ? (second as Cause) : undefined;
  const detail = (cause ? rest : [second ?? '', ...rest]).filter((word) => word !== 'conclusive')[0] ?? '';
  const conclusive = outcome === 'fail' && (cause === 'dead' || words.includes('conclusive'));
  return {
    outcome: outcome as Outcome,
    detail,
    check: 'check',
    ...(cause ? { cause } : {}),
    ...(conclusive ? { conclusive } : {}),
  };
}

class Story {
  readonly #services: Record<string, ReturnType<typeof servicePolicy>> = {};
  #node: Partial<Policy> = {};
  readonly drive = new Drive(policy({}));

  get policy(): Policy {
    return policy({ ...this.#services }, this.#node);
  }

  /** `service mta {"ladder":["reload","restart"]}`: rungs by their names, the rest as in the policy. */
  declare([what, name, ...rest]: Words, line: string): void {
    const json = line.includes('{') ? (JSON.parse(line.slice(line.indexOf('{'))) as Record<string, unknown>) : {};
    if (what === 'node') this.#node = json as Partial<Policy>;
    else if (what === 'without' && name !== undefined && rest.length === 0) delete this.#services[name];
    else if (what === 'service' && name !== undefined) {
      const { ladder, ...patch } = json;
      const rungs = Array.isArray(ladder) ? { ladder: (ladder as Parameters<typeof rung>[0][]).map(rung) } : {};
      this.#services[name] = servicePolicy({ ...patch, ...rungs });
    } else throw new Error(`not understood: ${line}`);
  }

  tell(words: Words): void {
    const [kind, service = '', third = '', ...rest] = words;
    const { drive } = this;
    const epoch = drive.node.services[service]?.epoch ?? 0;
    switch (kind) {
      case 'start':
        drive.policy = this.policy;
        return void drive.start();
      case 'well':
        drive.policy = this.policy;
        return void drive.well();
      case 'configured':
        return void drive.configure(this.policy);
      case 'crash':
        return void drive.reboot();
      case 'checked':
        return void drive.checked(service, third as Depth, verdictOf(rest));
      case 'late':
        return void drive.checked(third, rest[0] as Depth, verdictOf(rest.slice(1)), (drive.of(third).epoch ?? 0) - 1);
      case 'repaired':
        return void drive.repaired(service, third as RepairResult['did'], {
          detail: rest[0] ?? '',
          ...(rest[1] ? { cause: rest[1] as Cause } : {}),
        });
      case 'switched':
        return void drive.feed({ kind, service, epoch, ok: third === 'ok', detail: rest[0] ?? '' });
      case 'died':
      case 'started':
      case 'evicted':
        return void drive.feed({ kind, service, detail: third });
      case 'acquired':
        return void drive.feed({ kind, service });
      case 'paused':
        return void drive.feed({
          kind,
          service,
          until: drive.now + time(third),
          by: rest[0] ?? '',
          comment: rest[1] ?? '',
        });
      case 'resumed':
      case 'reset':
        return void drive.feed({ kind, service, by: third });
      case 'stalled':
      case 'stepped':
        return void drive.feed({ kind, ms: time(service) });
      case 'tick':
        return void drive.feed({ kind });
      case 'condition':
        return void drive.condition(service as ConditionName, third === 'bad', rest[0] ?? '');
      default:
        throw new Error(`not understood: ${words.join(' ')}`);
    }
  }
}

function effectLine(effect: Effect, at: number, node: NodeState): string | null {
  switch (effect.kind) {
    case 'check':
      return `ask ${effect.service} ${effect.depth}`;
    case 'repair':
      return `do ${effect.rung.name} ${effect.service}, attempt ${effect.attempt}, within ${span(effect.timeoutMs)}`;
    case 'switchover':
      return `want a switchover of ${effect.service} (${effect.incident})`;
    case 'stop':
      return `stop ${effect.service}`;
    case 'wake':
      // Of several clocks set in one decision the last counts.
      return node.services[effect.service]?.wakeAt === effect.at
        ? `wake ${effect.service} in ${span(effect.at - at)}`
        : null;
    case 'ring':
      return `ring in ${span(effect.at - at)}`;
    case 'notice': {
      const { kind, severity, event, key, summary } = effect.notice;
      return kind === 'once' ? `tell ${event} (${severity}): ${summary}` : `${kind} ${key} (${severity}): ${summary}`;
    }
    case 'group-act':
      return `${effect.group}: ${effect.act} ${effect.step}${effect.force ? ' by force' : ''}`;
    case 'group-wake':
      return `${effect.group}: wake in ${span(effect.at - at)}`;
    default:
      return `${effect.group}: ${effect.kind}`;
  }
}

/** The answer to one event, a line each. */
function answerOf({ before, decision, event }: Step): readonly string[] {
  const [after, effects, whys] = decision;
  const lines: string[] = [];
  for (const why of whys) {
    lines.push(`${why.service ?? 'node'} [${why.rule}] ${why.text}`);
    for (const one of why.refused ?? []) lines.push(`  not ${one.what} [${one.rule}] ${one.text}`);
  }
  for (const [name, s] of Object.entries(after.services)) {
    const was = before.services[name];
    if (was?.phase !== s.phase) lines.push(`${name}: ${was?.phase ?? 'new'} -> ${s.phase}`);
  }
  for (const name of Object.keys(before.services)) if (!after.services[name]) lines.push(`${name}: gone`);
  for (const effect of effects) {
    const line = effectLine(effect, event.at, after);
    if (line !== null) lines.push(line);
  }
  return lines.length > 0 ? lines : ['nothing'];
}

/** One command of a story: what it did, told. */
function play(story: Story, line: string): readonly string[] {
  const { drive } = story;
  const words = wordsOf(line.replace(/^>\s*/, ''));
  drive.steps.length = 0;
  if (words[0] === 'explain') {
    const { seen, next, attempts, budget } = explain(drive.policy, drive.node, words[1] ?? '', drive.now);
    return [
      `seen: ${seen}`,
      `next: ${next.text || 'nothing'}`,
      `${attempts} attempts, ${budget.left} of ${budget.of} left`,
    ];
  }
  if (line.startsWith('+')) drive.wait(time(words[0]));
  else story.tell(words);
  if (words[0] === 'well') return ['all services are healthy'];
  return drive.steps.flatMap((step) => {
    const head = line.startsWith('+')
      ? [`at ${span(step.event.at)} ${words.length > 0 && 'service' in step.event ? step.event.service : ''} woke`]
      : [];
    return [...head, ...answerOf(step)];
  });
}

/** The story again, with today's answers. */
export function retell(text: string): string {
  const story = new Story();
  const out: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('  ')) continue; // An old answer.
    out.push(line);
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('>') || line.startsWith('+')) for (const answer of play(story, line)) out.push(`  ${answer}`);
    else story.declare(wordsOf(line), line);
  }
  return out.join('\n');
}
