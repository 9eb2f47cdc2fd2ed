// config/integrations/nagios and icinga: the checks as commands, and two passive services that the heartbeat feeds.
import { perceivedSeverity } from '../../src/core/severity.ts';
import type { Severity } from '../../src/core/types.ts';
import { heartbeat, MADE, objectOid, trapOid } from './events.ts';

/** Three heartbeats, and a little. */
const STALE_SECONDS = 16 * 60;
const MISSING = 'no heartbeat of Watchkeeper came in time';

const nagiosService = (name: string): string => `define service {
    use                   watchkeeper-passive
    hostgroup_name        watchkeeper-nodes
    service_description   ${name}
}
`;

export const nagiosObjects = (): string => `# ${MADE}

# One question, from this machine: check_watchkeeper!dovecot
define command {
    command_name          check_watchkeeper
    command_line          /usr/bin/watchkeeper check --kit $ARG1$ --host $HOSTADDRESS$ --timeout 10 -o nagios
}

define command {
    command_name          watchkeeper_missing
    command_line          /usr/lib/nagios/plugins/check_dummy 2 "${MISSING}"
}

define service {
    name                  watchkeeper-passive
    register              0
    check_command         watchkeeper_missing
    active_checks_enabled 0
    passive_checks_enabled 1
    check_freshness       1
    freshness_threshold   ${STALE_SECONDS}
    max_check_attempts    1
    check_interval        5
    retry_interval        1
    check_period          24x7
    notification_interval 60
    notification_period   24x7
    contact_groups        admins
}

# The hosts that run Watchkeeper are members of this group.
define hostgroup {
    hostgroup_name        watchkeeper-nodes
    alias                 Nodes with Watchkeeper
}

${nagiosService('Watchkeeper heartbeat')}
${nagiosService('Watchkeeper alarms')}`;

const icingaService = (name: string): string => `apply Service "${name}" {
  import "watchkeeper-passive"
  assign where host.vars.watchkeeper == true
}
`;

export const icingaObjects = (): string => `// ${MADE}

// One question, from this machine or by an agent: vars.watchkeeper_kit = "dovecot"
object CheckCommand "watchkeeper" {
  command = [ "/usr/bin/watchkeeper", "check", "-o", "nagios", "--timeout", "10" ]
  arguments = {
    "--kit" = { value = "$watchkeeper_kit$", required = true }
    "--host" = { value = "$watchkeeper_host$", description = "without it: the machine itself" }
    "--unit" = { value = "$watchkeeper_unit$" }
    "--set" = { value = "$watchkeeper_set$", repeat_key = true }
    "--deep" = { set_if = "$watchkeeper_deep$" }
  }
  vars.watchkeeper_host = "$address$"
  vars.watchkeeper_deep = false
}

// Runs only when no result came in time.
template Service "watchkeeper-passive" {
  check_command = "dummy"
  vars.dummy_state = 2
  vars.dummy_text = "${MISSING}"
  enable_active_checks = true
  enable_passive_checks = true
  check_interval = ${STALE_SECONDS}s
  max_check_attempts = 1
}

${icingaService('Watchkeeper heartbeat')}
${icingaService('Watchkeeper alarms')}
apply Service for (kit => settings in host.vars.watchkeeper_kits) {
  check_command = "watchkeeper"
  check_interval = 1m
  retry_interval = 20s
  vars.watchkeeper_kit = kit
  vars += settings
}
`;

/** 0 well, 1 warning, 2 critical. */
const STATES: Readonly<Record<Severity, number>> = {
  critical: 2,
  major: 2,
  minor: 1,
  warning: 1,
  indeterminate: 0,
  cleared: 0,
};

/** A traphandle of snmptrapd: what comes in is text of a network, and is never given to a shell. */
export const heartbeatResult = (): string => {
  const cases = (Object.keys(STATES) as Severity[]).map((severity) => {
    const number = perceivedSeverity[severity];
    return `  ${number} | ${severity} | *"(${number})") state=${STATES[severity]} ;;`;
  });
  const read = (name: Parameters<typeof objectOid>[0], into: string): string =>
    `    *${name}.0 | *.${objectOid(name)} | ${objectOid(name)}) ${into}=$value ;;`;
  return `#!/bin/sh
# ${MADE}
#
# Turns a heartbeat of Watchkeeper into two passive results for Nagios, Naemon or Icinga. In snmptrapd.conf:
#   traphandle ${trapOid(heartbeat)} /usr/local/lib/watchkeeper/heartbeat-result /var/lib/nagios4/rw/nagios.cmd
# The host in Nagios has the name of the node.
set -u
export LC_ALL=C
commands=\${1:?the command file of Nagios or Icinga}
node='' active='' highest=''
while read -r name value; do
  value=\${value#\\"} value=\${value%\\"}
  case $name in
${[read('wkNode', 'node'), read('wkActiveAlarms', 'active'), read('wkHighestSeverity', 'highest')].join('\n')}
  esac
done
case $node in '' | *[!A-Za-z0-9._-]*) exit 1 ;; esac
case $active in '' | *[!0-9]*) exit 1 ;; esac
state=3
case $highest in
${cases.join('\n')}
esac
now=$(date +%s)
# Open for reading too: then nobody waits for a Nagios that is down. One write for each: a pipe takes it whole.
[ -p "$commands" ] && exec 3<>"$commands" || exit 1
printf '[%s] PROCESS_SERVICE_CHECK_RESULT;%s;Watchkeeper heartbeat;0;alive\\n' "$now" "$node" >&3
printf '[%s] PROCESS_SERVICE_CHECK_RESULT;%s;Watchkeeper alarms;%s;%s active\\n' "$now" "$node" "$state" "$active" >&3
`;
};
