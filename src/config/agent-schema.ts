// The shape of what is said about being polled by SNMP, and what the daemon makes of it. Part of schema.ts.
import { z } from '../define.ts';
import { DEFAULT_BASE, isBase } from '../core/snmp.ts';
import { span } from './schema-types.ts';
import type { AgentConfig } from './types.ts';

const TCP = /^tcp:([A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\]):(\d{1,5})$/;

/** As snmpd.conf's agentXSocket has it, or null. */
function masterOf(text: string): AgentConfig['master'] | null {
  if (text.startsWith('/')) return { path: text };
  const [, host = '', port = ''] = TCP.exec(text) ?? [];
  const number = Number(port);
  return host !== '' && number > 0 && number < 65_536 ? { host: host.replace(/^\[|\]$/g, ''), port: number } : null;
}

const MASTER = '/var/agentx/master';

export const agent = z
  .strictObject({
    master: z
      .string()
      .max(300)
      .refine((text) => masterOf(text) !== null && !text.includes('\0'), 'expected /a/socket or tcp:HOST:PORT')
      .describe("Where the machine's SNMP daemon listens for sub-agents: agentXSocket of snmpd.conf")
      .default(MASTER),
    base: z
      .string()
      .refine(isBase, 'expected an identifier such as 1.3.6.1.4.1.N, in numbers, at most seven after 1.3.6.1.4.1')
      .describe('Where the tables begin in the tree of object identifiers; the same as that of the channels')
      .default(DEFAULT_BASE),
    reconnect: span('The longest pause before it connects again', '1s', '10m').prefault('10s'),
  })
  .describe('What managers poll by SNMP, through the SNMP daemon of this machine; without it nobody polls');

export const agentOf = ({ master, base, reconnect }: z.output<typeof agent>): AgentConfig => ({
  ...{ master: masterOf(master) ?? { path: MASTER }, base },
  reconnectMs: reconnect,
});
