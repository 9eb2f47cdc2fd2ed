// Who may import whom. One row a folder of src; what no row allows is forbidden.
import { posix } from 'node:path';
import { type Import, importsOf, type SourceFile } from './source.ts';

interface Layer {
  /** Folders and files of src that may be imported, as values or types. */
  readonly may: readonly string[];
  /** Folders and files of src of which only types may be imported. */
  readonly types?: readonly string[];
  readonly node?: boolean | readonly string[];
  readonly npm?: boolean;
}

const PLUGIN: Layer = { may: ['define.ts', 'core/', 'dialogues/', 'host/', 'ports/'], npm: true };
/** Plugins and what they share reach the outside through `context.ports` only: of ports/ they may take types, errors
 *  and pure functions, never a door. */
const THROUGH_PORTS = [
  'checks',
  'recovery',
  'alerts',
  'switchover',
  'replication',
  'cluster',
  'dialogues',
  'host',
  'discover',
];

export const LAYERS: Readonly<Record<string, Layer>> = {
  core: { may: ['core/'] },
  'define.ts': { may: ['core/', 'define-cluster.ts'], types: ['ports/'], npm: true },
  'define-cluster.ts': { may: ['core/'], types: ['define.ts', 'ports/'] },
  'registry.ts': { may: ['define.ts'], node: true },
  contract: {
    may: ['contract/', 'core/', 'define.ts', 'registry.ts', 'daemon/run-check.ts', 'ports/clock.ts'],
    types: ['ports/'],
    node: true,
  },
  checks: PLUGIN,
  recovery: PLUGIN,
  alerts: PLUGIN,
  switchover: PLUGIN,
  cluster: PLUGIN,
  replication: PLUGIN,
  dialogues: { may: ['define.ts', 'core/', 'ports/', 'dialogues/'], npm: true },
  host: { may: ['define.ts', 'core/', 'ports/', 'host/'], node: ['node:url'] },
  ports: { may: ['core/', 'ports/'], types: ['define.ts'], node: true, npm: true },
  config: {
    may: ['config/', 'contract/', 'core/', 'define.ts', 'registry.ts', 'ports/files.ts'],
    node: true,
    npm: true,
  },
  // It looks at the products of a machine, and changes nothing.
  discover: {
    may: ['discover/', 'core/', 'config/'],
    types: ['ports/'],
    node: ['node:crypto', 'node:tls'],
  },
  daemon: {
    may: ['daemon/', 'core/', 'config/', 'ports/', 'registry.ts', 'define.ts', 'dialogues/agentx.ts'],
    node: true,
    npm: true,
  },
  // It asks this machine through what it is lent, and changes nothing: fixes are data.
  preflight: { may: ['preflight/', 'core/'], types: ['config/'] },
  api: { may: ['api/', 'core/', 'config/', 'daemon/', 'define.ts'], types: ['ports/'], node: true, npm: true },
  commands: {
    may: [
      ...['commands/', 'contract/', 'core/', 'config/', 'daemon/', 'discover/', 'ports/', 'preflight/', 'sandbox/'],
      ...['registry.ts', 'define.ts', 'dialogues/snmp-engine.ts'],
    ],
    node: true,
    npm: true,
  },
  // Small services that stand for others' products: they share nothing with the daemon but words and configuration.
  sandbox: { may: ['sandbox/', 'core/', 'config/', 'ports/limit.ts'], types: ['ports/'], node: true, npm: true },
  'main.ts': {
    may: ['commands/', 'core/', 'config/', 'ports/', 'daemon/', 'define.ts', 'registry.ts'],
    node: true,
    npm: true,
  },
};

/** Programs of their own, run in a child or a thread: what they touch, they touch for others. */
export const PROGRAMS = ['src/host/disk-probe.ts', 'src/daemon/history-worker.ts'];

const CONTROL = ['control', 'control-answers', 'groups/control-copies', 'groups/control-groups', 'control-telling'].map(
  (name) => `src/daemon/${name}.ts`,
);

