// PostgreSQL on Debian: version and cluster stand in the name of the unit, and all paths follow from them.
import type { Found, Machine, Reading, Value } from './types.ts';

export async function postgresql({ instance, held }: Found, _machine: Machine): Promise<Reading> {
  const [, version, cluster] = /^(\d{1,3})-([\w.-]{1,60})$/.exec(instance ?? '') ?? [];
  if (version === undefined || cluster === undefined)
    return { notes: ['its unit is none of Debian, so that folders and programs may be others than the kit says'] };
  const of = (value: Value['value']): Value => ({ value, from: 'the name of the unit' });
  const exe = `/usr/lib/postgresql/${version}/bin/postgres`;
  const file = `config_file=/etc/postgresql/${version}/${cluster}/postgresql.conf`;
  const port = held[0]?.port ?? null;
  const from = 'it listens there';
  return {
    set: {
      data: of(`/var/lib/postgresql/${version}/${cluster}`),
      exe: of(exe),
      validate: of(['/usr/sbin/runuser', '-u', 'postgres', '--', exe, '-C', 'port', '-c', file]),
      port: port === null ? null : { value: port, from },
      socket: port === null ? null : { value: `/run/postgresql/.s.PGSQL.${port}`, from },
    },
  };
}
