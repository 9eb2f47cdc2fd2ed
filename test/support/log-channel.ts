// The event log to a log host as the outbox has it, with the real doors.
import { PassThrough } from 'node:stream';
import eventLog from '../../src/alerts/event-log.ts';
import { openSystemLog } from '../../src/ports/syslog.ts';
import { udp } from '../../src/ports/udp.ts';
import { testChannel, type TestChannel, type TestDoors } from './send-alert.ts';

export const logChannel = (options: object, doors: TestDoors = {}): TestChannel =>
  testChannel(
    eventLog,
    { target: 'syslog', ...options },
    {
      ...doors,
      ports: { udp, systemLog: openSystemLog({ pid: process.pid, underSystemd: false, out: new PassThrough() }) },
    },
  );
