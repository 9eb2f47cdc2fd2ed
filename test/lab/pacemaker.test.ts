// The OCF agent under Pacemaker itself: a cluster of one node with a web server and a store, which are real systemd
// units. What the cluster does is read from the cluster, what became of a service from its processes and its port.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ExecResult } from '../../src/ports/exec.ts';
import { eventually } from './command.ts';
import { Lab } from './lab.ts';
import { DOMAIN, PAGE, PASSWORD, USERS } from './mail-files.ts';
import { makeMailNode, masterOf, membersOf, UNITS } from './mail-node.ts';
import type { LabNode } from './node.ts';
import { signal } from './processes.ts';
import { repository } from './repository.ts';

const test = suite('Pacemaker');
const LIMIT_MS = 180_000;
let lab: Lab;
let node: LabNode;

const corosync = (address: string): string => `totem {
  version: 2
  cluster_name: lab
  transport: knet
  crypto_cipher: none
  crypto_hash: none
}
logging {
  to_syslog: yes
}
quorum {
  provider: corosync_votequorum
}
nodelist {
  node {
    ring0_addr: ${address}
    name: one
    nodeid: 1
  }
}
`;
/** As docs/integrations.md has it. */
const OPERATIONS = `op monitor interval=5s timeout=20s op monitor interval=15s timeout=30s OCF_CHECK_LEVEL=10
  op start timeout=60s interval=0 op stop timeout=60s interval=0`;
const words = (text: string): string[] => text.trim().split(/\s+/);
const primitive = (name: string, ...parameters: readonly string[]): Promise<string> =>
  crm('configure', 'primitive', name, 'ocf:watchkeeper:service', 'params', ...parameters, ...words(OPERATIONS));

