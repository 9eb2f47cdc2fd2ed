// Alerts as the outbox hands them to a channel.
import type { Alert, Notice } from '../../src/define.ts';

export function makeAlert(change: Partial<Notice> = {}, id = 7): Alert {
  const notice: Notice = {
    event: 'service-failing',
    kind: 'raise',
    key: 'mta/service-failing',
    severity: 'major',
    service: 'mta',
    incident: 'mta-1',
    at: 1000,
    raisedAt: 1000,
    summary: 'no banner within 2 s',
    action: 'a restart is tried',
    cause: 'hung',
    count: 1,
    runbook: null,
    ...change,
  };
  return { id, time: '2026-11-22T13:00:00.123Z', notice };
}
