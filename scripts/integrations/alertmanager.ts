// config/integrations/alertmanager: routes for what the webhook sends in the format `alertmanager`.
import { stringify } from 'yaml';
import { alarms, heartbeat, isNotable, MADE, singles } from './events.ts';

const OURS = 'job="watchkeeper"';
const either = (names: readonly string[]): string => `alertname=~"${names.join('|')}"`;

export function alertmanagerRoutes(): string {
  const quiet = [heartbeat, ...singles.filter((kind) => !isNotable(kind))].map(({ event }) => event);
  const notable = singles.filter(isNotable).map(({ event }) => event);
  const severe = { matchers: [OURS, 'severity=~"critical|major"'], receiver: 'on-call', repeat_interval: '4h' };
  const routes = [
    { matchers: [OURS, either(quiet)], receiver: 'nobody' },
    // They fire for five minutes and end by themselves: telling the end would tell nothing.
    { matchers: [OURS, either(notable)], receiver: 'mail-without-ends' },
    severe,
    { matchers: [OURS, either(alarms.map(({ raise }) => raise.event))], receiver: 'mail' },
  ];
  const mail = { to: 'ops@example.org', from: 'alertmanager@example.org', smarthost: '192.0.2.25:25' };
  const whole = {
    route: {
      receiver: 'mail',
      routes: [
        { matchers: [OURS], group_by: ['instance', 'service', 'key'], group_wait: '10s', receiver: 'mail', routes },
      ],
    },
    inhibit_rules: [
      {
        // A service that is given up is still failing.
        source_matchers: [OURS, 'alertname="service-given-up"'],
        target_matchers: [OURS, either(['service-failing', 'service-degraded', 'service-blocked'])],
        equal: ['instance', 'service'],
      },
    ],
    receivers: [
      { name: 'nobody' },
      { name: 'mail', email_configs: [{ ...mail, send_resolved: true }] },
      { name: 'mail-without-ends', email_configs: [{ ...mail, send_resolved: false }] },
      { name: 'on-call', webhook_configs: [{ url: 'http://192.0.2.9/on-call', send_resolved: true }] },
    ],
  };
  return `# ${MADE}\n# An example: take its routes, inhibit_rules and receivers into your alertmanager.yml.\n${stringify(whole, { lineWidth: 0 })}`;
}
