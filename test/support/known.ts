// What a daemon knows, made up: for tests of what managers may poll.
import type { Known, KnownCheck } from '../../src/core/mib-rows.ts';

type KnownService = Known['services'][number];
type KnownAlarm = Known['alarms'][number];

export const NOW = Date.parse('2026-11-25T12:00:00.000Z');
const ago = (ms: number): number => NOW - ms;

export const knownService = (name: string, more: Partial<KnownService> = {}): KnownService => ({
  ...{ name, kit: 'postfix', phase: 'healthy', health: 'ok', since: ago(60_000), incident: null, cause: null },
  ...{ blockedBy: null, why: { text: 'the DeepCheck passes' }, attempts: 0 },
  quick: { outcome: 'pass', ms: 12.4, at: ago(2000) },
  deep: null,
  ...more,
});

export const knownCheck = (service: string, more: Partial<KnownCheck> = {}): KnownCheck => ({
  ...{ service, name: 'smtp', type: 'smtp', depth: 'quick', ageMs: 2000, ms: 12.4, outcome: 'pass' },
  ...{ cause: null, detail: '220 in 12 ms', metrics: [] },
  ...more,
});

export const knownAlarm = (more: Partial<KnownAlarm> = {}): KnownAlarm => ({
  ...{ key: 'service/mta/failing', event: 'service-failing', severity: 'major', service: 'mta', incident: 'mta-1' },
  ...{ cause: 'hung', raised: ago(5000), summary: 'mta: no banner', count: 1, ack: null, told: [] },
  ...more,
});

export const known = (more: Partial<Known> = {}): Known => ({
  node: 'n1',
  time: NOW,
  services: [],
  daemon: { version: '1.2.3', observe: false, tilt: null, startedAt: ago(3_600_000) },
  alarms: [],
  channels: [],
  checks: [],
  ...more,
});
