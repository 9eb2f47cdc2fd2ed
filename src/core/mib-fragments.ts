// What the MIB holds beside notifications: each part brings its own definitions.
import { polledFragment } from './mib-polled.ts';

/** Definitions below `wkTables`, and the groups of objects that they bring. */
export interface MibFragment {
  /** Module → what is imported from it. */
  readonly imports: Readonly<Record<string, readonly string[]>>;
  /** Definitions in SMIv2, also of its groups, which go below `wkGroups` with arcs from 10 on. */
  readonly text: string;
  /** Names of its groups, for the statement of compliance. */
  readonly groups: readonly string[];
}

/** In the order in which they stand in the file. */
export const mibFragments: readonly MibFragment[] = [polledFragment()];
