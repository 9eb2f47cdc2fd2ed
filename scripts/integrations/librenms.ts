// config/integrations/librenms: a handler of traps, and the lines that lead each notification to it.
import { SEVERITIES } from '../../src/core/severity.ts';
import type { Severity } from '../../src/core/types.ts';
import { MADE, notifications } from './events.ts';

const LEVELS: Readonly<Record<Severity, string>> = {
  critical: 'Error',
  major: 'Error',
  minor: 'Warning',
  warning: 'Warning',
  indeterminate: 'Info',
  cleared: 'Ok',
};

export const librenmsHandler = (): string => `<?php

// ${MADE}

namespace LibreNMS\\Snmptrap\\Handlers;

use App\\Models\\Device;
use LibreNMS\\Enum\\Severity;
use LibreNMS\\Interfaces\\SnmptrapHandler;
use LibreNMS\\Snmptrap\\Trap;

/** Every notification of WATCHKEEPER-MIB becomes a line of the event log, in the colour of its severity. */
class Watchkeeper implements SnmptrapHandler
{
    public function handle(Device $device, Trap $trap)
    {
        $of = fn (string $name): string => (string) $trap->getOidData($trap->findOid("WATCHKEEPER-MIB::$name"));
        $severity = $of('wkAlarmSeverityText');
        $level = match ($severity) {
${SEVERITIES.map((severity) => `            '${severity}' => Severity::${LEVELS[severity]},`).join('\n')}
            default => Severity::Notice,
        };
        $event = str_replace('WATCHKEEPER-MIB::', '', (string) $trap->getTrapOid());
        $text = trim("$severity: " . $of('wkSummary') . ' ' . $of('wkAction'));
        $trap->log("Watchkeeper $event [" . $of('wkAlarmKey') . "] $text", $level);
    }
}
`;

export const librenmsConfig = (): string => `<?php

// ${MADE}
// These lines go into 'trap_handlers' of config/snmptraps.php.

return [
    'trap_handlers' => [
${notifications
  .map(({ name }) => `        'WATCHKEEPER-MIB::${name}' => \\LibreNMS\\Snmptrap\\Handlers\\Watchkeeper::class,`)
  .join('\n')}
    ],
];
`;
