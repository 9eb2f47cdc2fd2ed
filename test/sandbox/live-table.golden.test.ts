// The live table: as a person sees it (golden files), and what it may never do to a terminal.
import { stripVTControlCharacters } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { liveTable, renderTable, type ServiceView, type StatusView } from '../../src/commands/live-table.ts';
import { golden } from '../support/golden.ts';

const test = suite('live table');

const well = (name: string, ms: number): ServiceView => ({
  name,
  phase: 'healthy',
  health: 'ok',
  incident: null,
  why: { text: 'all checks pass' },
  quick: { outcome: 'pass', cause: null, ms },
  deep: { outcome: 'pass', cause: null, ms: ms * 10 },
  next: 'a QuickCheck in 800 ms',
});
const status = (services: readonly ServiceView[], alarms: StatusView['alarms'] = []): StatusView => ({
  node: 'n1',
  time: '2026-03-01T12:00:10.123Z',
  services,
  alarms,
});
const hung: ServiceView = {
  ...well('mta', 3),
  phase: 'restarting',
  health: 'failing',
  incident: 'mta-4',
  why: { text: 'the banner did not come within 800 ms and the DeepCheck says the same: killing and starting it' },
  quick: { outcome: 'fail', cause: 'hung', ms: 800.4 },
  deep: { outcome: 'unknown', cause: null, ms: 4000 },
  next: 'the repair may take 4 s more',
};
const given: ServiceView = {
  ...hung,
  name: 'store',
  phase: 'failed',
  incident: 'store-1',
  quick: { outcome: 'fail', cause: 'no-space', ms: 12 },
  deep: null,
  why: { text: 'no space: no restart makes room' },
  next: '',
};
const slow: ServiceView = {
  ...well('web', 7),
  health: 'degraded',
  deep: { outcome: 'degraded', cause: 'overloaded', ms: 900 },
  why: { text: 'answers in 900 ms, 500 ms are expected' },
};
const trouble = status(
  [given, hung, slow, { ...well('ldap', 1), phase: 'paused', health: 'unknown', quick: null, deep: null }],
  [
    { severity: 'critical', service: 'store', summary: 'store has failed' },
    { severity: 'warning', service: null, summary: 'the new configuration is bad; the old one goes on' },
  ],
);

const plain = (of: StatusView, width = 100): string => renderTable(of, { width, colour: false });

test('all is well', () =>
  golden('live-table/well.txt', plain(status([well('store', 2), well('mta', 3), well('web', 7)]))));
test('trouble, on a wide terminal', () => golden('live-table/trouble-120.txt', plain(trouble, 120)));
test('trouble, on a narrow terminal', () => golden('live-table/trouble-60.txt', plain(trouble, 60)));
test('trouble, in colours', () =>
  golden(
    'live-table/trouble-colour.txt',
    renderTable(trouble, { width: 100, colour: true }).replaceAll('\u001b', '␛'),
  ));
test('no service at all', () => golden('live-table/none.txt', plain(status([]))));

test('colours change nothing but colours', () => {
  assert.is(stripVTControlCharacters(renderTable(trouble, { width: 100, colour: true })), plain(trouble));
});

test('hostile text stays text, on one line, within the width', () => {
  const evil = 'x\u001b[2J\u001b]0;owned\u0007\r\nforged healthy\u202e\u009b31m$(id)<b>\u2028日本語'.repeat(3);
  const hostile = {
    ...hung,
    name: evil,
    incident: evil,
    why: { text: evil },
    next: evil,
  };
  const services = [hostile as ServiceView];
  for (const width of [20, 60, 100, 200]) {
    const text = plain({ ...status(services, [{ severity: evil, service: null, summary: evil }]), node: evil }, width);
    assert.not.match(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}]/u);
    const lines = text.split('\n');
    assert.is(lines.length, 9, `${width}: ${text}`);
    for (const line of lines) assert.ok([...line].length <= width, `${width}: ${line}`);
  }
});

function screen(
  isTTY: boolean,
  rows = 24,
): { written: string[]; out: Parameters<typeof liveTable>[0] & { columns: number } } {
  const written: string[] = [];
  return { written, out: { isTTY, columns: 80, rows, write: (text: string) => void written.push(text) } };
}

test('a terminal is repainted in place, and only when something changed', () => {
  const { written, out } = screen(true);
  const live = liveTable(out, { noColour: true });
  const first = status([well('store', 2), well('mta', 3)]);
  live.show(first);
  live.show({ ...first });
  assert.is(written.length, 1);
  live.show(status([well('store', 2), hung]));
  assert.ok(written[1]?.startsWith('\u001b[4A\r\u001b[J'), 'up over four lines, and away with them');
  live.say('something\u001b[2J happened');
  assert.ok(written[2]?.startsWith('\u001b[7A\r\u001b[J'));
  assert.match(written[2] ?? '', 'something\\x1b[2J happened\nwatchkeeper on n1');
  out.columns = 40;
  live.show(status([well('store', 9)]));
  const climbed = Number.parseInt(written[3]?.slice(2) ?? '', 10);
  assert.ok(climbed > 7, `a narrower terminal has wrapped lines: ${climbed}`);
  live.close();
  assert.is(written.at(-1), '\u001b[?25h', 'the cursor is seen again');
});

test('a terminal that claims to have no columns gets a table for 80', () => {
  const { written, out } = screen(true, 0);
  liveTable({ ...out, columns: 0 }, { noColour: true }).show(status([well('store', 2)]));
  assert.match(written[0] ?? '', renderTable(status([well('store', 2)]), { width: 80, colour: false }));
});

test('a table longer than the screen is cut', () => {
  const { written, out } = screen(true, 6);
  liveTable(out, { noColour: true }).show(status(Array.from({ length: 40 }, (_none, at) => well(`s${at}`, 1))));
  assert.is(written[0]?.split('\n').length, 6);
});

test('NO_COLOR leaves the marks', () => {
  const { written, out } = screen(true);
  liveTable(out, { noColour: true }).show(trouble);
  assert.not.match(written.join(''), '\u001b[3');
  assert.match(written.join(''), '✖ store');
});

test('without a terminal: a line for each change, none for the passing of time', () => {
  const { written, out } = screen(false);
  const live = liveTable(out, { noColour: false });
  live.show(status([well('mta', 3)]));
  live.show({ ...status([well('mta', 4)]), time: '2026-03-01T12:00:11Z' });
  live.show({ ...status([hung]), time: '2026-03-01T12:00:12Z' });
  live.close();
  assert.equal(written, [
    '2026-03-01T12:00:10.123Z mta healthy, quick pass 3 ms\n',
    '2026-03-01T12:00:12Z mta restarting, quick fail hung 800 ms [mta-4]: the banner did not come within 800 ms and ' +
      'the DeepCheck says the same: killing and starting it\n',
  ]);
});

test.run();
