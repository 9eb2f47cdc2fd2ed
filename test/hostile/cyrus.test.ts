// The check of Cyrus against programs that write something else, too much, or nothing at all.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/cyrus.ts';
import type { Check, CheckResult, Depth } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';

const test = suite('cyrus and hostile programs');
let folder = '';
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'wk-cyrus-'));
  mkdirSync(join(folder, 'state'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

const LIST = '{\n"user.u1": {"name": "user.u1", "mbtype": "e", "partition": "default", "acl": {}}\n}\n';
const TIMEOUT_MS = 1500;
/** A loaded machine may be late; a check that does not end is far later. */
const SLACK_MS = 3000;

/** Programs in the place of Cyrus': each is the same script, or one of its own. */
async function meet(script: string, own: Readonly<Record<string, string>> = {}, depth: Depth = 'deep') {
  for (const name of ['cyr_info', 'ctl_mboxlist', 'cyr_df', 'quota'])
    writeFileSync(join(folder, name), `#!/bin/sh\n${own[name] ?? script}\n`, { mode: 0o755 });
  const started = performance.now();
  const options = { programs: folder, config: join(folder, 'imapd.conf'), master: folder, 'full-quotas': 0 };
  const result = await runCheck(check as unknown as Check, options, { depth, timeoutMs: TIMEOUT_MS });
  assert.ok(performance.now() - started < TIMEOUT_MS + SLACK_MS, script);
  assert.not.match(result.detail, /[\p{Cc}\p{Cf}]/u, script);
  assert.ok(result.detail.length < 500, script);
  return result;
}
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;

test('programs that say nothing of use say nothing about Cyrus', async () => {
  const before = process.memoryUsage().rss;
  const hostile = [
    'sleep 600',
    'trap "" TERM; sleep 600',
    'exit 0',
    'exit 1',
    'kill -SEGV $$',
    'exec yes',
    'exec cat /dev/zero',
    'exec head -c 3000000 /dev/zero',
    'printf "\\033[2Jconfigdirectory: relative\\n"; exit 0',
    'printf "\\033[2Jgarbage\\n" >&2; exit 75',
    'exit 127',
  ];
  for (const script of hostile)
    for (const depth of ['quick', 'deep'] as const)
      assert.is(said(await meet(script, {}, depth)), 'unknown/-', `${script} ${depth}`);
  assert.ok(process.memoryUsage().rss - before < 80_000_000, 'memory');
});

test('settings that cannot be read are told in its own words', async () => {
  const bad = await meet('printf "fatal error: invalid \\033[2J option name on line 7\\n" >&2; exit 78');
  assert.is(said(bad), 'fail/misconfigured');
  assert.match(bad.detail, 'option name on line 7');
});

test('one program that fails where the others do not', async () => {
  const state = join(folder, 'state');
  writeFileSync(join(state, 'mailboxes.db'), 'x');
  const who = `cyrus_user: ${process.getuid?.() ?? 0}\ncyrus_group: ${process.getgid?.() ?? 0}`;
  const info = `case "$*" in *conf-all) printf '%s\\n' 'configdirectory: ${state}' '${who.replace('\n', "' '")}' 'partition-default: /';; esac`;
  const well = {
    cyr_info: info,
    ctl_mboxlist: `cat <<'X'\n${LIST}X`,
    cyr_df: 'echo "default 1 1 1 2% /"',
    quota: ':',
  };
  const good = await meet('', well);
  assert.is(said(good), process.getuid?.() === 0 ? 'pass/-' : 'unknown/-', good.detail);
  const table: readonly [Readonly<Record<string, string>>, string][] = [
    [{ ctl_mboxlist: 'sleep 600' }, 'fail/hung'],
    [{ ctl_mboxlist: 'printf "{\\n"; sleep 600' }, 'unknown/-'],
    [{ ctl_mboxlist: 'exec yes' }, 'unknown/-'],
    [{ ctl_mboxlist: 'kill -SEGV $$' }, 'degraded/misconfigured'],
    [{ ctl_mboxlist: 'echo "fatal error: can\'t read mailboxes file" >&2; exit 75' }, 'fail/misconfigured'],
    [{ ctl_mboxlist: 'echo "{"' }, 'unknown/-'],
    [{ cyr_df: 'echo' }, 'unknown/-'],
    [{ cyr_df: 'echo "default 1 1 1 99% /"', ctl_mboxlist: 'echo "{"' }, 'fail/no-space'],
    [{ quota: 'echo "1 100 1 STORAGE user.u"', cyr_df: 'echo' }, 'degraded/no-space'],
    [{ quota: 'exec yes' }, 'unknown/-'],
  ];
  if (process.getuid?.() !== 0) return;
  for (const [own, wanted] of table) {
    const result = await meet('', { ...well, ...own });
    assert.is(said(result), wanted, `${JSON.stringify(own)}: ${result.detail}`);
  }
});

test('programs that everybody may replace are not run', async () => {
  chmodSync(folder, 0o777);
  assert.is(said(await meet('exit 78')), 'unknown/-');
  chmodSync(folder, 0o755);
});

test.run();
