// What the checks of the daemon see of the sandbox, well and broken: the cause must be the true one, for it decides
// what is done.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import imap from '../../src/checks/imap.ts';
import lmtp from '../../src/checks/lmtp.ts';
import smtp from '../../src/checks/smtp.ts';
import type { Check, CheckResult, Depth } from '../../src/define.ts';
import { breakService, type How, healService } from '../../src/sandbox/break.ts';
import { passwordFile, type ServiceName } from '../../src/sandbox/places.ts';
import { runCheck } from '../support/check.ts';
import { makeSandbox, type TestSandbox } from '../support/sandbox.ts';

const test = suite<{ box: TestSandbox }>('sandbox, as the checks see it');
test.before.each(async (context) => {
  context.box = await makeSandbox();
  await context.box.start('store');
  await context.box.start('mta');
});
test.after.each(async ({ box }) => box.end());

/** The checks as config/watchkeeper.yaml has them. */
function asked(box: TestSandbox): Readonly<Record<string, (depth: Depth) => Promise<CheckResult>>> {
  const login = { tls: 'off', user: 'probe', password: `file:${passwordFile(box.dir)}` };
  const run = (check: Check, options: unknown) => (depth: Depth) =>
    runCheck(check, options, { depth, timeoutMs: depth === 'quick' ? 800 : 3000 });
  const recipient = 'probe@sandbox.test';
  return {
    lmtp: run(lmtp, { port: box.ports.lmtp, recipient, stranger: 'nobody@sandbox.test' }),
    imap: run(imap, { port: box.ports.imap, ...login }),
    smtp: run(smtp, { port: box.ports.smtp, ...login, recipient, 'relay-test': { to: 'somebody@example.org' } }),
  };
}

const said = (result: CheckResult | undefined): string => `${result?.outcome} ${result?.cause ?? '-'}`;

async function expect(box: TestSandbox, name: string, depth: Depth, wanted: string): Promise<void> {
  const result = await asked(box)[name]?.(depth);
  assert.is(said(result), wanted, `${name} ${depth}: ${result?.detail}`);
}

test('all is well, again and again', async ({ box }) => {
  for (let round = 0; round < 3; round++) {
    for (const name of ['lmtp', 'imap', 'smtp'])
      for (const depth of ['quick', 'deep'] as const) await expect(box, name, depth, 'pass -');
  }
});

const faults: readonly (readonly [ServiceName, How, readonly string[], Depth, string])[] = [
  ['store', 'kill', ['lmtp', 'imap'], 'quick', 'fail refusing'],
  ['store', 'hang', ['lmtp', 'imap'], 'quick', 'fail hung'],
  ['store', 'refuse', ['lmtp', 'imap'], 'quick', 'fail refusing'],
  ['store', 'slow', ['lmtp', 'imap'], 'deep', 'fail hung'],
  ['store', 'no-space', ['lmtp', 'imap'], 'deep', 'fail no-space'],
  ['mta', 'kill', ['smtp'], 'quick', 'fail refusing'],
  ['mta', 'hang', ['smtp'], 'quick', 'fail hung'],
  ['mta', 'refuse', ['smtp'], 'quick', 'fail refusing'],
  ['mta', 'slow', ['smtp'], 'deep', 'fail hung'],
  ['mta', 'no-space', ['smtp'], 'deep', 'fail no-space'],
];
for (const [service, how, checks, depth, wanted] of faults) {
  test(`${service} ${how}: ${wanted}, and well when healed`, async ({ box }) => {
    assert.ok((await breakService(box.dir, service, how, 10_000)).ok);
    for (const name of checks) await expect(box, name, depth, wanted);
    assert.ok((await healService(box.dir, service)).ok);
    if (how === 'kill') await box.start(service);
    for (const name of checks) await expect(box, name, 'deep', 'pass -');
  });
}

test.run();
