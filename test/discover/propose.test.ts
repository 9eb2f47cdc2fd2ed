// Names and dependencies of what is proposed.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nameAll, propose, type Read, type Resolver } from '../../src/discover/propose.ts';
import type { Kit, Need, Reading } from '../../src/discover/types.ts';
import { pretend } from '../support/pretend-machine.ts';

const test = suite('proposals');
const kit = (name: string, params: readonly (readonly [string, unknown])[] = []): Kit => ({
  name,
  about: name,
  units: [],
  programs: [`/bin/${name}`],
  files: [],
  ports: [],
  params: new Map(params),
  checks: [],
});
const one = (of: Kit, reading: Reading = {}, instance: string | null = null): Read => ({
  found: { kit: of, unit: `${of.name}.service`, instance, evidence: '', held: [] },
  reading,
});
const on = (...kits: readonly string[]): Need => ({ kits, from: 'x' });
const proposed = (all: readonly Read[], resolver: Resolver = null) => propose(all, resolver, null, pretend({}));
const names = (all: readonly Read[], resolver: Resolver = null) => [
  ...nameAll(
    all.map(({ found }) => found),
    resolver,
  ).values(),
];

test('the role is the name, unless several have it', () => {
  assert.equal(names([one(kit('postfix')), one(kit('redis')), one(kit('odd'))]), ['mta', 'cache', 'odd']);
  assert.equal(names([one(kit('nginx')), one(kit('apache'))]), ['nginx', 'apache']);
  const pg = kit('postgresql');
  assert.equal(names([one(pg, {}, '15-main'), one(pg, {}, '16-x y')]), ['database-15-main', 'database-16-xy']);
});

test('only the name server that this machine asks is its resolver', () => {
  const both = [one(kit('bind')), one(kit('unbound'))];
  assert.equal(names(both, { kit: 'unbound' }), ['nameserver', 'resolver']);
  assert.equal(names([one(kit('bind'))], { query: 'a.test', record: 'A' }), ['nameserver']);
  const { services } = proposed([one(kit('postfix'))], { query: 'a.test', record: 'A' });
  assert.equal(
    services.map(({ name, kit: of, depends }) => [name, of, depends.map((other) => other.name)]),
    [
      ['resolver', null, []],
      ['mta', 'postfix', ['resolver']],
    ],
  );
});

test('who stands on whom comes first, and a circle is never closed', () => {
  const { services } = proposed([
    one(kit('postfix'), { needs: [on('dovecot')] }),
    one(kit('dovecot'), { needs: [on('openldap'), on('postfix'), on('dovecot'), on('nothing')] }),
    one(kit('openldap')),
  ]);
  assert.equal(
    services.map(({ name, depends }) => [name, depends.map((other) => other.name)]),
    [
      ['directory', []],
      ['store', ['directory']],
      ['mta', ['store']],
    ],
  );
});

test('a milter is whoever holds its port, or whose name its socket has', () => {
  const machine = pretend({ processes: [{ exe: '/bin/rspamd', group: '/', ports: ['9999'] }] });
  const needs: Need[] = [
    { port: 9999, from: 'x' },
    { socket: 'run/opendkim.sock', from: 'x' },
    { port: 1234, from: 'x' },
  ];
  const all = [one(kit('postfix'), { needs }), one(kit('rspamd')), one(kit('opendkim')), one(kit('amavis'))];
  const mta = propose(all, null, null, machine).services.find(({ name }) => name === 'mta');
  assert.equal(
    mta?.depends.map(({ name }) => name),
    ['dkim', 'spamfilter'],
  );
});

test('values that the kit has already, or does not know, are not written; a must without a value is told', () => {
  const params = [
    ['port', 25],
    ['hosts', ['a']],
    ['unit', 'x.service'],
  ] as const;
  const value = (of: string | number | readonly string[]) => ({ value: of, from: 'x' });
  const set = { port: value(25), hosts: value(['a']), unit: value('y.service'), secret: value('s') };
  const { services, unfit } = proposed([one(kit('odd', params), { set }), one(kit('needy', [['where', undefined]]))]);
  assert.equal(services[0]?.set, [{ param: 'unit', value: 'y.service', from: 'x' }]);
  assert.is(services.length, 1);
  assert.match(unfit[0]?.text ?? '', 'where');
});

test.run();
