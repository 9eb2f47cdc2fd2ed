// The daemon under test, in a node: installed as an administrator does it, asked over its own command line.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecResult } from '../../src/ports/exec.ts';
import { eventually } from './command.ts';
import type { LabNode } from './node.ts';
import { repository } from './repository.ts';

/** Writes configuration and unit, starts the daemon, and waits until it answers. */
export async function startWatchkeeper(node: LabNode, yaml: string): Promise<void> {
  const unit = readFileSync(join(repository, 'config/systemd/watchkeeper.service'), 'utf8');
  node.put('/etc/systemd/system/watchkeeper.service', unit, { mode: 0o644 });
  node.put('/etc/watchkeeper/watchkeeper.yaml', yaml, { mode: 0o600 });
  await node.exec(['systemctl', 'daemon-reload']);
  const started = await node.attempt(['systemctl', 'start', 'watchkeeper'], { timeoutMs: 30_000 });
  if (started.code !== 0) {
    const { stdout } = await node.attempt(['journalctl', '-u', 'watchkeeper', '-n', '20', '-o', 'cat', '--no-pager']);
    throw new Error(`watchkeeper on ${node.name} does not start: ${stdout.slice(-1500)}`);
  }
  await eventually('the daemon', async () => (await ask(node, ['status'])).code !== 69, 15_000, 200);
}

export function ask(node: LabNode, words: readonly string[], timeoutMs = 10_000): Promise<ExecResult> {
  return node.attempt(['watchkeeper', ...words], { timeoutMs });
}

/** A command's JSON; throws with its own words when it gave none. */
export async function askJson<T>(node: LabNode, words: readonly string[]): Promise<T> {
  const got = await ask(node, [...words, '-o', 'json']);
  try {
    return JSON.parse(got.stdout) as T;
  } catch {
    throw new Error(`watchkeeper ${words.join(' ')}: exit ${got.code}: ${(got.stderr || got.stdout).slice(-500)}`);
  }
}
