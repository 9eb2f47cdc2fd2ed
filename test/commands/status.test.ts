// What `status` ends with: a monitoring system looks at nothing else.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exitCodeOf } from '../../src/commands/status.ts';

const test = suite('commands/status');
type Shown = Parameters<typeof exitCodeOf>[0];
const shown = (services: readonly object[], groups: readonly object[] = []): Shown => ({ services, groups }) as never;

test('the worst of all services and groups', () => {
  assert.is(exitCodeOf(shown([])), 0);
  assert.is(exitCodeOf(shown([{ health: 'ok', phase: 'healthy' }])), 0);
  assert.is(exitCodeOf(shown([{ health: 'ok', phase: 'healthy' }], [{ health: 'degraded' }])), 1);
  assert.is(exitCodeOf(shown([{ health: 'failing', phase: 'failed' }], [{ health: 'degraded' }])), 2);
});

test('a service whose group is on another node is not expected here', () => {
  const standby = { health: 'failing', phase: 'relinquished' };
  assert.is(exitCodeOf(shown([standby], [{ health: 'ok' }])), 0);
  assert.is(exitCodeOf(shown([standby], [{ health: 'failing' }])), 2, 'the group counts all the same');
});

test.run();
