// The status as a table for a terminal, and a driver that repaints it in place. Where stdout is no terminal it prints a
// line for each change instead. Shows what it is given and decides nothing; all its text is taken for hostile.
import { stripVTControlCharacters } from 'node:util';
import { clean } from '../core/clean.ts';
import type { Outcome, Phase } from '../core/types.ts';
import { groupNow, groupProgress, type GroupView } from './live-groups.ts';

/** The newest verdict of one depth. */
export interface DepthView {
  readonly outcome: Outcome;
  readonly cause: string | null;
  readonly ms: number;
}

export interface ServiceView {
  readonly name: string;
  readonly phase: Phase;
  readonly health: 'ok' | 'degraded' | 'failing' | 'unknown';
  readonly incident: string | null;
  readonly why: { readonly text: string };
  readonly quick: DepthView | null;
  readonly deep: DepthView | null;
  /** What comes next, in words. */
  readonly next: string;
}

export interface AlarmView {
  readonly severity: string;
  readonly service: string | null;
  readonly summary: string;
}

/** What the table needs of `GET /api/v1/status`. */
export interface StatusView {
  readonly node: string;
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly services: readonly ServiceView[];
  readonly groups?: readonly GroupView[];
  readonly alarms: readonly AlarmView[];
}

export interface Look {
  /** Columns of the terminal. */
  readonly width: number;
  readonly colour: boolean;
}

type Colour = 'green' | 'yellow' | 'red' | 'grey' | 'bold';
const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  green: [32, 39],
  yellow: [33, 39],
  red: [31, 39],
  grey: [90, 39],
  bold: [1, 22],
};
const paint = (text: string, colour: Colour, look: Look): string => {
  const [on, off] = CODES[colour];
  return look.colour ? `\u001b[${on}m${text}\u001b[${off}m` : text;
};

/** Columns that a character may take: rather one too many than a line that wraps. */
const columns = (char: string): number => {
  const code = char.codePointAt(0) ?? 0;
  return code < 0x1100 || (code >= 0x2000 && code < 0x2e80) ? 1 : 2;
};
const widthOf = (text: string): number => [...text].reduce((sum, char) => sum + columns(char), 0);

/** One printable line of at most `width` columns, cut with `…`. */
function fit(text: string, width: number): string {
  const line = clean(text, 4096);
  if (widthOf(line) <= width) return line;
  let out = '';
  let used = 0;
  for (const char of line) {
    if (used + columns(char) > width - 1) break;
    out += char;
    used += columns(char);
  }
  return width > 0 ? `${out}…` : '';
}

const pad = (text: string, width: number): string => {
  const line = fit(text, width);
  return line + ' '.repeat(Math.max(0, width - widthOf(line)));
};

function colourOf({ health, phase, quick }: ServiceView): Colour {
  if (phase === 'paused' || phase === 'relinquished') return 'grey';
  if (health === 'ok') return 'green';
  if (health === 'failing') return phase === 'suspect' ? 'yellow' : 'red';
  return health === 'unknown' && !quick ? 'grey' : 'yellow';
}

/** The same by shape, for those who see no colours. */
const MARKS: Readonly<Record<Colour, string>> = { green: '●', yellow: '▲', red: '✖', grey: '○', bold: ' ' };

function verdict(view: DepthView | null): string {
  if (!view) return '-';
  return `${view.outcome}${view.cause ? ` ${view.cause}` : ''} ${Math.round(view.ms)} ms`;
}

const TITLES = ['SERVICE', 'PHASE', 'HEALTH', 'QUICK', 'DEEP', 'INCIDENT'] as const;
const cells = (service: ServiceView): string[] => [
  service.name,
  service.phase,
  service.health,
  verdict(service.quick),
  verdict(service.deep),
  service.incident ?? '-',
];
const GAP = 2;

