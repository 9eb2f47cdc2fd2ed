// `explain` for a group: who has it and why, and whether its node could be lost now: each other node with every reason
// against it, what would be lost, what would hold a failover back, and the plan of one.
import { clean } from '../core/clean.ts';
import type { GroupExplained } from '../daemon/groups/show-groups.ts';
import { lossText, planLines } from './groups.ts';
import type { Io } from './io.ts';
import { groupNow } from './live-groups.ts';
import { paint } from './status.ts';

export function showGroup({ group, shown, lose, coordinator, story }: GroupExplained, io: Io): void {
  const head = (text: string): string => paint(io, 'bold', text);
  const line = (label: string, text: string): void => io.out(`${head(label.padEnd(9))} ${clean(text, 1000)}\n`);
  const owner = shown.owner === null ? `nobody has it (${shown.state})` : `on ${shown.owner}`;
  line(group, `${shown.health}, ${owner}, epoch ${shown.epoch ?? '-'}; ${shown.role} here since ${shown.since}`);
  line('decided', `${shown.why.text}  [${shown.why.rule}]`);
  line('now', groupNow(shown));
  for (const { node, rule, text } of shown.refused) line('refused', `${node}: ${text}  [${rule}]`);
  line('lose it?', `${lose.yes ? 'yes' : 'NO'}: ${lose.text}`);
  for (const { node, may, reasons, loss } of lose.nodes) {
    const lost = lossText(loss);
    line(node, may ? `may take it now${lost === null ? '' : `; lost by it: ${lost}`}` : 'may not take it now');
    for (const { rule, text } of reasons) line('', `${text}  [${rule}]`);
  }
  for (const { rule, text } of lose.holds) line('held', `${text}  [${rule}]`);
  const { members, spare } = coordinator;
  const answering = members.filter(({ ok }) => ok).length;
  if (spare !== null && members.length > 1)
    line('quorum', `${answering} of ${members.length} members answer; ${quorumText(spare)}`);
  const { measured, rtoMs, rpoMs } = shown.objectives;
  if (measured)
    line(
      'measured',
      `the newest move took ${measured.rtoMs ?? '?'} ms${goal(rtoMs)}, lost ${measured.rpoMs ?? '?'} ms${goal(rpoMs)}`,
    );
  if (lose.plan.length > 0) io.out(`${head('a failover would be')}\n`);
  for (const step of planLines(lose.plan)) io.out(`${step}\n`);
  if (story.length > 0) io.out(`${head('story')}\n`);
  for (const told of story.slice(-20))
    io.out(`  ${told.time.slice(0, 23)} ${clean(told.text, 500)}  [${clean(told.rule, 40)}]\n`);
}

const goal = (ms: number | null): string => (ms === null ? '' : ` (allowed: ${ms} ms)`);

const quorumText = (spare: number): string => {
  if (spare < 0) return 'there is no quorum: nothing can be taken over';
  return spare === 0 ? 'one more fault, and there is no quorum' : `${spare} more may fail`;
};
