// Files for tools of a NOC, before the tools themselves: snmptt behind a real snmptrapd, Nagios, Icinga, amtool, PHP.
// OpenNMS, Zabbix and LibreNMS are not packaged: theirs are held to what is documented.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import snmp from '../../src/alerts/snmp.ts';
import { notificationKinds } from '../../src/core/snmp.ts';
import { stores } from '../../src/ports/store.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { makeAlert } from '../support/alert.ts';
import { channelOf } from '../support/channel.ts';
import { checkPorts } from '../support/check.ts';
import { endTree, newFolder, readLog, spawnTo, until } from '../support/server.ts';
import { trapReceiver } from '../support/snmptrapd.ts';

const test = suite('files for a NOC, real');
const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const file = (path: string): string => join(root, 'config/integrations', path);
/** A community of its own: that of the helper may only log. */
const EXECUTES = 'lab-noc-handlers';
const folder = newFolder('noc');
const at = (name: string): string => join(folder, name);
test.after(() => rmSync(folder, { recursive: true, force: true }));

function tool(argv: readonly string[], input = ''): { readonly code: number | null; readonly text: string } {
  const ran = spawnSync(argv[0] ?? '', argv.slice(1), { timeout: 60_000, input });
  assert.is(ran.error, undefined, argv.join(' '));
  return { code: ran.status, text: `${ran.stdout.toString()}${ran.stderr.toString()}` };
}
const passes = (argv: readonly string[], input = ''): string => {
  const { code, text } = tool(argv, input);
  assert.is(code, 0, `${argv.join(' ')}: ${text}`);
  return text;
};

/** Its own file, with everything that would leave the folder turned off. */
function snmpttIni(): string {
  const log = at('snmptt.log');
  const own: Readonly<Record<string, string>> = {
    ...{ log_file: log, log_system_file: log, unknown_trap_log_file: at('unknown.log'), unknown_trap_log_enable: '1' },
    ...{ syslog_enable: '0', syslog_system_enable: '0', daemon_uid: '', spool_directory: folder, ipv6_enable: '0' },
  };
  const text = readFileSync('/etc/snmp/snmptt.ini', 'utf8')
    .replaceAll(/^(\w+) = .*$/gm, (line, name: string) => (name in own ? `${name} = ${own[name]}` : line))
    .replace(
      /^snmptt_conf_files = <<END\n[\s\S]*?^END$/m,
      `snmptt_conf_files = <<END\n${file('snmptt/watchkeeper.conf')}\nEND`,
    );
  writeFileSync(at('snmptt.ini'), text);
  return at('snmptt.ini');
}