/** How wide each column is: what it holds, the widest cut first when the terminal is narrow. */
function measure(rows: readonly (readonly string[])[], width: number): number[] {
  const widths = TITLES.map((_title, at) => Math.max(...rows.map((row) => widthOf(clean(row[at] ?? '', 256)))));
  const room = Math.max(TITLES.length * 4, width - 2 - GAP * (TITLES.length - 1));
  for (let over = widths.reduce((sum, one) => sum + one, 0) - room; over > 0; over--) {
    const widest = widths.indexOf(Math.max(...widths));
    widths[widest] = Math.max(1, (widths[widest] ?? 1) - 1);
  }
  return widths;
}

function headline(status: StatusView, look: Look): string {
  const bad = status.services.filter((service) => ['red', 'yellow'].includes(colourOf(service))).length;
  const count = `${status.services.length} service${status.services.length === 1 ? '' : 's'}`;
  const alarms = status.alarms.length;
  const told = [
    `watchkeeper on ${status.node}`,
    `${status.time.slice(11, 19)} UTC`,
    bad === 0 ? `${count} well` : `${bad} of ${count} not well`,
    ...(alarms === 0 ? [] : [`${alarms} alarm${alarms === 1 ? '' : 's'}`]),
  ].join(' · ');
  return paint(fit(told, look.width), 'bold', look);
}

const INDENT = 10;

/** A labelled sentence on at most two lines, broken at a space if there is one. */
function note(label: string, text: string, width: number): string[] {
  if (text === '') return [];
  const all = clean(text, 4096);
  const room = width - INDENT;
  const first = `    ${label.padEnd(INDENT - 4)}`;
  if (widthOf(all) <= room) return [first + all];
  const start = fit(all, room + 1).slice(0, -1);
  const space = start.lastIndexOf(' ');
  const end = space > room / 2 ? space : start.length;
  return [first + all.slice(0, end), ' '.repeat(INDENT) + all.slice(end).trimStart()];
}

/** Below a service in trouble: why, and what comes next. */
function notes(service: ServiceView, look: Look): string[] {
  const colour = colourOf(service);
  if (colour === 'green' || (colour === 'grey' && service.phase === 'healthy')) return [];
  const lines = [...note('why', service.why.text, look.width), ...note('next', service.next, look.width)];
  return lines.map((line) => paint(fit(line, look.width), 'grey', look));
}

const GROUP_COLOURS = { ok: 'green', degraded: 'yellow', failing: 'red' } as const;

/** Who has a group, what this node is for it, who could take it, and what is under way. */
function groupLine(group: GroupView, look: Look): string {
  const colour = GROUP_COLOURS[group.health];
  const ready = group.nodes.filter((one) => one.ready && !one.owner).map(({ node }) => node);
  const owner = group.owner === null ? `nobody has it (${group.state})` : `on ${group.owner}`;
  const spare = ready.length === 0 ? 'no standby is ready' : `ready: ${ready.join(', ')}`;
  const now = group.health === 'ok' && groupProgress(group) === null ? '' : `; ${groupNow(group)}`;
  const text = `${MARKS[colour]} group ${group.name} ${owner}; ${group.role} here; ${spare}${now}`;
  return paint(fit(text, look.width), colour, look);
}

/** The whole table, lines ended by \n, none wider than `width`. The same status always gives the same text. */
export function renderTable(status: StatusView, look: Look): string {
  const rows = [TITLES as readonly string[], ...status.services.map(cells)];
  const widths = measure(rows, look.width);
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => pad(cell, widths[at] ?? 1))
      .join(' '.repeat(GAP))
      .trimEnd();
  const body = status.services.flatMap((service) => {
    const colour = colourOf(service);
    const shown = fit(`${MARKS[colour]} ${line(cells(service))}`, look.width);
    return [paint(shown, colour, look), ...notes(service, look)];
  });
  const groups = (status.groups ?? []).map((group) => groupLine(group, look));
  const general = status.alarms.filter((alarm) => alarm.service === null);
  const alarms = general.map((alarm) => paint(fit(`! ${alarm.severity}: ${alarm.summary}`, look.width), 'red', look));
  const head = paint(fit(`  ${line(TITLES)}`, look.width), 'grey', look);
  return `${[headline(status, look), head, ...body, ...groups, ...alarms].join('\n')}\n`;
}

