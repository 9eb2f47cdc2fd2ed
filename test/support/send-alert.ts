// Sends alerts through one channel as the outbox does: options through the schema, one thing that lasts, real doors.
import { bareContext } from '../../src/contract/trial.ts';
import type { Alert, AlertChannel, AlertContext, Background, Ports, SendResult } from '../../src/define.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { checkPorts } from './check.ts';

export const SECRETS = { TOKEN: 't0k"en', KEY: 'signing key', LAB_PASSWORD: 'pw', WRONG_PASSWORD: 'wrong' };

export interface TestChannel {
  send(alert: Alert, background?: Partial<Background>): Promise<SendResult>;
  /** What the channel said of itself, newest last. */
  readonly troubles: (string | null)[];
  close(): Promise<void>;
}

export interface TestDoors {
  readonly ports?: Partial<Ports>;
  readonly secrets?: Readonly<Record<string, string>>;
  /** The outbox gives up after this long; default 30 s, as in the daemon. */
  readonly abortMs?: number;
}

export function testChannel(plugin: AlertChannel, options: unknown, doors: TestDoors = {}): TestChannel {
  const troubles: (string | null)[] = [];
  let kept: Promise<{ close(): void | Promise<void> }> | null = null;
  const lasting: AlertContext<never>['lasting'] = (make) => (kept ??= make()) as ReturnType<typeof make>;
  const parsed = plugin.options.strict().parse(options) as never;
  const ports = checkPorts({ secrets: secretsFrom({ ...SECRETS, ...doors.secrets }), ...doors.ports });
  return {
    troubles,
    async send(alert, background = {}) {
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(), doors.abortMs ?? 30_000);
      try {
        return await plugin.send(alert, {
          ...bareContext(),
          options: parsed,
          ports,
          signal: limit.signal,
          lasting,
          background: () => ({ ...bareContext().background(), ...background }),
          trouble: (text) => troubles.push(text),
        });
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      await (await kept)?.close();
    },
  };
}
