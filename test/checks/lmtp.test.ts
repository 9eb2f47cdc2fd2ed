import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import lmtp from '../../src/checks/lmtp.ts';
import type { CheckResult } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { hostile } from '../support/hostile.ts';
import { script } from '../support/smtp-script.ts';

const test = suite('lmtp');

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
async function ask(
  options: object,
  changes: Readonly<Record<string, string>>,
  depth: 'quick' | 'deep',
): Promise<CheckResult> {
  const fake = await hostile('scripted', { answer: script(changes) });
  try {
    return await runCheck(lmtp, { port: fake.port, ...options }, { depth, timeoutMs: 1500 });
  } finally {
    await fake.stop();
  }
}

test('the probe is taken, a stranger is not', async () => {
  const options = { recipient: 'probe@mail.test', stranger: 'nobody@mail.test' };
  const table: [Record<string, string>, string][] = [
    [{}, 'pass/-'],
    [{ 'RCPT TO:<probe@mail.test>': '550 5.1.1 unknown\r\n' }, 'fail/misconfigured'],
    [{ 'RCPT TO:<probe@mail.test>': '451 4.3.0 Temporary internal error\r\n' }, 'degraded/dependency'],
    [{ 'RCPT TO:<probe@mail.test>': '552 5.2.2 Quota exceeded\r\n' }, 'fail/no-space'],
    [{ 'RCPT TO:<nobody@mail.test>': '250 ok\r\n' }, 'fail/misconfigured'],
    [{ 'RCPT TO:<nobody@mail.test>': '451 4.3.0 user database away\r\n' }, 'degraded/dependency'],
    [{ LHLO: '421 4.3.2 busy\r\n' }, 'degraded/overloaded'],
  ];
  for (const [changes, wanted] of table) {
    const result = await ask(options, changes, 'deep');
    assert.is(said(result), wanted, `${JSON.stringify(changes)}: ${result.detail}`);
  }
  assert.is(said(await ask({}, {}, 'quick')), 'pass/-');
});

test.run();
