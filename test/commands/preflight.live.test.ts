// `preflight` as it is called: on this machine with its real doors, and with fakes that note what would be mended.
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { preflight, type PreflightDoors, type PreflightOptions } from '../../src/commands/preflight.ts';
import { exec } from '../../src/ports/exec.ts';
import { files } from '../../src/ports/files.ts';
import { net } from '../../src/ports/net.ts';
import { criteria } from '../../src/preflight/all.ts';

const test = suite('commands/preflight');

let dir = '';
test.before.each(() => {
  dir = mkdtempSync(join(tmpdir(), 'wk-preflight-'));
  const config = {
    ...{ node: 'n1', 'state-dir': join(dir, 'state'), 'run-dir': dir },
    services: { one: { checks: [{ type: 'command', run: ['/usr/bin/true'] }] } },
  };
  writeFileSync(join(dir, 'watchkeeper.yaml'), JSON.stringify(config), { mode: 0o640 });
});
test.after.each(() => rmSync(dir, { recursive: true }));

interface Mended {
  readonly ran: string[];
  readonly appended: string[];
}

/** Looks are real, but for what would change this machine: that is noted. */
function doors(mended: Mended): PreflightDoors {
  const changes =
    /^(systemctl (enable|disable)|timedatectl set|sysctl -w|postconf -e|systemd-machine|sed |modprobe|newaliases|journalctl|nft insert|ip link)/;
  return {
    ...{ files, net },
    exec: {
      run: async (argv, options) => {
        const text = argv.join(' ');
        if (!changes.test(text)) return exec.run(argv, options);
        mended.ran.push(text);
        const rest = { signal: null, stdout: '', stderr: '', timedOut: false, failed: null, truncated: false, ms: 0 };
        return { code: 0, ...rest };
      },
    },
    append: (path, line) => void mended.appended.push(`${path}: ${line}`),
    write: (path, text) => void mended.appended.push(`${path}: ${text}`),
  };
}

async function run(patch: Partial<PreflightOptions>, ask: (() => Promise<boolean>) | null = null) {
  const seen = { out: '', err: '', mended: { ran: [], appended: [] } as Mended };
  const io = {
    out: (text: string): void => void (seen.out += text),
    err: (text: string): void => void (seen.err += text),
    ...{ env: {}, isTty: false, width: 120 },
  };
  const options: PreflightOptions = {
    ...{ group: null, config: join(dir, 'watchkeeper.yaml'), output: 'json', socket: join(dir, 'none.sock') },
    ...patch,
  };
  const code = await preflight(options, io, ask, doors(seen.mended));
  return { code, ...seen };
}

test('--list -o json names all of them', async () => {
  const { code, out } = await run({ list: true });
  assert.is(code, 0);
  assert.equal(
    JSON.parse(out).criteria,
    criteria.map(({ id, about, fixable }) => ({ id, about, fixable })),
  );
});

test('on this machine each is judged, and no criterion breaks', async () => {
  const { code, out } = await run({});
  const judged = JSON.parse(out).criteria as { id: string; outcome: string; skipped: string | null }[];
  assert.is(judged.length, criteria.length);
  assert.equal(
    judged.filter(({ skipped }) => skipped?.startsWith('it broke')),
    [],
  );
  // Its state folder is not there.
  assert.is(judged.find(({ id }) => id === 'folders.state')?.outcome, 'error');
  assert.is(code, 2);
});

test('--fix --dry-run prints and does nothing; --fix --yes does it and looks again', async () => {
  const dry = await run({ fix: true, dryRun: true, output: 'table' });
  assert.match(dry.err, /folders\.state: .*\n {2}mkdir -p -m 750 /);
  assert.match(dry.err, /nothing was changed \(--dry-run\)/);
  assert.equal([dry.mended.ran, existsSync(join(dir, 'state'))], [[], false]);
  const done = await run({ fix: true, yes: true });
  assert.is(statSync(join(dir, 'state')).mode & 0o777, 0o750);
  const judged = JSON.parse(done.out).criteria as { id: string; outcome: string }[];
  assert.is(judged.find(({ id }) => id === 'folders.state')?.outcome, 'ok');
});

test('what a person does not want is not done; without a terminal nothing is mended that was not meant', async () => {
  chmodSync(join(dir, 'watchkeeper.yaml'), 0o640);
  const asked = await run({ fix: true }, async () => false);
  assert.equal([asked.mended.ran, asked.mended.appended, existsSync(join(dir, 'state'))], [[], [], false]);
  await run({ fix: true }).then(
    () => assert.unreachable(),
    (error: { exit: number }) => assert.is(error.exit, 64),
  );
});

test('a bad configuration, and a group that is not there, are said to be', async () => {
  await run({ group: 'mail' }).then(
    () => assert.unreachable(),
    (error: { exit: number }) => assert.is(error.exit, 64),
  );
  writeFileSync(join(dir, 'watchkeeper.yaml'), 'services: 7\n');
  assert.is((await run({})).code, 78);
});

test.run();
