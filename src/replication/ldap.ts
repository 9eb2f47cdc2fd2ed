// OpenLDAP with syncrepl: contextCSN of this node's server and of the active one's are compared. What is missing is as
// old as the change that is missing; how many changes wait, nobody can tell.
import { Attribute, Change } from 'ldapts';
import {
  type ActionResult,
  defineReplication,
  opt,
  type ReplicationContext,
  type ReplicationFacts,
  z,
} from '../define.ts';
import { facts } from '../dialogues/copy-facts.ts';
import { missing } from '../dialogues/ldap.ts';
import { codeOf, openDirectory, type OpenDirectory, saidBy } from '../dialogues/ldap-client.ts';
import { newToken } from '../dialogues/probe-mail.ts';
import { plain } from '../dialogues/quote.ts';
import { bad } from '../host/launch.ts';

const url = z
  .string()
  .max(300)
  .regex(/^ldaps?:\/\/[A-Za-z0-9_.:%[\]-]+\/?$/, 'expected a URL such as ldaps://ldap.example.org');
const options = z.strictObject({
  servers: z.record(z.string().max(64), url).describe('The server of each node.'),
  tls: z.enum(['off', 'required']).default('required').describe('StartTLS on ldap://. ldaps:// is TLS anyway.'),
  verify: opt.flag('Fail if the certificate is not trusted, or is for another name.').default(true),
  ca: opt.path('PEM file of authorities to trust instead of the well-known ones.').optional(),
  bind: opt.text('Bind as this entry (a DN).').optional(),
  password: opt.secret('Password of `bind`.').optional(),
  suffix: opt.text('The suffix that is replicated.'),
  probe: z
    .strictObject({ entry: opt.text('The entry'), attribute: opt.text('Its attribute').default('description') })
    .optional()
    .describe('What is written to on the active node, and must arrive at all others.'),
});
type Context = ReplicationContext<z.output<typeof options>>;

/** Opens the server of a node, works, says goodbye. Expected trouble is a value; `away`: nobody answered. */
async function withServer<T>(
  { options: asked, ports, signal }: Context,
  node: string,
  work: (on: OpenDirectory) => Promise<T>,
): Promise<{ readonly got: T } | { readonly trouble: string; readonly away: boolean }> {
  const server = Object.hasOwn(asked.servers, node) ? asked.servers[node] : undefined;
  if (server === undefined) return { trouble: `the server of ${plain(node, 60)} is not configured`, away: false };
  try {
    const on = await openDirectory(ports, signal, { ...asked, url: server });
    try {
      return { got: await work(on) };
    } finally {
      await on.close();
    }
  } catch (error) {
    const code = codeOf(error);
    const net = typeof (error as { code?: unknown }).code === 'string';
    return { trouble: `${plain(server, 100)}: ${code === null ? '' : `code ${code} `}${saidBy(error)}`, away: net };
  }
}

async function values(on: OpenDirectory, entry: string, attribute: string): Promise<readonly string[]> {
  const how = { scope: 'base' as const, attributes: [attribute], sizeLimit: 2 };
  const found = await on.call(() => on.client.search(entry, how));
  return [found.searchEntries[0]?.[attribute] ?? []].flat().slice(0, 1000).map(String);
}
const csns = (context: Context, node: string) =>
  withServer(context, node, (on) => values(on, context.options.suffix, 'contextCSN'));

async function look(context: Context): Promise<ReplicationFacts> {
  const { active, owner, node, ports, options: asked } = context;
  const mine = await csns(context, node);
  if ('trouble' in mine) return facts(mine.away ? 'service-down' : 'failed', mine.trouble);
  if (mine.got.length === 0) return facts('initializing', `${plain(asked.suffix, 80)} has no contextCSN here`);
  if (active) return facts('healthy', 'others copy from here; what they lack, they know', 0, 0);
  if (owner === null) return facts('synchronizing', 'nobody is active: there is nothing to compare with');
  const theirs = await csns(context, owner);
  // What it lacked when it was last seen is no word about now.
  if ('trouble' in theirs) return facts(theirs.away ? 'service-down' : 'failed', `its provider: ${theirs.trouble}`);
  if (theirs.got.length === 0) return facts('failed', 'its provider shows no contextCSN');
  const lacks = missing(theirs.got, mine.got);
  if (lacks === null) return facts('healthy', 'it has all changes of its provider', 0, 0);
  const lagMs = Math.max(1, ports.clock.wall() - lacks.wallMs);
  return facts('synchronizing', `a change is missing for ${Math.round(lagMs / 1000)} s`, null, lagMs);
}

const others = ({ nodes, node }: Context): readonly string[] => nodes.filter((name) => name !== node);

/** Looks at each other node until it is so, or the time is over. */
async function everywhere(context: Context, is: (node: string) => Promise<string | null>): Promise<ActionResult> {
  const { signal, ports } = context;
  if (others(context).length === 0) return bad('no other node is known');
  for (const name of others(context)) {
    for (let lacks = await is(name); lacks !== null; lacks = await is(name)) {
      if (signal.aborted) return bad(`${name}: ${lacks}`);
      await ports.clock.sleep(200, signal).catch(() => undefined);
    }
  }
  return { ok: true, detail: `it is at ${others(context).join(', ')}` };
}

async function prove(context: Context): Promise<ActionResult> {
  const { active, node, options: asked } = context;
  const { probe } = asked;
  if (!active) return bad('only the active node is written to');
  if (!probe) return bad('no probe entry is configured');
  const token = newToken();
  const modification = new Attribute({ type: probe.attribute, values: [token] });
  const change = new Change({ operation: 'replace', modification });
  const put = await withServer(context, node, (on) => on.call(() => on.client.modify(probe.entry, change)));
  if ('trouble' in put) return bad(put.trouble);
  return everywhere(context, async (name) => {
    const seen = await withServer(context, name, (on) => values(on, probe.entry, probe.attribute));
    if ('trouble' in seen) return seen.trouble;
    return seen.got.includes(token) ? null : 'what was written did not arrive in time';
  });
}

async function flush(context: Context): Promise<ActionResult> {
  if (!context.active) return bad('only the active node knows what must arrive');
  const mine = await csns(context, context.node);
  if ('trouble' in mine) return bad(mine.trouble);
  if (mine.got.length === 0) return bad('there is no contextCSN here');
  return everywhere(context, async (name) => {
    const theirs = await csns(context, name);
    if ('trouble' in theirs) return theirs.trouble;
    return missing(mine.got, theirs.got) === null ? null : 'it lacks changes';
  });
}

export default defineReplication({
  about: 'An OpenLDAP that copies from the active node by syncrepl: contextCSN of both are compared.',
  options,
  example: {
    servers: { n1: 'ldaps://ldap1.example.org', n2: 'ldaps://ldap2.example.org' },
    suffix: 'dc=example,dc=org',
  },
  look,
  prove,
  flush,
});
