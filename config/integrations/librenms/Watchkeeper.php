<?php

// Made from the catalogue of events by "npm run generate". Not to be changed by hand.

namespace LibreNMS\Snmptrap\Handlers;

use App\Models\Device;
use LibreNMS\Enum\Severity;
use LibreNMS\Interfaces\SnmptrapHandler;
use LibreNMS\Snmptrap\Trap;

/** Every notification of WATCHKEEPER-MIB becomes a line of the event log, in the colour of its severity. */
class Watchkeeper implements SnmptrapHandler
{
    public function handle(Device $device, Trap $trap)
    {
        $of = fn (string $name): string => (string) $trap->getOidData($trap->findOid("WATCHKEEPER-MIB::$name"));
        $severity = $of('wkAlarmSeverityText');
        $level = match ($severity) {
            'critical' => Severity::Error,
            'major' => Severity::Error,
            'minor' => Severity::Warning,
            'warning' => Severity::Warning,
            'indeterminate' => Severity::Info,
            'cleared' => Severity::Ok,
            default => Severity::Notice,
        };
        $event = str_replace('WATCHKEEPER-MIB::', '', (string) $trap->getTrapOid());
        $text = trim("$severity: " . $of('wkSummary') . ' ' . $of('wkAction'));
        $trap->log("Watchkeeper $event [" . $of('wkAlarmKey') . "] $text", $level);
    }
}
