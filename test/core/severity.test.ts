import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ituCause, perceivedSeverity, syslogNames, syslogSeverity, trend } from '../../src/core/severity.ts';
import type { Cause } from '../../src/core/types.ts';

const test = suite('severity');

test('maps as RFC 5674 section 2 says', () => {
  assert.equal(syslogSeverity, { critical: 1, major: 2, minor: 3, warning: 4, indeterminate: 5, cleared: 5 });
  assert.is(syslogNames[syslogSeverity.critical], 'alert');
  assert.is(syslogNames[syslogSeverity.cleared], 'notice');
});

test('numbers perceived severities as X.733 does', () => {
  assert.equal(perceivedSeverity, { cleared: 1, indeterminate: 2, critical: 3, major: 4, minor: 5, warning: 6 });
});

test('has a registered label for every cause and for none', () => {
  const causes: Cause[] = ['dead', 'hung', 'refusing', 'misconfigured', 'no-space'];
  causes.push('dependency', 'overloaded', 'credentials', 'expired');
  assert.is(new Set(causes.map((cause) => ituCause(cause).probableCause)).size, causes.length);
  assert.is(ituCause('no-space').probableCause, 'storageCapacityProblem');
  assert.is(ituCause(null).probableCause, 'other');
});

test('trend follows the kind of notice', () => {
  assert.equal((['raise', 'clear', 'once'] as const).map(trend), ['moreSevere', 'lessSevere', 'noChange']);
});

test.run();
