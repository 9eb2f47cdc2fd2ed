// The arithmetic of safe ownership in numbers: what the times of a cluster must leave room for. The one place of these
// constants in the configuration.

export const NODES_MAX = 32;

/** Lifetimes of addresses are whole seconds, and never less. */
export const LIFETIME_MS = 1000;
/** The kernel takes an address away so much late at most, when it has one lifetime to look after … */
export const LATE_ONE_MS = 300;
/** … and when there are several. */
export const LATE_MANY_MS = 1100;
/** For a renewal on its way, and for the command that extends an address. */
export const ROOM_MS = 200;

/** The least silence: the lifetime of an address, how late its end may be, and room. */
export const leastSilenceMs = (addresses: number): number =>
  LIFETIME_MS + (addresses > 1 ? LATE_MANY_MS : LATE_ONE_MS) + ROOM_MS;

/** How often a node publishes what it knows of itself. */
export const PUBLISH_MS = 2000;

interface Times {
  readonly silence: number;
  readonly renew?: number | undefined;
  readonly margin?: number | undefined;
  readonly failsafe?: number | undefined;
}

/** The times that nobody wrote, from the silence: 3 s gives 200 ms, 300 ms and 1 s. */
export const derived = ({ silence, renew, margin, failsafe }: Times) => ({
  renewMs: renew ?? Math.max(20, Math.round(silence / 15)),
  marginMs: margin ?? Math.max(20, Math.round(silence / 10)),
  failsafeMs: failsafe ?? Math.max(50, Math.round(silence / 3)),
});
