// What the MIB holds beside notifications: each part brings its own definitions.
import type { MibFragment } from './mib-words.ts';
import { polledFragment } from './mib-polled.ts';

/** In the order in which they stand in the file. */
export const mibFragments: readonly MibFragment[] = [polledFragment()];
