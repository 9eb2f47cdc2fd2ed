// PostgreSQL with streaming replication: the active node's server tells how far it wrote, this node's how far it
// replayed. Both are asked by psql(1), which every server has beside it. Nobody is promoted here: a step does that.
import {
  type ActionResult,
  defineReplication,
  opt,
  type ReplicationContext,
  type ReplicationFacts,
  z,
} from '../define.ts';
import { facts } from '../dialogues/copy-facts.ts';
import { plain } from '../dialogues/quote.ts';
import { bad } from '../host/launch.ts';
import { troubleLine } from '../host/text.ts';

const options = z.strictObject({
  servers: z
    .record(
      z.string().max(64),
      z.strictObject({ host: opt.text('Address, or folder of its socket'), port: opt.port('Port').default(5432) }),
    )
    .describe('The server of each node.'),
  user: opt.text('The role: it needs pg_monitor.'),
  password: opt.secret('Its password').optional(),
  database: opt.text('The database to log in to.').default('postgres'),
});
type Context = ReplicationContext<z.output<typeof options>>;

type Answer = { readonly row: readonly string[] } | { readonly trouble: string; readonly away: boolean };

/** The first row; expected trouble is a value, `away`: nobody answered. */
async function ask({ options: asked, ports, signal }: Context, node: string, sql: string): Promise<Answer> {
  const at = Object.hasOwn(asked.servers, node) ? asked.servers[node] : undefined;
  if (at === undefined) return { trouble: `the server of ${plain(node, 60)} is not configured`, away: false };
  const word = asked.password === undefined ? undefined : ports.secrets.read(asked.password);
  const env = {
    PGCONNECT_TIMEOUT: '10',
    ...(word === undefined ? {} : { PGPASSWORD: word }),
    PGAPPNAME: 'watchkeeper',
  };
  const place = [`--host=${at.host}`, `--port=${at.port}`, `--username=${asked.user}`, `--dbname=${asked.database}`];
  const words = ['psql', '-X', '-A', '-t', '-w', '-q', '-F', '|', ...place, '-c', sql];
  const got = await ports.exec.run(words, { timeoutMs: 20_000, signal, env, maxBytes: 10_000 });
  if (got.code === 0) return { row: (got.stdout.split('\n')[0] ?? '').split('|') };
  const late = got.timedOut || signal.aborted;
  const why = got.failed ?? (late ? 'over its time' : (got.signal ?? `exit code ${got.code ?? 'none'}`));
  const said = troubleLine(got.stderr);
  return { trouble: `psql to ${plain(node, 60)}: ${why}${said ? `: "${said}"` : ''}`, away: late || got.code === 2 };
}

const LSN = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/;
const END = 'CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END';

/** How far the primary wrote; a trouble: why that is not known. */
async function written(context: Context, node: string): Promise<string | { trouble: string; away: boolean }> {
  const got = await ask(context, node, `SELECT ${END}`);
  if ('trouble' in got) return got;
  const [lsn = ''] = got.row;
  return LSN.test(lsn) ? lsn : { trouble: `the server of ${plain(node, 60)} is no primary`, away: false };
}

async function look(context: Context): Promise<ReplicationFacts> {
  const { active, owner, node } = context;
  if (!active && owner === null) return facts('synchronizing', 'nobody is active: there is nothing to compare with');
  const end = await written(context, active ? node : (owner ?? node));
  if (typeof end !== 'string') return facts(end.away ? 'service-down' : 'failed', end.trouble);
  if (active) return facts('healthy', 'others copy from here; what they lack, they know', 0, 0);
  const got = await ask(
    context,
    node,
    `SELECT pg_is_in_recovery(), pg_wal_lsn_diff('${end}', pg_last_wal_replay_lsn()),
      (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::bigint,
      (SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'), pg_is_wal_replay_paused()`,
  );
  if ('trouble' in got) return facts(got.away ? 'service-down' : 'failed', got.trouble);
  const [recovery, bytes = '', ms = '', receiving, paused] = got.row;
  if (recovery !== 't') return facts('failed', 'this server is no standby: it has a history of its own');
  if (!/^-?\d+$/.test(bytes)) return facts('initializing', 'nothing has been replayed yet');
  const missing = Math.max(0, Number(bytes));
  const lagMs = missing === 0 ? 0 : /^\d+$/.test(ms) ? Number(ms) : null;
  if (paused === 't') return facts('suspended', `replay is paused, ${missing} bytes are missing`, missing, lagMs);
  if (receiving !== '1') return facts('failed', `nothing is received, ${missing} bytes are missing`, missing, lagMs);
  if (missing > 0) return facts('synchronizing', `${missing} bytes are missing`, missing, lagMs);
  return facts('healthy', 'all is replayed', 0, 0);
}

/** Until every other node has replayed what is written here now. */
async function arrive(context: Context, end: string): Promise<ActionResult> {
  const { nodes, node, signal, ports } = context;
  const others = nodes.filter((name) => name !== node);
  if (others.length === 0) return bad('no other node is known');
  for (const name of others) {
    for (;;) {
      const got = await ask(context, name, `SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= '${end}'`);
      if ('row' in got && got.row[0] === 't') break;
      if (signal.aborted) return bad(`${name}: ${'trouble' in got ? got.trouble : `it has not replayed ${end}`}`);
      await ports.clock.sleep(100, signal).catch(() => undefined);
    }
  }
  return { ok: true, detail: `${others.join(', ')} replayed ${end}` };
}

async function flush(context: Context): Promise<ActionResult> {
  if (!context.active) return bad('only the active node knows what must arrive');
  const end = await written(context, context.node);
  return typeof end === 'string' ? arrive(context, end) : bad(end.trouble);
}

async function prove(context: Context): Promise<ActionResult> {
  if (!context.active) return bad('only the active node is written to');
  const got = await ask(context, context.node, `SELECT pg_logical_emit_message(true, 'watchkeeper', 'probe')`);
  if ('trouble' in got) return bad(got.trouble);
  // The commit comes after the message.
  return flush(context);
}

export default defineReplication({
  about: 'A PostgreSQL that copies from the active node by streaming: how far it replayed, in bytes and time.',
  options,
  example: {
    servers: { n1: { host: '10.0.0.11' }, n2: { host: '10.0.0.12' } },
    user: 'watchkeeper',
    password: 'file:/etc/watchkeeper/postgresql',
  },
  look,
  prove,
  flush,
});
