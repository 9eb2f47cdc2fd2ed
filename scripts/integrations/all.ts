// The files for tools of a NOC, each with what makes it.
import { alertmanagerRoutes } from './alertmanager.ts';
import { librenmsConfig, librenmsHandler } from './librenms.ts';
import { heartbeatResult, icingaObjects, nagiosObjects } from './nagios.ts';
import { opennmsEvents } from './opennms.ts';
import { snmpttConf } from './snmptt.ts';
import { zabbixTemplate } from './zabbix.ts';

const made: Readonly<Record<string, () => string>> = {
  'opennms/watchkeeper.events.xml': opennmsEvents,
  'snmptt/watchkeeper.conf': snmpttConf,
  'zabbix/watchkeeper.yaml': zabbixTemplate,
  'librenms/Watchkeeper.php': librenmsHandler,
  'librenms/snmptraps.php': librenmsConfig,
  'nagios/watchkeeper.cfg': nagiosObjects,
  'nagios/heartbeat-result': heartbeatResult,
  'icinga/watchkeeper.conf': icingaObjects,
  'alertmanager/watchkeeper.yml': alertmanagerRoutes,
};

export const nocFiles = Object.entries(made).map(([path, make]) => ({
  path: `config/integrations/${path}`,
  make: async () => make(),
}));
