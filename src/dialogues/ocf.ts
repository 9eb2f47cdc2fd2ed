// How an OCF resource agent is called, and what its exit codes mean (OCF Resource Agent API 1.1). It runs nothing.
import { opt, type Ports, z } from '../define.ts';
import type { ExecResult } from '../ports/exec.ts';
import { refusal } from './plugin.ts';
import { plain, quote } from './quote.ts';

/** Options that name an agent and its parameters. */
export const agentOptions = {
  agent: z
    .string()
    .max(200)
    .regex(/^ocf:[A-Za-z0-9][\w-]*:[A-Za-z0-9][\w.-]*$/, 'expected ocf:PROVIDER:TYPE, such as ocf:heartbeat:nginx')
    .describe('The agent, as ocf:PROVIDER:TYPE'),
  parameters: z
    .record(z.string().regex(/^[A-Za-z_]\w{0,100}$/, 'expected the name of a parameter'), opt.text('A value'))
    .default({})
    .describe('Its parameters, as the cluster would have them'),
  secrets: z
    .record(z.string().regex(/^[A-Za-z_]\w{0,100}$/, 'expected the name of a parameter'), opt.secret('A reference'))
    .default({})
    .describe('Parameters whose values are secrets, by reference'),
  instance: opt.text('OCF_RESOURCE_INSTANCE; without it, the name of the service').optional(),
  root: opt.path('OCF_ROOT: where resource.d is').default('/usr/lib/ocf'),
};

export interface Agent {
  readonly agent: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly instance?: string | undefined;
  readonly root: string;
}

export type Action = 'start' | 'stop' | 'monitor' | 'validate-all' | 'reload' | 'promote' | 'demote';

export interface Call {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface CallOptions {
  readonly service: string;
  readonly timeoutMs: number;
  /** OCF_CHECK_LEVEL of a monitor. */
  readonly level?: number;
}

/** What is to be run for an action, or why it must not be. */
export function agentCall(
  ports: Ports,
  agent: Agent,
  action: Action,
  how: CallOptions,
): Call | { readonly refused: string } {
  const [, provider = '', type = ''] = agent.agent.split(':');
  const path = `${agent.root}/resource.d/${provider}/${type}`;
  const refused = refusal(ports, path);
  if (refused !== null) return { refused };
  const env: Record<string, string> = {
    OCF_ROOT: agent.root,
    OCF_RA_VERSION_MAJOR: '1',
    OCF_RA_VERSION_MINOR: '1',
    OCF_OUTPUT_FORMAT: 'text',
    OCF_RESOURCE_INSTANCE: agent.instance ?? how.service,
    OCF_RESOURCE_TYPE: type,
    OCF_RESOURCE_PROVIDER: provider,
    OCF_RESKEY_CRM_meta_timeout: String(how.timeoutMs),
    ...(how.level === undefined ? {} : { OCF_CHECK_LEVEL: String(how.level) }),
  };
  for (const [name, value] of Object.entries(agent.parameters)) env[`OCF_RESKEY_${name}`] = value;
  try {
    for (const [name, reference] of Object.entries(agent.secrets))
      env[`OCF_RESKEY_${name}`] = ports.secrets.read(reference);
  } catch (error) {
    return { refused: plain((error as Error).message) };
  }
  return { argv: [path, action], env };
}

/** The exit codes of the specification, in words. */
export const OCF_CODES: Readonly<Record<number, string>> = {
  0: 'it runs',
  1: 'an error',
  2: 'wrong parameters',
  3: 'not implemented',
  4: 'not permitted',
  5: 'not installed',
  6: 'not configured',
  7: 'it is stopped',
  8: 'it runs as the promoted one',
  9: 'the promoted one failed',
  190: 'it runs, degraded',
  191: 'it runs as the promoted one, degraded',
};

/** Wrong parameters, not installed, not configured: a start would meet the same again. */
export const isMisconfigured = (code: number | null): boolean => code === 2 || code === 5 || code === 6;
export const isRunning = (code: number | null): boolean => code === 0 || code === 8 || code === 190 || code === 191;

/** What the agent said about its exit code, in its own words: `ocf-exit-reason:` first, then its errors. */
export function agentSays(got: ExecResult): string {
  const lines = `${got.stderr}\n${got.stdout}`.split('\n');
  const reason = lines.findLast((line) => line.startsWith('ocf-exit-reason:'))?.slice('ocf-exit-reason:'.length);
  const line = reason ?? lines.find((one) => /\bERROR\b/.test(one)) ?? lines.find((one) => one.trim() !== '') ?? '';
  return plain(line) === '' ? '' : quote(line);
}

/** Of a deed 0 means that it was done. */
function meaning(what: string, code: number): string {
  if (code === 0 && what !== 'monitor') return 'done';
  return OCF_CODES[code] ?? 'no code of OCF';
}

/** `ocf:heartbeat:nginx monitor says 7 (it is stopped)`, with its reason. */
export function verdictText(agent: string, what: string, got: ExecResult): string {
  const { code } = got;
  const said = agentSays(got);
  const words = code === null ? `was ended by ${got.signal ?? 'nobody'}` : `says ${code} (${meaning(what, code)})`;
  return `${agent} ${what} ${words}${said ? `: ${said}` : ''}`;
}
