// All faults of the lab, by name.
import type { Fault } from './faults/fault.ts';
import { noise } from './faults/noise.ts';
import { processFaults } from './faults/processes.ts';
import { settingsFaults } from './faults/settings.ts';
import { storageFaults } from './faults/storage.ts';

export { type Fault, healed, UNIT_OF } from './faults/fault.ts';

export const faults: readonly Fault[] = [...processFaults, ...storageFaults, ...settingsFaults, ...noise];