const crm = (...argv: readonly string[]): Promise<string> => node.exec(['crm', '-F', ...argv], { timeoutMs: 60_000 });
const answers = async (): Promise<boolean> => {
  const argv = ['/usr/lib/nagios/plugins/check_http', '-I', '127.0.0.1', '-s', PAGE, '-t', '3'];
  return (await node.attempt(argv)).code === 0;
};
const logs = (port: number): Promise<ExecResult> =>
  node.attempt(['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${port} && timeout 3 head -c 4 <&3`]);

interface Failure {
  readonly code: number;
  readonly reason: string;
}
interface Shown {
  readonly role: string;
  /** Failed too often, or in a way that is final: it does not come back here by itself. */
  readonly banned: boolean;
  readonly blocked: boolean;
  /** By operation and interval in ms: `start_0`, `monitor_5000`. */
  readonly failures: ReadonlyMap<string, Failure>;
  /** Intervals of the monitors that answered since the last start, in ms. */
  readonly monitors: readonly string[];
}

const attribute = (tag: string, name: string): string => new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? '';

/** What the cluster itself tells of a resource. */
async function show(name: string): Promise<Shown> {
  const xml = await node.exec(['crm_mon', '-1', '-r', '-o', '-f', '--output-as=xml']);
  const resource = new RegExp(`<resource id="${name}"[^>]*>`).exec(xml)?.[0] ?? '';
  const history = new RegExp(`<resource_history id="${name}"[^>]*>([\\s\\S]*?)</resource_history>`).exec(xml);
  const done = (history?.[1]?.match(/<operation_history [^>]*>/g) ?? []).filter((tag) => attribute(tag, 'rc') === '0');
  const failed = (xml.match(/<failure [^>]*>/g) ?? []).flatMap((tag): [string, Failure][] => {
    const key = attribute(tag, 'op_key');
    if (!key.startsWith(`${name}_`)) return [];
    const failure = { code: Number(attribute(tag, 'exitcode')), reason: attribute(tag, 'exitreason') };
    return [[key.slice(name.length + 1), failure]];
  });
  return {
    role: attribute(resource, 'role'),
    banned: /fail-count="(INFINITY|1000000)"/.test(history?.[0] ?? ''),
    blocked: attribute(resource, 'blocked') === 'true',
    failures: new Map(failed),
    monitors: done.map((tag) => attribute(tag, 'interval')).filter(Boolean),
  };
}

/** Until the cluster shows that; what it did meanwhile belongs to a failure. */
async function shows(what: string, name: string, wanted: (shown: Shown) => boolean): Promise<Shown> {
  let last: Shown | null = null;
  const look = async (): Promise<Shown | null> => {
    last = await show(name);
    return wanted(last) ? last : null;
  };
  return eventually(what, look, LIMIT_MS, 500).catch(async (error: Error) => {
    const said = await node.attempt(['journalctl', '-u', 'pacemaker', '-o', 'cat', '-n', '40', '--no-pager']);
    throw new Error(
      `${error.message}\n${JSON.stringify(last)} ${JSON.stringify([...(last?.failures ?? [])])}\n${said.stdout}`,
    );
  });
}

/** At rest first: Pacemaker forgets what is under way when its history is taken away, and waits for it 80 s. */
async function forget(name: string): Promise<void> {
  await node.exec(['crm_resource', '--wait', '-T', '120'], { timeoutMs: 130_000 });
  await node.exec(['crm_resource', '--cleanup', '-r', name], { timeoutMs: 60_000 });
}

/** Runs, without a failure, and both of its monitors have answered. */
async function wellAgain(name: string): Promise<void> {
  await forget(name);
  await shows(`${name} is well`, name, ({ role, failures, monitors }) => {
    return role === 'Started' && failures.size === 0 && monitors.includes('5000ms') && monitors.includes('15000ms');
  });
}

/** How often the cluster has begun a start of it. */
async function starts(name: string): Promise<number> {
  const argv = ['journalctl', '-u', 'pacemaker', '-o', 'cat', '--no-pager'];
  return (await node.exec(argv)).split(`Initiating start operation ${name}_start_0`).length - 1;
}

/** Another main process than before, and it answers. */
async function recovered(unit: 'nginx' | 'dovecot', before: number): Promise<void> {
  await eventually(
    `${unit} again`,
    async () => {
      const now = masterOf(node, unit);
      if (!now || now.pid === before) return false;
      return unit === 'nginx' ? answers() : (await logs(143)).stdout === '* OK';
    },
    LIMIT_MS,
    250,
  );
}

function mainOf(unit: 'nginx' | 'dovecot'): number {
  const { pid } = masterOf(node, unit) ?? { pid: 0 };
  assert.ok(pid > 0, `${unit} runs`);
  return pid;
}

test('a cluster of one node takes the agent, and knows its parameters', async () => {
  lab = await Lab.up({ nodes: ['one'] });
  node = lab.node('one');
  await makeMailNode(node);
  // Nothing but the cluster starts them.
  for (const unit of [...UNITS, 'postfix'])
    node.remove(join('/etc/systemd/system/multi-user.target.wants', `${unit}.service`));
  node.put('/etc/watchkeeper/probe', `${PASSWORD}\n`, { mode: 0o600 });
  node.put('/etc/corosync/corosync.conf', corosync(node.address));
  await node.boot(60_000);
  const agent = join(repository, 'config/integrations/ocf/service');
  node.put('/usr/lib/ocf/resource.d/watchkeeper/service', readFileSync(agent), { mode: 0o755 });
  await node.exec(['systemctl', 'start', 'pacemaker'], { timeoutMs: 60_000 });
  const online = async (): Promise<boolean> =>
    (await node.attempt(['crm_mon', '-1'])).stdout.includes('Online: [ one ]');
  await eventually('the cluster', online, LIMIT_MS, 500);
  const metadata = await node.exec(['crm_resource', '--show-metadata', 'ocf:watchkeeper:service']);
  assert.match(metadata, '<parameter name="kit"');
  await crm('configure', 'property', 'stonith-enabled=false', 'no-quorum-policy=ignore');
});
test.after(() => lab?.close());

test('it starts them, and both depths of their monitors answer', async () => {
  assert.is(masterOf(node, 'nginx'), null, 'nobody else starts it');
  await primitive('web', 'kit=nginx', 'set=text=Webmail');
  await primitive('imap', 'kit=dovecot', `set=user=${USERS[0]}@${DOMAIN} password=file:/etc/watchkeeper/probe`);
  for (const name of ['web', 'imap']) await wellAgain(name);
  assert.ok(await answers());
  assert.equal([await starts('web'), await starts('imap')], [1, 1]);
});

test('the main process is killed: not running, and started again, though its children live on', async () => {
  for (const [name, unit] of [
    ['web', 'nginx'],
    ['imap', 'dovecot'],
  ] as const) {
    const before = mainOf(unit);
    process.kill(before, 'SIGKILL');
    await recovered(unit, before);
    const { failures } = await shows(
      'the failure',
      name,
      (shown) => shown.role === 'Started' && shown.failures.size > 0,
    );
    // 1 where it died between the two questions of one monitor.
    for (const { code, reason } of failures.values())
      assert.ok(code === 7 || /\(dead\)/.test(reason), `${code} ${reason}`);
    await wellAgain(name);
    assert.is(await starts(name), 2);
  }
});

test('killed while it starts: that start brings it up all the same', async () => {
  const before = mainOf('nginx');
  signal(membersOf(node, 'nginx'), 'SIGKILL');
  const second = await eventually('its start', () => membersOf(node, 'nginx')[0] ?? null, LIMIT_MS, 5);
  signal(membersOf(node, 'nginx'), 'SIGKILL');
  await recovered('nginx', second.pid);
  assert.is.not(before, second.pid);
  const shown = await shows('its monitors', 'web', (now) => now.role === 'Started' && now.monitors.length > 1);
  assert.not.ok(shown.failures.has('start_0'), shown.failures.get('start_0')?.reason);
  assert.not.ok(shown.banned);
  await wellAgain('web');
});

test('hung: the monitor says so, and the cluster has it stopped and started', async () => {
  for (const which of ['all', 'children'] as const) {
    const before = mainOf('nginx');
    const those = membersOf(node, 'nginx').filter((one) => which === 'all' || one.pid !== before);
    signal(those, 'SIGSTOP');
    await recovered('nginx', before);
    const told = await shows('the failure', 'web', (shown) => shown.role === 'Started' && shown.failures.size > 0);
    assert.equal([...new Set([...told.failures.values()].map((one) => one.code))], [1], which);
    for (const { reason } of told.failures.values()) assert.match(reason, /NGINX CRITICAL \(hung\)/);
    await wellAgain('web');
  }
});

test('a bad configuration: refused with its line, once, and well again when mended', async () => {
  const file = '/etc/nginx/nginx.conf';
  const good = node.read(file);
  const [before, begun] = [mainOf('nginx'), await starts('web')];
  node.put(file, `${good}\nnonsense;\n`);
  signal(membersOf(node, 'nginx'), 'SIGKILL');
  const { failures } = await shows('the refusal', 'web', (shown) => shown.banned && shown.role === 'Stopped');
  assert.is(failures.get('start_0')?.code, 2);
  assert.match(failures.get('start_0')?.reason ?? '', /nginx -q -t.*nonsense/);
  // Longer than its monitors' intervals: nothing is tried again.
  await new Promise((later) => setTimeout(later, 20_000));
  assert.is(await starts('web'), begun + 1);
  assert.equal(membersOf(node, 'nginx'), []);
  node.put(file, good);
  await wellAgain('web');
  await recovered('nginx', before);
});

test('what no restart cures is shown as degraded, and nothing is restarted', async () => {
  const [before, begun, page] = [mainOf('nginx'), await starts('web'), node.read('/srv/www/index.html')];
  node.put('/srv/www/index.html', 'It works!\n');
  const { failures } = await shows('the word', 'web', (shown) => shown.failures.size > 0);
  for (const failure of failures.values()) {
    assert.is(failure.code, 190);
    assert.match(failure.reason, /NGINX CRITICAL \(misconfigured\)/);
  }
  // Asked anew, also by a probe, it stays where it is.
  await forget('web');
  await shows('the word again', 'web', (shown) => shown.failures.size > 0 && shown.role === 'Started');
  node.put('/srv/www/index.html', page);
  await wellAgain('web');
  assert.equal([mainOf('nginx'), await starts('web')], [before, begun]);
});

test('wrong parameters are refused everywhere, and the stop that follows does not fail', async () => {
  await primitive('typo', 'kit=bind', 'set=prot=53');
  const shown = await shows('the refusal', 'typo', ({ failures, role }) => failures.size > 0 && role === 'Stopped');
  const told = [...shown.failures].map(([operation, { code }]) => `${operation} ${code}`);
  assert.equal(told, ['monitor_0 6'], 'a stop that fails powers a node off');
  assert.match([...shown.failures.values()][0]?.reason ?? '', 'unknown parameter');
  assert.not.ok(shown.blocked);
  assert.is(await starts('typo'), 0);
  await crm('configure', 'delete', 'typo');
});

test('stop stops, also what hangs, and start starts', async () => {
  const before = mainOf('nginx');
  signal(membersOf(node, 'nginx'), 'SIGSTOP');
  await crm('resource', 'stop', 'web');
  const stopped = await shows('the stop', 'web', (shown) => shown.role === 'Stopped');
  assert.not.ok(stopped.failures.has('stop_0'));
  assert.equal(membersOf(node, 'nginx'), []);
  await crm('resource', 'start', 'web');
  await recovered('nginx', before);
  await wellAgain('web');
});

test('the end of the cluster software is the end of its services', async () => {
  await node.exec(['systemctl', 'stop', 'pacemaker', 'corosync'], { timeoutMs: 120_000 });
  assert.equal([...membersOf(node, 'nginx'), ...membersOf(node, 'dovecot')], []);
});

test.run();
