// A channel as the outbox drives it: options through its schema, one thing that lasts, and its troubles noted.
import type { Alert, AlertChannel, AlertContext, Ports, SendResult } from '../../src/define.ts';
import { bareContext } from '../../src/contract/trial.ts';

type Context = AlertContext<never>;

export interface Channel {
  send(alert: Alert, limitMs?: number): Promise<SendResult>;
  /** The newest; null: none. */
  readonly trouble: () => string | null;
  close(): Promise<void>;
}

export function channelOf(
  plugin: AlertChannel,
  options: unknown,
  ports: Ports,
  more: Partial<Omit<Context, 'options' | 'ports' | 'signal' | 'lasting' | 'trouble'>> = {},
): Channel {
  const parsed = plugin.options.parse(options) as never;
  let held: Promise<{ close(): void | Promise<void> }> | null = null;
  let trouble: string | null = null;
  const lasting: Context['lasting'] = (make) => {
    held ??= make();
    held.catch(() => {
      held = null;
    });
    return held as ReturnType<typeof make>;
  };
  return {
    trouble: () => trouble,
    async send(alert, limitMs = 30_000) {
      const stop = new AbortController();
      const timer = setTimeout(() => stop.abort(), limitMs);
      const context: Context = {
        ...bareContext(),
        ...more,
        ...{ options: parsed, ports, signal: stop.signal, lasting },
        trouble: (text) => {
          trouble = text;
        },
      };
      try {
        return await plugin.send(alert, context);
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      await (await held)?.close();
    },
  };
}
