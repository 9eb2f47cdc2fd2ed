// A member of etcd under the daemon's care: it dies and comes back, and it outlives the daemon.
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MemberConfig } from '../../src/config/types.ts';
import { EtcdMember } from '../../src/daemon/groups/etcd-member.ts';
import { clock } from '../../src/ports/clock.ts';
import { files } from '../../src/ports/files.ts';
import { http } from '../../src/ports/http.ts';
import type { Ports } from '../../src/ports/ports.ts';
import { proc } from '../../src/ports/proc.ts';
import { authority } from '../support/certificates.ts';
import { freePorts, newFolder, until, writeCertificate } from '../support/server.ts';

const test = suite('daemon/etcd-member real');
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const ports = { clock, files, http, proc, log: quiet } as unknown as Ports;
const folder = newFolder('a-member');
const stateDir = join(folder, 'state');
const members: EtcdMember[] = [];

async function configOf(name: string, tls: MemberConfig['tls'] = null): Promise<MemberConfig> {
  const [client, peer] = await freePorts(2);
  const scheme = tls ? 'https' : 'http';
  const peerUrl = `${scheme}://127.0.0.1:${peer}`;
  return {
    name,
    dataDir: join(folder, `data-${name}`),
    clientUrls: [`${scheme}://127.0.0.1:${client}`],
    peerUrls: [peerUrl],
    initial: { [name]: [peerUrl] },
    token: 'test',
    heartbeatMs: 50,
    electionMs: 500,
    tls,
  };
}
interface Told {
  readonly member: EtcdMember;
  readonly words: { readonly bad: boolean; readonly detail: string }[];
}
function made(config: MemberConfig): Told {
  const words: Told['words'] = [];
  const onTrouble = (bad: boolean, detail: string): void => void words.push({ bad, detail });
  const member = new EtcdMember(config, { ports, stateDir, onTrouble });
  members.push(member);
  return { member, words };
}
const pidOf = (name: string): number =>
  Number((JSON.parse(files.readText(join(stateDir, `etcd-${name}.json`), 4096) ?? '{}') as { pid?: number }).pid ?? 0);
const PEM = { ca: authority };
async function well(config: MemberConfig, tls = {}): Promise<boolean> {
  const { signal } = new AbortController();
  const url = `${config.clientUrls[0]}/health`;
  const got = await http.request({ url, signal, tls, timeoutMs: 2000 }).catch(() => null);
  return got?.status === 200;
}

test.after(async () => {
  for (const member of members) await member.close({ stop: true });
  rmSync(folder, { recursive: true, force: true });
});

test('it is started, started again when it dies, and stopped', async () => {
  const config = await configOf('one');
  const { member, words } = made(config);
  await member.start();
  await until('health', () => well(config), 60_000);
  assert.is(statSync(config.dataDir).mode & 0o777, 0o700);
  const first = pidOf('one');
  process.kill(first, 'SIGKILL');
  await until('another process', () => pidOf('one') !== first, 30_000);
  await until('health', () => well(config), 60_000);
  await until('the end of the trouble', () => words.at(-1)?.bad === false, 30_000);
  assert.match(words[0]?.detail ?? '', /died/);
  const second = pidOf('one');
  await member.close({ stop: true });
  assert.is(proc.facts(second), null);
});

test('it outlives the daemon, and the next one takes it as it is', async () => {
  const config = await configOf('two');
  const first = made(config);
  await first.member.start();
  await until('health', () => well(config), 60_000);
  const pid = pidOf('two');
  await first.member.close({ stop: false });
  assert.ok(await well(config));
  const second = made(config);
  await second.member.start();
  assert.is(pidOf('two'), pid);
  process.kill(pid, 'SIGKILL');
  await until('another process', () => pidOf('two') !== pid, 30_000);
  await second.member.close({ stop: true });
});

test('it is known again without what was written down', async () => {
  const config = await configOf('five.x');
  const first = made(config);
  await first.member.start();
  await until('health', () => well(config), 60_000);
  const pid = pidOf('five.x');
  await first.member.close({ stop: false });
  writeFileSync(join(stateDir, 'etcd-five.x.json'), '{"pid":');
  const second = made(config);
  await second.member.start();
  await second.member.close({ stop: true });
  assert.is(proc.facts(pid), null);
  assert.equal(second.words, []);
});

test('certificates on both sides', async () => {
  const { cert, key } = writeCertificate(folder);
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, authority);
  const config = await configOf('three', { certificate: cert, key, authority: ca });
  const { member } = made(config);
  await member.start();
  const own = { ...PEM, cert: files.readText(cert, 65_536) ?? '', key: files.readText(key, 65_536) ?? '' };
  await until('health', () => well(config, own), 60_000);
  await member.close({ stop: true });
});

test('a folder that is a file is told, and ends with close', async () => {
  const config = { ...(await configOf('four')), dataDir: join(folder, 'file') };
  writeFileSync(config.dataDir, '');
  const { member, words } = made(config);
  await member.start();
  await until('trouble', () => words[0]?.bad === true);
  await member.close({ stop: true });
});

test.run();
