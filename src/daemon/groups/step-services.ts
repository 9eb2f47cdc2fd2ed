// The services of this node as steps use them: started, stopped and asked through their own managers and checks, and no
// other way. While a group moves its services are not this node's, so that no ladder works against a step.
import { standsOn } from '../../core/graph.ts';
import type { Policy } from '../../core/types.ts';
import type { ActionResult, Inspection, StepServices } from '../../define.ts';
import type { Ports } from '../../ports/ports.ts';
import { contextOf } from '../repair.ts';
import type { Services } from '../services.ts';

const NO_SERVICE = (service: string): ActionResult => ({ ok: false, detail: `there is no service ${service}` });
const WATCHED = (service: string): ActionResult => ({
  ok: false,
  detail: `${service} has no manager: it is only watched`,
});

export function stepServices(services: Services, ports: Ports, policy: () => Policy): StepServices {
  const inspect: StepServices['inspect'] = async (service, signal) => {
    const manager = services.hands(service)?.manager;
    if (!manager) return { state: 'unknown', byHand: false, detail: WATCHED(service).detail, evidence: {} };
    return manager.plugin
      .inspect(contextOf(service, manager, ports, signal))
      .catch((error: Error): Inspection => ({ state: 'unknown', byHand: false, detail: error.message, evidence: {} }));
  };
  return {
    ordered(names) {
      const below = (name: string): readonly string[] => standsOn(policy(), name).filter((one) => names.includes(one));
      return [...names].sort((a, b) => below(a).length - below(b).length || names.indexOf(a) - names.indexOf(b));
    },
    inspect,
    async start(service, signal) {
      const hands = services.hands(service);
      if (!hands) return NO_SERVICE(service);
      const { manager } = hands;
      if (!manager) return WATCHED(service);
      const context = contextOf(service, manager, ports, signal);
      if ((await inspect(service, signal)).state === 'running') return { ok: true, detail: 'it runs already' };
      const checked = (await manager.plugin.validate?.(context)) ?? { ok: true, detail: '' };
      if (!checked.ok) return checked;
      const swept = (await manager.plugin.sweep?.(context)) ?? { ok: true, detail: '' };
      if (!swept.ok) return swept;
      hands.quiet();
      const started = await manager.plugin.start(context);
      hands.quiet();
      return started;
    },
    async stop(service, force, signal) {
      const hands = services.hands(service);
      if (!hands) return NO_SERVICE(service);
      const { manager } = hands;
      if (!manager) return WATCHED(service);
      hands.quiet();
      const stopped = await manager.plugin.stop(contextOf(service, manager, ports, signal), { force });
      const seen = await inspect(service, signal);
      const down = seen.state === 'stopped' || seen.state === 'failed';
      // What the manager says of itself is no proof.
      return down
        ? { ok: true, detail: stopped.detail }
        : { ok: false, detail: `${stopped.detail}; it is ${seen.state}` };
    },
    async check(service) {
      const ran = await services.look(service, 'deep');
      if (!ran) return NO_SERVICE(service);
      const { outcome, detail } = ran.verdict;
      return { ok: outcome === 'pass' || outcome === 'degraded', detail };
    },
  };
}
