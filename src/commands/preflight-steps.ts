// Asks the steps of groups for `preflight` whether they could be done on this node now, without a daemon: with the
// plugins, the words and the services of the configuration, and no right to anything. What would act refuses.
import type { Config } from '../config/types.ts';
import { GroupSteps } from '../daemon/groups/group-steps.ts';
import { contextOf } from '../daemon/repair.ts';
import type { ActionResult, Inspection, StepServices } from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import type { Plugins } from '../registry.ts';

const NO: ActionResult = { ok: false, detail: 'preflight changes nothing' };

/** Services that can be looked at, and nothing else. */
function onlyLooks(config: Config, plugins: Plugins, ports: Ports): StepServices {
  return {
    ordered: (names) => names,
    async inspect(service, signal) {
      const unknown = (detail: string): Inspection => ({ state: 'unknown', byHand: false, detail, evidence: {} });
      const manager = config.services[service]?.manager;
      const plugin = manager && plugins.recovery.get(manager.type);
      if (!manager || !plugin) return unknown(`${service} has no manager: it is only watched`);
      const { stateDir } = config;
      const managed = { plugin, options: manager.options, memory: new Map<string, unknown>(), stateDir };
      return plugin.inspect(contextOf(service, managed, ports, signal)).catch((error: Error) => unknown(error.message));
    },
    start: () => Promise.resolve(NO),
    stop: () => Promise.resolve(NO),
    check: () => Promise.resolve(NO),
  };
}

/** `owner`: who has the group now, as far as it is known. */
export function stepAsker(config: Config, plugins: Plugins, ports: Ports, owner: (group: string) => string | null) {
  const services = onlyLooks(config, plugins, ports);
  return async (group: string, step: string): Promise<ActionResult> => {
    const found = config.groups?.[group];
    if (!found) return { ok: false, detail: `there is no group ${group}` };
    const steps = new GroupSteps(found, found.policy, {
      ...{ ports, node: config.node, words: config.cluster?.words ?? {}, stateDir: config.stateDir, services },
      plugin: (type) => plugins.switchover.get(type),
      untilMs: () => Number.NEGATIVE_INFINITY,
      flush: () => Promise.resolve(NO),
      copied: () => Promise.resolve(),
      done: () => undefined,
      progress: () => undefined,
    });
    return steps.readyOne(step, owner(group));
  };
}
