// What a group is about right now, in one line: the step under way, a question that waits, a block, else why it is as
// it is. For the table of `status` and the live one. All of it is taken for hostile by whoever shows it.

/** What the tables need of a group of `GET /api/v1/status`. */
export interface GroupView {
  readonly name: string;
  readonly health: 'ok' | 'degraded' | 'failing';
  readonly role: string;
  readonly owner: string | null;
  readonly state: string;
  readonly why: { readonly text: string };
  readonly ask: { readonly until: string | null; readonly said: string | null } | null;
  readonly block: { readonly until: string } | null;
  readonly timed: { readonly at: string; readonly request: { readonly verb: string } } | null;
  readonly nodes: readonly {
    readonly node: string;
    readonly owner: boolean;
    readonly ready: boolean;
    readonly progress: string;
    readonly saga: {
      readonly kind: string;
      readonly direction: string;
      readonly steps: readonly { readonly place: string }[];
      readonly acting: { readonly step: string; readonly act: string } | null;
    } | null;
  }[];
}

/** How far each node is on its way, as `n2 comes: do store (1 of 3)`. */
export function groupProgress({ nodes }: GroupView): string | null {
  const on = nodes.flatMap(({ node, saga, progress }) => {
    if (!saga) return [];
    const goal = (saga.kind === 'up') === (saga.direction === 'forward') ? 'in' : 'out';
    const done = saga.steps.filter(({ place }) => place === goal).length;
    const act = saga.acting ? `: ${saga.acting.act} ${saga.acting.step}` : '';
    const back = saga.direction === 'back' ? ', taken back' : '';
    const way = `${saga.kind === 'up' ? 'comes to' : 'leaves'} ${node}${back}`;
    return [`${way}${act} (${done} of ${saga.steps.length})${progress === '' ? '' : ` ${progress}`}`];
  });
  return on.length === 0 ? null : on.join('; ');
}

export function groupNow(group: GroupView): string {
  const progress = groupProgress(group);
  if (progress !== null) return progress;
  if (group.ask && group.ask.said === null)
    return `a person is asked${group.ask.until ? ` until ${group.ask.until}` : ''}: watchkeeper confirm ${group.name}`;
  const timed = group.timed ? `${group.timed.request.verb} at ${group.timed.at}; ` : '';
  const block = group.block ? `no failover by itself until ${group.block.until} (ack group/${group.name}); ` : '';
  return `${timed}${block}${group.why.text}`;
}
