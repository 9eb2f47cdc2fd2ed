// What groups hear of and what they ask for: the events and effects of role.ts, as parts of the node's own in types.ts.
import type { MoveRequest, OwnerRecord, StepAct, Survey } from './group-types.ts';

export type SurveyReason = 'vacant' | 'request' | 'switchback';

interface OfGroup {
  readonly at: number;
  readonly group: string;
}
interface GroupReply extends OfGroup {
  readonly turn: number;
}

export type GroupEvent =
  /** Who owns it, as the coordinator says: told at first sight and when more than a renewal changed. */
  | (OfGroup & { readonly kind: 'group-owner'; readonly record: OwnerRecord | null })
  /** Nobody has it, or whoever has it was silent for T. */
  | (OfGroup & { readonly kind: 'group-vacant'; readonly silentMs: number; readonly own?: true })
  | (GroupReply & {
      readonly kind: 'group-surveyed';
      readonly survey: Survey;
      /** What it was asked for; an answer to another question is void. Absent: to whichever is open. */
      readonly why?: SurveyReason;
      /** The window for an automatic switchback is open. */
      readonly hours: boolean;
    })
  | (GroupReply & {
      readonly kind: 'group-took';
      readonly epoch: number;
      readonly taken: OwnerRecord['taken'];
      readonly before: OwnerRecord | null;
    })
  | (GroupReply & { readonly kind: 'group-beaten' })
  /** The right ended: it fell silent, or somebody else has it. The guard has begun to take everything back. */
  | (OfGroup & { readonly kind: 'group-lost'; readonly epoch: number; readonly reason: 'silence' | 'taken' })
  | (OfGroup & { readonly kind: 'group-released'; readonly epoch: number })
  | (GroupReply & {
      readonly kind: 'group-step';
      readonly step: string;
      readonly act: StepAct;
      readonly ok: boolean;
      readonly detail: string;
    })
  | (OfGroup & { readonly kind: 'group-requested'; readonly request: MoveRequest })
  /** The request is not there any more: withdrawn, or done. */
  | (OfGroup & { readonly kind: 'group-request-gone'; readonly id: string })
  | (OfGroup & { readonly kind: 'group-confirmed'; readonly by: string; readonly yes: boolean })
  /** Somebody took note of the newest failover: the next one may come by itself. */
  | (OfGroup & { readonly kind: 'group-acked'; readonly epoch: number; readonly by: string })
  | (GroupReply & { readonly kind: 'group-woke' })
  /** The copy on this node was healthy under this epoch. */
  | (OfGroup & { readonly kind: 'group-copied'; readonly epoch: number });

export type GroupEffect =
  | { readonly kind: 'group-survey'; readonly group: string; readonly turn: number; readonly why: SurveyReason }
  | { readonly kind: 'group-take'; readonly group: string; readonly turn: number; readonly failed: readonly string[] }
  | {
      readonly kind: 'group-release';
      readonly group: string;
      readonly epoch: number;
      readonly state: 'released' | 'stuck';
      readonly to: string | null;
      readonly failed: readonly string[];
      readonly reason: 'planned' | 'failover';
    }
  | {
      readonly kind: 'group-act';
      readonly group: string;
      readonly turn: number;
      readonly epoch: number;
      readonly step: string;
      readonly act: StepAct;
      readonly force: boolean;
      readonly from: string | null;
      readonly to: string | null;
      readonly planned: boolean;
      readonly timeoutMs: number;
    }
  /** Clients reach the group here: the newest data is ours from now on. */
  | { readonly kind: 'group-active'; readonly group: string; readonly epoch: number }
  /** A request was carried out, or refused. */
  | {
      readonly kind: 'group-answer';
      readonly group: string;
      readonly id: string;
      readonly ok: boolean;
      readonly text: string;
    }
  | { readonly kind: 'group-wake'; readonly group: string; readonly at: number; readonly turn: number };
