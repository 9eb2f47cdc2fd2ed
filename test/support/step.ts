// A context for one step, as the daemon would make it: options through its schema, real ports, a right that can end.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Recovery, Shape, StepContext, StepServices, SwitchStep } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { hostPorts } from './host.ts';

/** Options as in the file. */
export const stepContext = <S extends Shape>(
  step: SwitchStep<S>,
  options: unknown,
  more: Partial<Omit<StepContext<never>, 'options'>> = {},
): StepContext<never> => ({
  options: step.options.parse(options) as never,
  ports: hostPorts({}),
  signal: AbortSignal.timeout(60_000),
  ...{ node: 'n1', group: 'mail', step: 'step', to: 'n1', from: null, planned: true },
  lease: { epoch: 7, untilMs: () => clock.monotonic() + 60_000 },
  words: { n1: { name: 'n1' }, n2: { name: 'n2' } },
  services: stepServices({}),
  memory: new Map<string, unknown>(),
  stateDir: '/nonexistent',
  progress: () => undefined,
  ...more,
});

export interface TestService {
  readonly plugin: Recovery;
  readonly options: unknown;
  readonly needs?: readonly string[];
  check(signal: AbortSignal): Promise<{ readonly ok: boolean; readonly detail: string }>;
}

/** Real ways to run services behind the door of a step: no ladder, no schedule, only hands. `told` is what was done. */
export function stepServices(
  all: Readonly<Record<string, TestService>>,
  told: string[] = [],
  stateDir = '/nonexistent',
): StepServices {
  const memories = new Map<string, Map<string, unknown>>();
  const of = (name: string, signal: AbortSignal) => {
    const service = all[name];
    if (!service) throw new Error(`there is no service ${name}`);
    const memory = memories.get(name) ?? new Map<string, unknown>();
    memories.set(name, memory);
    const options = service.plugin.options.parse(service.options) as never;
    return { service, context: { options, ports: hostPorts({}), signal, service: name, memory, stateDir } };
  };
  const depth = (name: string): number => Math.max(0, ...(all[name]?.needs ?? []).map((one) => depth(one) + 1));
  return {
    ordered: (names) => [...names].sort((a, b) => depth(a) - depth(b)),
    async inspect(name, signal) {
      const { service, context } = of(name, signal);
      return service.plugin.inspect(context);
    },
    async start(name, signal) {
      told.push(`start ${name}`);
      const { service, context } = of(name, signal);
      return service.plugin.start(context);
    },
    async stop(name, force, signal) {
      told.push(`${force ? 'kill' : 'stop'} ${name}`);
      const { service, context } = of(name, signal);
      return service.plugin.stop(context, { force });
    },
    check: async (name, signal) => of(name, signal).service.check(signal),
  };
}

export function stepFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'watchkeeper-step-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
