// What the machine of ownership hears and asks for, and what it remembers. Types without code. `at` is this node's
// monotonic clock.
import type { OwnerRecord } from './group-types.ts';

/** The newest state of the record that this node has seen, and when it saw it. */
export interface Seen {
  /** The revision of the store: older news is dropped by it. */
  readonly order: number;
  readonly record: OwnerRecord | null;
  readonly at: number;
}

export interface Hold {
  readonly epoch: number;
  /** The revision of our newest write that we know of. */
  readonly revision: number;
  /** When the last write that was good was sent, or the last promise of all others was asked for. */
  readonly goodAt: number;
  readonly promisedAt: number;
}

export interface Writing {
  readonly kind: 'take' | 'renew' | 'release';
  readonly record: OwnerRecord;
  readonly expect: number;
  readonly sentAt: number;
}

export interface Ownership {
  readonly node: string;
  readonly instance: string;
  readonly boot: string;
  /** Nobody is believed to be silent before T has passed since then. */
  readonly startedAt: number;
  readonly seen: Seen | null;
  /** Until then we promised to leave the group to its owner. */
  readonly promisedUntil: number;
  readonly hold: Hold | null;
  readonly writing: Writing | null;
  /** The record that our newest take was to follow. */
  readonly before: OwnerRecord | null;
  /** Our newest writes, with their sending: an answer that was lost is recognised later. */
  readonly sent: readonly { readonly write: number; readonly at: number }[];
  readonly writes: number;
  /** What the renewals carry beside the right itself. */
  readonly data: OwnerRecord['data'];
  readonly failed: readonly string[];
  readonly asking: boolean;
  readonly askAt: number;
  /** The order for which it was said that the group is vacant; -1: it was not. */
  readonly vacant: number;
  /** The owner as it was last told: a text that changes when anything but the renewal does. */
  readonly told: string | null;
}

interface At {
  readonly at: number;
}

export type OwnEvent =
  /** The record as it stands at a revision of the store, from a read or a watch. */
  | (At & { readonly kind: 'seen'; readonly order: number; readonly record: OwnerRecord | null })
  /** Take it, if it is still vacant. */
  | (At & { readonly kind: 'take'; readonly failed: readonly string[] })
  | (At & { readonly kind: 'written'; readonly write: number; readonly revision: number })
  | (At & {
      readonly kind: 'refused';
      readonly write: number;
      readonly current: { readonly revision: number; readonly record: OwnerRecord } | null;
    })
  | (At & { readonly kind: 'unanswered'; readonly write: number })
  | (At & {
      readonly kind: 'release';
      readonly state: 'released' | 'stuck';
      readonly to: string | null;
      readonly failed: readonly string[];
      readonly reason: 'planned' | 'failover';
    })
  /** The group is really active here: the newest data is ours. */
  | (At & { readonly kind: 'active' })
  /** All others promised, asked at `sentAt`. Null: not all of them. */
  | (At & { readonly kind: 'promised'; readonly sentAt: number | null })
  | (At & { readonly kind: 'promise-asked'; readonly from: string; readonly epoch: number })
  | (At & { readonly kind: 'tick' });

export type OwnEffect =
  | { readonly kind: 'write'; readonly record: OwnerRecord; readonly expect: number }
  /** The write under way is of no use any more. */
  | { readonly kind: 'abandon' }
  /** Ask all others to leave the group to us. */
  | { readonly kind: 'ask'; readonly epoch: number }
  | { readonly kind: 'answer'; readonly to: string; readonly agreed: boolean; readonly why: string }
  | {
      readonly kind: 'took';
      readonly epoch: number;
      readonly taken: OwnerRecord['taken'];
      readonly before: OwnerRecord | null;
    }
  | { readonly kind: 'beaten' }
  | { readonly kind: 'renewed' }
  | { readonly kind: 'released'; readonly epoch: number }
  | { readonly kind: 'lost'; readonly epoch: number; readonly reason: 'silence' | 'taken' }
  /** `own`: our right of a life before, under this very kernel: nobody else is passed over by taking it again. */
  | { readonly kind: 'vacant'; readonly silentMs: number; readonly own?: true }
  /** Who owns it, with the epoch filled in; told when more than a renewal changed, or when a vacant one lives again. */
  | { readonly kind: 'owner'; readonly record: OwnerRecord | null };

export type OwnMove = readonly [Ownership, readonly OwnEffect[]];
