// Every instance in its place, whatever is asked and however rows come and go.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Known, rowsOf } from '../../src/core/mib-rows.ts';
import {
  compare,
  type Instance,
  type Oid,
  oidOf,
  rootsOf,
  type View,
  viewOf,
  within,
} from '../../src/core/mib-view.ts';
import { DEFAULT_BASE } from '../../src/core/snmp.ts';
import { known, knownAlarm, knownCheck, knownService } from '../support/known.ts';

const test = suite('view for managers');
const BASE = DEFAULT_BASE;
const moments = { upTime: 1_000_000, steady: (_key: string, ticks: number) => ticks };
const view = (what: Known): View => viewOf(BASE, rowsOf(what), moments);

function walk(it: View, from: Oid = [1], end: Oid | null = null): Instance[] {
  const found: Instance[] = [];
  for (let one = it.next(from, false, end); one && found.length < 100_000; one = it.next(one.oid, false, end))
    found.push(one);
  return found;
}

const names = ['mta', 'imap', 'Imap', 'a', 'aa', 'z9', 'imap.x'];
const some = known({
  services: names.map((name, at) => knownService(name, at % 2 === 0 ? {} : { quick: null, health: 'unknown' })),
  checks: names.flatMap((name) => [knownCheck(name), knownCheck(name, { depth: 'deep', name: 'queue' })]),
  alarms: [knownAlarm(), knownAlarm({ key: 'node/n1/journal-trouble', service: null, summary: 'größer – „so“' })],
  channels: [{ name: 'noc', waiting: 3, trouble: 'it hangs' }],
});

test('a walk sees everything once, in order, and each by its own name', () => {
  const it = view(some);
  const found = walk(it);
  // 7 services with 16 columns; 4 of 7 with a QuickCheck; nobody with a DeepCheck.
  const services = found.filter(({ oid }) => within(oid, [...oidOf(BASE), 2, 1]));
  assert.is(services.length, 7 * 16 - 3 * 3 - 7 * 3);
  for (const [at, { oid, shown }] of found.entries()) {
    if (at > 0) assert.ok(compare(found[at - 1]?.oid ?? [], oid) < 0);
    assert.equal(it.get(oid), { oid, shown });
    assert.ok(rootsOf(BASE).some((root) => within(oid, root)));
  }
});

test('what is not there: the object, or only the instance', () => {
  const it = view(some);
  const service = [...oidOf(BASE), 2, 1, 1];
  assert.is(it.get(service), 'object');
  assert.is(it.get([...service, 99, 1]), 'object');
  assert.is(it.get([...service, 1, 97]), 'object', 'an index has no instance of its own');
  assert.is(it.get([...service, 4]), 'instance');
  assert.is(it.get([...service, 4, 98]), 'instance');
  assert.is(it.get([...service, 12, ...Buffer.from('imap')]), 'instance', 'never asked yet');
  assert.equal((it.get([...service, 4, ...Buffer.from('mta')]) as Instance).shown, { kind: 'integer', value: 1 });
});

test('from anywhere, the next is the first after it', () => {
  const it = view(some);
  const found = walk(it);
  const probes = found.flatMap(({ oid }) => [oid, [...oid, 0], oid.slice(0, -1), [...oid.slice(0, -1), 4_294_967_295]]);
  for (const probe of probes) {
    const expected = found.find(({ oid }) => compare(oid, probe) > 0) ?? null;
    assert.equal(it.next(probe, false, null), expected);
    assert.equal(it.next(probe, true, null), found.find(({ oid }) => compare(oid, probe) >= 0) ?? null);
  }
  assert.is(it.next([1, 3, 7], false, null), null);
  assert.is(it.next([], false, null)?.oid.join('.'), found[0]?.oid.join('.'));
});

test('a range ends before its end', () => {
  const it = view(some);
  const found = walk(it);
  const end = found[20]?.oid ?? [];
  assert.is(walk(it, [1], end).length, 20);
  assert.is(it.next(found[19]?.oid ?? [], false, end), null);
});

test('rows come and go under a walk: it goes on behind where it was, and ends', () => {
  const seen: Oid[] = [];
  let at: Oid = [1];
  for (let step = 0; step < 2000; step++) {
    const services = names.filter((_, index) => (step + index) % 3 !== 0).map((name) => knownService(name));
    const one = view(known({ services })).next(at, false, null);
    if (!one) break;
    assert.ok(compare(at, one.oid) < 0);
    seen.push((at = one.oid));
  }
  assert.ok(seen.length > 50 && seen.length < 2000);
});

test('values fit their types whatever comes', () => {
  const odd = known({
    services: [knownService('mta', { attempts: -5, why: { text: 'x'.repeat(1000) }, since: Number.NaN })],
    checks: [knownCheck('mta', { ms: 1e99, ageMs: Number.NaN, detail: 'a\u0000b\nc' })],
  });
  const shown = new Map(walk(view(odd)).map((one) => [one.oid.join('.'), one.shown]));
  const of = (rest: string) => shown.get(`${BASE}.2.${rest}`);
  const mta = [...Buffer.from('mta')].join('.');
  assert.is(Buffer.byteLength((of(`1.1.10.${mta}`) as { value: string }).value) <= 255, true);
  assert.equal(of(`1.1.11.${mta}`), { kind: 'gauge32', value: 0 });
  assert.is(of(`1.1.6.${mta}`), undefined);
  const check = [...shown.entries()].filter(([oid]) => oid.startsWith(`${BASE}.2.2.1.7.`)).map(([, one]) => one);
  assert.equal(check, [{ kind: 'gauge32', value: 4_294_967_295 }]);
});

test('a moment before the SNMP daemon began is zero', () => {
  const rows = rowsOf(known({ services: [knownService('mta')] }));
  const changed = (upTime: number) => {
    const oid = viewOf(BASE, rows, { ...moments, upTime }).next(oidOf('1.3.6.1.2.1.27.1.1.7'), false, null);
    return oid?.shown;
  };
  assert.equal(changed(10_000), { kind: 'ticks', value: 4000 });
  assert.equal(changed(100), { kind: 'ticks', value: 0 });
});

test('ten thousand services: a step of a walk is quick', () => {
  const services = Array.from({ length: 10_000 }, (_, at) => knownService(`service-${at}`));
  const it = view(known({ services }));
  const started = performance.now();
  let at: Oid = [...oidOf(BASE), 2];
  for (let step = 0; step < 20_000; step++) at = it.next(at, false, null)?.oid ?? at;
  const ms = performance.now() - started;
  assert.ok(ms < 10_000, `${ms} ms for 20,000 steps`);
});

test.run();