/** Where each package may be imported: files, or folders ending in `/`. Nothing else may know it. */
export const HOMES: Readonly<Record<string, readonly string[]>> = {
  '@hono/node-server': ['src/daemon/control.ts', 'src/api/'],
  'cli-table3': ['src/commands/'],
  commander: ['src/main.ts', 'src/commands/'],
  diff: ['src/commands/init.ts'],
  hono: [...CONTROL, 'src/api/'],
  'hoodiecrow-imap': ['src/sandbox/hoodiecrow.ts'],
  imapflow: ['src/sandbox/web.ts'],
  koffi: ['src/ports/frames.ts', 'src/ports/libc.ts', 'src/ports/proc-exit.ts', 'src/ports/win32.ts'],
  libsql: ['src/ports/history-store.ts'],
  // A client library that speaks its own protocol does so on a connection that ports/net.ts lends: one check its home.
  ldapts: [
    ...['src/checks/ldap.ts', 'src/dialogues/ldap-client.ts', 'src/switchover/directory.ts'],
    'src/replication/ldap.ts',
  ],
  mysql2: ['src/checks/mariadb.ts'],
  'net-snmp': ['src/dialogues/snmp.ts'],
  'cron-parser': ['src/daemon/calendar.ts'],
  'node-schedule': ['src/daemon/calendar.ts'],
  nodemailer: ['src/sandbox/', 'src/dialogues/submit.ts', 'src/dialogues/post.ts'],
  pg: ['src/checks/postgresql.ts'],
  'smtp-server': ['src/sandbox/'],
  systeminformation: ['src/ports/sysinfo.ts'],
  undici: ['src/ports/http-session.ts'],
  winston: ['src/ports/log.ts', 'src/alerts/event-log.ts'],
  'winston-transport': ['src/ports/log.ts', 'src/alerts/event-log.ts'],
  yaml: ['src/config/'],
  zod: ['src/define.ts', ...CONTROL, 'src/sandbox/'],
};

const within = (path: string, places: readonly string[]): boolean =>
  places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place));
const packageOf = (from: string): string =>
  from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/');

/** The name of the folder, or of the file, of src that the rules know. */
export const layerOf = (path: string): string => path.split('/')[1] ?? '';

function judge(file: SourceFile, layer: Layer, name: string, found: Import): string | null {
  const { from, typeOnly, values } = found;
  if (from.startsWith('node:')) {
    const { node = false } = layer;
    const may = node === true || (node !== false && node.includes(from)) || PROGRAMS.includes(file.path);
    return may || typeOnly ? null : `${name} may not import ${from}`;
  }
  if (!from.startsWith('.')) {
    if (!layer.npm) return `${name} may not import the package ${from}`;
    const homes = HOMES[packageOf(from)];
    if (!homes) return `the package ${packageOf(from)} has no home in test/support/house/layers.ts`;
    return within(file.path, homes) ? null : `${packageOf(from)} lives in ${homes.join(', ')} only`;
  }
  const target = posix.join(posix.dirname(file.path), from).replace(/^src\//, '');
  if (/^(checks|recovery|alerts|switchover|replication|cluster)\//.test(target))
    return `nobody may import a plugin by name: ${from}`;
  if (typeOnly && within(target, layer.types ?? [])) return null;
  if (!within(target, layer.may)) return `${name} may not import ${target}${typeOnly ? '' : ' (as a value)'}`;
  const doors = values.filter((value) => isDoor(target, value));
  if (THROUGH_PORTS.includes(name) && doors.length > 0)
    return `${name} reaches the outside through context.ports only, not by ${doors.join(', ')} of ${target}`;
  return null;
}

/** `exec` of ports/exec.ts, `makeUnits`, `openLog`: real doors, by their names. */
function isDoor(target: string, value: string): boolean {
  const found = /^ports\/([\w-]+)\.ts$/.exec(target);
  return (
    found !== null &&
    (value === found[1]?.replace(/-./g, (end) => end.slice(1).toUpperCase()) ||
      /^(open|make|real|take)[A-Z]/.test(value))
  );
}

/** Each broken rule as `path:line: text`. */
export function layerFaults(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => path.startsWith('src/'))
    .flatMap((file) => {
      const name = layerOf(file.path);
      const layer = LAYERS[name];
      if (!layer) return [`${file.path}: src/${name} has no row in test/support/house/layers.ts`];
      return importsOf(file).flatMap((found) => {
        const fault = judge(file, layer, name, found);
        return fault ? [`${file.path}:${found.line}: ${fault}`] : [];
      });
    });
}
