// All faults of the lab, by name.
import type { Fault } from './fault.ts';
import { limitFaults } from './limits.ts';
import { mistakeFaults } from './mistakes.ts';
import { neighbourFaults } from './neighbours.ts';
import { noise } from './noise.ts';
import { partFaults } from './parts.ts';
import { permissionFaults } from './permissions.ts';
import { processFaults } from './processes.ts';
import { settingsFaults } from './settings.ts';
import { storageFaults } from './storage.ts';

export { type Fault, healed, UNIT_OF } from './fault.ts';

export const faults: readonly Fault[] = [
  ...processFaults,
  ...partFaults,
  ...storageFaults,
  ...permissionFaults,
  ...settingsFaults,
  ...neighbourFaults,
  ...limitFaults,
  ...mistakeFaults,
  ...noise,
];