/** What is worth a line when there is no terminal: everything but times that pass. */
const gist = (service: ServiceView): string =>
  [service.phase, service.health, service.quick?.outcome, service.quick?.cause, service.incident].join(' ');

export interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

export interface LiveTable {
  /** Shows a status. Cheap when nothing changed. */
  show(status: StatusView): void;
  /** Prints a line of talk above the table. */
  say(text: string): void;
  /** Leaves the last table on the screen, and the cursor below it. */
  close(): void;
}

const HIDE = '\u001b[?25l';
const SHOW = '\u001b[?25h';
const up = (lines: number): string => (lines > 0 ? `\u001b[${lines}A\r\u001b[J` : '');

function onTerminal(screen: Screen, colour: boolean): LiveTable {
  let painted = '';
  let last: StatusView | null = null;
  // Some terminals say that they have no columns at all.
  const across = (): number => Math.max(20, screen.columns || 80);
  // A terminal that became narrower has wrapped what stands on it.
  const erase = (): string => {
    const lines = stripVTControlCharacters(painted).split('\n').slice(0, -1);
    return up(lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / across())), 0));
  };
  const draw = (status: StatusView): string => {
    const lines = renderTable(status, { width: across(), colour }).split('\n');
    // More lines than the screen has would scroll away and could not be painted over.
    const room = Math.max(3, (screen.rows || 24) - 1);
    return lines.length - 1 > room ? `${lines.slice(0, room).join('\n')}\n` : lines.join('\n');
  };
  return {
    show(status) {
      const next = draw(status);
      last = status;
      if (next === painted) return;
      screen.write(`${painted === '' ? HIDE : ''}${erase()}${next}`);
      painted = next;
    },
    say(text) {
      const gone = erase();
      painted = last ? draw(last) : '';
      screen.write(`${gone}${clean(text, 4096)}\n${painted}`);
    },
    close() {
      if (painted !== '') screen.write(SHOW);
      painted = '';
      last = null;
    },
  };
}

function onPipe(screen: Screen): LiveTable {
  const known = new Map<string, string>();
  const showGroup = (group: GroupView, time: string): void => {
    const owner = group.owner === null ? `nobody has it (${group.state})` : `on ${group.owner}`;
    const text = `group ${group.name} ${owner}, ${group.role} here: ${groupProgress(group) ?? group.why.text}`;
    if (known.get(`group/${group.name}`) === text) return;
    known.set(`group/${group.name}`, text);
    screen.write(`${clean(`${time} ${text}`, 1024)}\n`);
  };
  return {
    show(status) {
      for (const group of status.groups ?? []) showGroup(group, status.time);
      for (const service of status.services) {
        const now = gist(service);
        if (known.get(service.name) === now) continue;
        known.set(service.name, now);
        const why = service.phase === 'healthy' ? '' : `: ${service.why.text}`;
        const incident = service.incident === null ? '' : ` [${service.incident}]`;
        const state = `${service.name} ${service.phase}, quick ${verdict(service.quick)}`;
        screen.write(`${clean(`${status.time} ${state}${incident}${why}`, 1024)}\n`);
      }
    },
    say: (text) => void screen.write(`${clean(text, 4096)}\n`),
    close: () => undefined,
  };
}

/** A table on `screen`. `noColour` as the environment says (NO_COLOR, https://no-color.org). */
export function liveTable(screen: Screen, options: { readonly noColour: boolean }): LiveTable {
  return screen.isTTY === true ? onTerminal(screen, !options.noColour) : onPipe(screen);
}