test('snmptt says in words what a real snmptrapd took; the heartbeat becomes results for Nagios', async () => {
  passes(['/usr/bin/mkfifo', at('commands')]);
  const reader = at('read');
  const pipe = spawnSync('/bin/sh', ['-c', `cat <>${at('commands')} >${reader} & echo $!`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const heartbeatArc = notificationKinds().find(({ name }) => name === 'wkHeartbeat')?.arc;
  const noc = await trapReceiver([
    `authCommunity log,execute ${EXECUTES}`,
    '[snmp] printNumericOids yes',
    `traphandle 1.3.6.1.4.1.8072.9999.9999.7439.0.${heartbeatArc} /bin/sh ${file('nagios/heartbeat-result')} ${at('commands')}`,
    `traphandle default /usr/sbin/snmptt --ini=${snmpttIni()}`,
  ]);
  const ports = checkPorts({ secrets: secretsFrom({ SNMP_COMMUNITY: EXECUTES }), stores });
  const options = { to: [`127.0.0.1:${noc.port}`], version: '2c', community: 'env:SNMP_COMMUNITY' };
  const channel = channelOf(snmp, options, ports, {
    ...{ stateDir: folder, node: 'n1', channel: 'noc' },
    background: () => ({ story: [], children: [], failing: [], active: { count: 3, highest: 'major' } }),
  });
  try {
    assert.is(await channel.send(makeAlert({ summary: 'said "220" $(id) `id`' }, 1)), 'sent');
    assert.is(await channel.send(makeAlert({ kind: 'clear', severity: 'cleared' }, 2)), 'sent');
    assert.is(await channel.send(makeAlert({ kind: 'once', event: 'heartbeat', key: 'heartbeat' }, 3)), 'sent');
    const said = readLog(at('snmptt.log'));
    await until(
      'snmptt',
      () =>
        said()
          .split('\n')
          .filter((line) => line.includes('"Watchkeeper"')).length >= 2,
      60_000,
    ).catch((error: unknown) =>
      assert.unreachable(`${(error as Error).message}\n${said()}\n${noc.log().slice(0, 500)}`),
    );
    assert.match(said(), /wkServiceFailing MAJOR|\.0\.1 MAJOR "Watchkeeper"/);
    assert.match(said(), /MAJOR "Watchkeeper" .* - n1 major n1\/mta\/service-failing: said .*220.* a restart is tried/);
    assert.match(said(), /NORMAL "Watchkeeper" .* - n1 cleared n1\/mta\/service-failing: /);
    assert.not.match(said(), /uid=/);
    assert.is(readLog(at('unknown.log'))(), '');
    await until('the results', () => readLog(reader)().includes('alarms'), 60_000);
    assert.match(
      readLog(reader)(),
      /^\[\d+\] PROCESS_SERVICE_CHECK_RESULT;n1;Watchkeeper heartbeat;0;alive\n\[\d+\] PROCESS_SERVICE_CHECK_RESULT;n1;Watchkeeper alarms;2;3 active\n$/,
    );
  } finally {
    await channel.close();
    await noc.remove();
    process.kill(Number(pipe.stdout.toString().trim()), 'SIGKILL');
  }
});

test('the heartbeat handler: names and numbers, no Nagios there, and hostile text', () => {
  const handler = ['/bin/sh', file('nagios/heartbeat-result')];
  const lines = (node: string, highest: string): string =>
    [
      'host',
      'UDP: [192.0.2.1]:1->[192.0.2.2]:162',
      `WATCHKEEPER-MIB::wkNode.0 "${node}"`,
      'WATCHKEEPER-MIB::wkActiveAlarms.0 1',
      `WATCHKEEPER-MIB::wkHighestSeverity.0 ${highest}`,
      '',
    ].join('\n');
  assert.is(tool([...handler, at('nobody')], lines('n1', 'warning')).code, 1, 'no pipe');
  passes(['/usr/bin/mkfifo', at('lonely')]);
  // Nobody reads the pipe: it must not wait.
  passes([...handler, at('lonely')], lines('n1', 'warning'));
  for (const node of ['n1;x', 'n1 x', '$(id)', ''])
    assert.is(tool([...handler, at('lonely')], lines(node, '4')).code, 1, node);
});

const NAGIOS_BASE = `
define timeperiod {
  timeperiod_name 24x7
  alias always
  sunday 00:00-24:00
  monday 00:00-24:00
  tuesday 00:00-24:00
  wednesday 00:00-24:00
  thursday 00:00-24:00
  friday 00:00-24:00
  saturday 00:00-24:00
}
define command {
  command_name nothing
  command_line /bin/true
}
define contact {
  contact_name root
  host_notification_period 24x7
  service_notification_period 24x7
  host_notification_commands nothing
  service_notification_commands nothing
}
define contactgroup {
  contactgroup_name admins
  alias admins
  members root
}
define host {
  host_name mail1
  address 192.0.2.1
  hostgroups watchkeeper-nodes
  check_command nothing
  max_check_attempts 1
  check_period 24x7
  notification_period 24x7
  contact_groups admins
}
define service {
  use watchkeeper-passive
  host_name mail1
  service_description imap
  active_checks_enabled 1
  check_freshness 0
  check_command check_watchkeeper!dovecot
}
`;

const NAGIOS_FILES = ['object_cache_file', 'status_file', 'command_file', 'lock_file', 'temp_file', 'log_file'];

/** A Nagios of one's own, with the objects of this file. */
function nagiosConfig(objects: string): string {
  writeFileSync(at('base.cfg'), NAGIOS_BASE);
  const lines = [
    ...[...NAGIOS_FILES, 'query_socket', 'state_retention_file'].map((name) => `${name}=${at(`nagios-${name}`)}`),
    ...['nagios_user=root', 'nagios_group=root', `check_result_path=${folder}`, `temp_path=${folder}`],
    ...['illegal_macro_output_chars=`~$&|\'"<>', 'check_external_commands=1', 'accept_passive_service_checks=1'],
    ...['execute_service_checks=1', 'check_service_freshness=1', 'service_freshness_check_interval=1'],
    ...['additional_freshness_latency=0', 'status_update_interval=1', 'enable_notifications=0'],
    ...[`cfg_file=${at('base.cfg')}`, `cfg_file=${objects}`],
  ];
  writeFileSync(at('nagios.cfg'), `${lines.join('\n')}\n`);
  return at('nagios.cfg');
}

test('Nagios, running: a heartbeat is two results, and one that stays away is critical', async () => {
  const text = readFileSync(file('nagios/watchkeeper.cfg'), 'utf8');
  writeFileSync(at('quick.cfg'), text.replace(/freshness_threshold +\d+/, 'freshness_threshold 5'));
  const pid = spawnTo(['/usr/sbin/nagios4', nagiosConfig(at('quick.cfg'))], at('nagios.out'));
  const status = (service: string): string => {
    const [, block = ''] = readLog(at('nagios-status_file'))().split(`service_description=${service}\n`);
    return `${/current_state=(\d)/.exec(block)?.[1]} ${/\tplugin_output=(.*)/.exec(block)?.[1]}`;
  };
  const heartbeat = [
    ...['h', 'UDP: x', 'WATCHKEEPER-MIB::wkNode.0 "mail1"', 'WATCHKEEPER-MIB::wkActiveAlarms.0 2'],
    ...['WATCHKEEPER-MIB::wkHighestSeverity.0 minor', ''],
  ].join('\n');
  const seen = new Set<string>();
  try {
    await until('its pipe', () => existsSync(at('nagios-command_file')), 30_000);
    passes(['/bin/sh', file('nagios/heartbeat-result'), at('nagios-command_file')], heartbeat);
    const both = (): string => `${status('Watchkeeper heartbeat')}, ${status('Watchkeeper alarms')}`;
    await until('the results', () => seen.add(both()).has('0 alive, 1 2 active'), 30_000);
    const missed = 'CRITICAL: no heartbeat of Watchkeeper came in time';
    await until('that it is missed', () => seen.add(both()).has(`2 ${missed}, 2 ${missed}`), 60_000);
  } catch (error) {
    assert.unreachable(
      `${(error as Error).message}: ${[...seen].join(' | ')} ${readLog(at('nagios.out'))().slice(-500)}`,
    );
  } finally {
    await endTree(pid);
  }
});

test('Nagios takes the objects', () => {
  nagiosConfig(file('nagios/watchkeeper.cfg'));
  const text = passes(['/usr/sbin/nagios4', '-v', at('nagios.cfg')]);
  assert.match(text, /Checked 3 services\.[\s\S]*Total Warnings: 0\nTotal Errors: +0/);
  assert.ok(existsSync('/usr/lib/nagios/plugins/check_dummy'));
});

test('Icinga takes the objects', () => {
  writeFileSync(
    at('icinga.conf'),
    `include <itl>
const ZoneName = NodeName
object Endpoint NodeName {}
object Zone ZoneName { endpoints = [ NodeName ] }
include "${file('icinga/watchkeeper.conf')}"
object Host "mail1" {
  check_command = "dummy"
  address = "192.0.2.1"
  vars.watchkeeper = true
  vars.watchkeeper_kits["dovecot"] = { watchkeeper_deep = true }
}
`,
  );
  const folders = ['DataDir', 'CacheDir', 'LogDir', 'InitRunDir', 'SpoolDir'].flatMap((name) => {
    mkdirSync(at(name));
    return ['-D', `Configuration.${name}=${at(name)}`];
  });
  const user = ['-D', 'Configuration.RunAsUser=root', '-D', 'Configuration.RunAsGroup=root'];
  const text = passes(['/usr/sbin/icinga2', 'daemon', '-C', '-c', at('icinga.conf'), ...folders, ...user]);
  assert.match(text, /Instantiated 3 Services/);
  assert.not.match(text, /warning\/|critical\//);
});

test('amtool takes the routes, and leads each event where it should go', () => {
  const config = file('alertmanager/watchkeeper.yml');
  assert.match(passes(['/usr/bin/amtool', 'check-config', config]), /SUCCESS/);
  const route = (alertname: string, severity: string): string =>
    passes([
      ...['/usr/bin/amtool', 'config', 'routes', 'test', `--config.file=${config}`, 'job=watchkeeper'],
      ...[`alertname=${alertname}`, `severity=${severity}`],
    ])
      .split('\n')
      .find((line) => !line.startsWith('Warning')) ?? '';
  assert.is(route('service-failing', 'major'), 'on-call');
  assert.is(route('service-degraded', 'warning'), 'mail');
  assert.is(route('recovery-failed', 'major'), 'mail-without-ends');
  assert.is(route('heartbeat', 'indeterminate'), 'nobody');
});

const PHP_STUBS = `<?php
namespace App\\Models { class Device {} }
namespace LibreNMS\\Enum { enum Severity { case Ok; case Info; case Notice; case Warning; case Error; } }
namespace LibreNMS\\Interfaces { interface SnmptrapHandler { public function handle(\\App\\Models\\Device $device, \\LibreNMS\\Snmptrap\\Trap $trap); } }
namespace LibreNMS\\Snmptrap {
  class Trap {
    private array $data = ['SNMPv2-MIB::snmpTrapOID.0' => 'WATCHKEEPER-MIB::wkServiceFailing', 'WATCHKEEPER-MIB::wkAlarmKey.0' => 'n1/x',
      'WATCHKEEPER-MIB::wkAlarmSeverityText.0' => 'major', 'WATCHKEEPER-MIB::wkSummary.0' => 'no banner'];
    public function findOid($search) { foreach (array_keys($this->data) as $oid) if (str_contains($oid, $search)) return $oid; return null; }
    public function getOidData($oid) { return $this->data[$oid] ?? null; }
    public function getTrapOid() { return $this->getOidData('SNMPv2-MIB::snmpTrapOID.0'); }
    public function log($text, $severity) { echo "$severity->name $text"; }
  }
}
namespace {
  require $argv[1];
  (new LibreNMS\\Snmptrap\\Handlers\\Watchkeeper())->handle(new App\\Models\\Device(), new LibreNMS\\Snmptrap\\Trap());
  foreach (require $argv[2] as $map) foreach ($map as $class) if ($class !== 'LibreNMS\\Snmptrap\\Handlers\\Watchkeeper') exit(1);
}
`;

test('PHP runs the handler of LibreNMS, on what LibreNMS documents of a trap', () => {
  writeFileSync(at('stubs.php'), PHP_STUBS);
  const words = ['/usr/bin/php', at('stubs.php'), file('librenms/Watchkeeper.php'), file('librenms/snmptraps.php')];
  assert.is(passes(words), 'Error Watchkeeper wkServiceFailing [n1/x] major: no banner');
});

/** What its own schema allows of what we use, in our words. */
const OPENNMS = `
<element name="events" ns="http://xmlns.opennms.org/xsd/eventconf" xmlns="http://relaxng.org/ns/structure/1.0"
    datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <oneOrMore><element name="event">
    <element name="mask"><oneOrMore><element name="maskelement">
      <element name="mename"><choice><value>id</value><value>generic</value><value>specific</value></choice></element>
      <element name="mevalue"><text/></element>
    </element></oneOrMore></element>
    <element name="uei"><data type="anyURI"/></element>
    <element name="event-label"><text/></element>
    <element name="descr"><text/></element>
    <element name="logmsg"><attribute name="dest"><choice><value>logndisplay</value><value>logonly</value></choice></attribute><text/></element>
    <element name="severity"><choice><value>Critical</value><value>Major</value><value>Minor</value><value>Warning</value><value>Normal</value></choice></element>
    <element name="operinstruct"><text/></element>
    <oneOrMore><element name="varbindsdecode">
      <element name="parmid"><data type="string"><param name="pattern">parm\\[#[0-9]+\\]</param></data></element>
      <oneOrMore><element name="decode"><attribute name="varbindvalue"/><attribute name="varbinddecodedstring"/></element></oneOrMore>
    </element></oneOrMore>
    <optional><element name="alarm-data">
      <attribute name="reduction-key"/>
      <attribute name="alarm-type"><choice><value>1</value><value>2</value><value>3</value></choice></attribute>
      <optional><attribute name="clear-key"/></optional>
      <attribute name="auto-clean"><data type="boolean"/></attribute>
    </element></optional>
  </element></oneOrMore>
</element>
`;

test('xmllint finds in the events of OpenNMS what its schema allows', () => {
  writeFileSync(at('events.rng'), OPENNMS);
  passes(['/usr/bin/xmllint', '--noout', '--relaxng', at('events.rng'), file('opennms/watchkeeper.events.xml')]);
});

test.run();
