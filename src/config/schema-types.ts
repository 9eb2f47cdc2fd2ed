// Types of values that the shapes of the configuration share.
import { durationMs, opt, z } from '../define.ts';

/** A duration within bounds, in ms. Timers of Node end at 24.8 days, so nothing that is waited for is longer. */
export const span = (about: string, least: string, most: string) =>
  opt
    .duration(about)
    .refine((ms) => ms >= (durationMs(least) ?? 0) && ms <= (durationMs(most) ?? 0), `expected ${least} to ${most}`)
    .describe(about);

export const whole = (about: string, least: number, most: number) =>
  z.number().int().min(least).max(most).describe(about);

const never = z.literal('never').transform(() => null);
export const spanOrNever = (about: string, least: string, most: string) =>
  z.union([never, span(about, least, most)]).describe(about);

/** Letters, digits, and . _ @ - inside; never a word that every object has, such as "constructor". */
export const name = (about: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$/, 'expected a name of letters, digits and . _ @ -, at most 64 long')
    .refine((text) => !(text in {}), 'this name is reserved')
    .describe(about);
