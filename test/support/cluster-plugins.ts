// What tests of clusters and groups need of plugins: those that are there, and small ones for those that are not, so
// that the configuration is judged by itself.
import { defineCoordinator, defineReplication, defineStep, opt, z } from '../../src/define.ts';
import type { Plugins } from '../../src/registry.ts';

const act = async () => ({ ok: true, detail: 'done' });
const probe = async () => ({ state: 'undone', detail: 'no' }) as const;

const address = defineStep({
  about: 'An address',
  options: z.strictObject({
    ip: opt.text('The address with its prefix'),
    interfaces: z.array(opt.text('An interface')).min(1).describe('Where it may be'),
  }),
  example: { ip: '10.0.0.5/24', interfaces: ['eth0'] },
  ...({ scope: 'node', pivot: true, timeoutMs: 10_000, probe, do: act, undo: act, hold: act } as const),
});

const dns = defineStep({
  about: 'Records of a zone',
  options: z.strictObject({
    server: opt.host('The server'),
    zone: opt.host('The zone'),
    records: z
      .array(z.strictObject({ name: opt.text('Name'), type: opt.text('Type'), value: opt.text('Value') }))
      .describe('The records'),
    key: opt.secret('The key').optional(),
  }),
  example: { server: '10.0.0.53', zone: 'example.org', records: [] },
  ...({ scope: 'shared', pivot: true, probe, do: act, undo: act } as const),
});

const directory = defineStep({
  about: 'Entries of a directory',
  options: z.strictObject({
    url: opt.text('The server'),
    base: opt.text('Below'),
    filter: opt.text('Which'),
    set: z.record(z.string(), z.string()).describe('What they get'),
    bind: opt.text('As whom').optional(),
    password: opt.secret('The password').optional(),
  }),
  example: { url: 'ldaps://x', base: 'o=x', filter: '(a=$from)', set: { a: '$to' } },
  ...({ scope: 'shared', probe, do: act, undo: act } as const),
});

const service = defineStep({
  about: 'The services of the group',
  options: z.strictObject({
    services: z.array(opt.service('A service')).min(1).max(64).describe('Which'),
    verify: opt.duration('How long each has until it is well').prefault('30s'),
  }),
  example: { services: ['store'] },
  ...({ scope: 'node', timeoutMs: 120_000, probe, do: act, undo: act } as const),
});

const mount = defineStep({
  about: 'A file system',
  options: z.strictObject({ path: opt.path('Where') }),
  example: { path: '/srv/mail' },
  ...({ scope: 'node', probe, do: act, undo: act, prepare: act } as const),
});

const dovecot = defineReplication({
  about: 'A store',
  options: z.strictObject({ user: opt.text('Who').default('probe') }),
  example: {},
  ageOnly: true,
  look: async () => ({ state: 'healthy', queue: 0, lagMs: 0, detail: '' }),
});

const etcd = defineCoordinator({
  about: 'etcd',
  options: z.strictObject({
    endpoints: z.array(opt.text('A member')).min(1).describe('All members'),
    authority: opt.path('Who signed the certificates of the members').optional(),
    certificate: opt.path('A certificate of our own').optional(),
    key: opt.path('Its key').optional(),
    compact: opt.duration('Old revisions are given up after so long').prefault('1h'),
  }),
  example: { endpoints: ['http://127.0.0.1:2379'] },
  open: async () => {
    throw new Error('it is only read');
  },
});

const standalone = defineCoordinator({
  ...{ about: 'Alone', options: z.strictObject({}), example: {} },
  open: async () => {
    throw new Error('it is only read');
  },
});

const steps = { address, dns, directory, service, mount };

/** Small ones, then those that are given: what is really there is taken. */
export const withStandIns = (real: Plugins): Plugins => ({
  ...real,
  switchover: new Map<string, never>([...Object.entries(steps), ...real.switchover] as [string, never][]),
  replication: new Map<string, never>([['dovecot', dovecot], ...real.replication] as [string, never][]),
  cluster: new Map<string, never>([...Object.entries({ etcd, standalone }), ...real.cluster] as [string, never][]),
});
