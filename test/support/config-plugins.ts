// A small set of plugins with every kind of option, so that tests of the configuration depend on no real plugin.
import { defineAlert, defineCheck, defineRecovery, opt, pass, z } from '../../src/define.ts';
import type { Plugins } from '../../src/registry.ts';

const tcp = defineCheck({
  about: 'Connects',
  depth: 'both',
  options: z
    .object({
      host: opt.host('Where').default('127.0.0.1'),
      port: opt.port('TCP port').optional(),
      path: opt.path('A unix socket instead').optional(),
      slow: opt.duration('Slower than this is degraded').default(1000),
      room: opt.size('How much').default(2 * 1024 * 1024),
    })
    .refine((options) => options.port !== undefined || options.path !== undefined, 'give `port` or `path`'),
  example: { port: 25 },
  run: async () => pass('yes'),
});

const login = defineCheck({
  about: 'Logs in',
  depth: 'deep',
  options: z.strictObject({
    port: opt.port('TCP port').default(143),
    user: opt.text('Who').optional(),
    password: opt.secret('The password').optional(),
    tls: z.enum(['off', 'starttls', 'implicit']).describe('How').default('off'),
    words: z.array(opt.text('A word')).max(3).describe('Words').default([]),
  }),
  example: { port: 143 },
  run: async () => pass('yes'),
});

const alive = defineCheck({
  about: 'Looks for a process',
  depth: 'quick',
  options: z.strictObject({ exe: opt.path('Executable') }),
  example: { exe: '/usr/sbin/nginx' },
  run: async () => pass('yes'),
});

const act = async () => ({ ok: true, detail: 'done' });
const inspect = async () => ({ state: 'running', byHand: false, detail: 'runs', evidence: {} }) as const;

const unit = defineRecovery({
  about: 'A unit',
  options: z.strictObject({
    unit: opt.text('Its name'),
    ports: z.array(opt.port('A port')).default([]).describe('Ports that must be free'),
    'start-timeout': opt.duration('How long a start may take').prefault('30s'),
  }),
  example: { unit: 'x.service' },
  inspect,
  start: act,
  stop: act,
  reload: act,
});

const command = defineRecovery({
  about: 'Own commands',
  options: z.strictObject({ start: opt.argv('Starts it'), stop: opt.argv('Stops it') }),
  example: { start: ['/bin/true'], stop: ['/bin/true'] },
  inspect,
  start: act,
  stop: act,
});

const log = defineAlert({
  about: 'A log',
  options: z.strictObject({ facility: z.enum(['daemon', 'mail']).describe('Facility').default('daemon') }),
  example: {},
  send: async () => 'sent',
});
const page = defineAlert({
  about: 'A pager',
  options: z.strictObject({ to: z.array(opt.text('Who')).min(1).describe('Who'), token: opt.secret('The token') }),
  example: { to: ['ops'], token: 'env:TOKEN' },
  send: async () => 'sent',
});

export const somePlugins: Plugins = {
  checks: new Map<string, never>([
    ['tcp', tcp as never],
    ['login', login as never],
    ['process', alive as never],
  ]),
  recovery: new Map<string, never>([
    ['unit', unit as never],
    ['command', command as never],
  ]),
  alerts: new Map<string, never>([
    ['log', log as never],
    ['page', page as never],
  ]),
  switchover: new Map(),
  replication: new Map(),
  cluster: new Map(),
};
