// The checks that read DNS, against answers of every kind; and SPF, DKIM and DMARC as texts.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import blocklist from '../../src/checks/blocklist.ts';
import mailDns from '../../src/checks/mail-dns.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { isSpf, judgeSpf, readSpf } from '../../src/dialogues/spf.ts';
import type { Dns, DnsCode } from '../../src/ports/dns.ts';
import { runCheck } from '../support/check.ts';

const test = suite('records');
type Zone = Readonly<Record<string, readonly string[] | DnsCode>>;

/** A DNS that holds this, by `name TYPE`. */
function holding(zone: Zone, asked: string[] = []): Dns {
  return {
    ask: async ({ name, type }) => {
      asked.push(`${name} ${type}`);
      const found = zone[`${name} ${type}`] ?? 'no-name';
      const base = { server: '127.0.0.1', ms: 1 };
      return typeof found === 'string' ? { ...base, code: found, values: [] } : { ...base, code: 'ok', values: found };
    },
  };
}

const whole: Zone = {
  'lab.test MX': ['10 mail.lab.test'],
  'mail.lab.test A': ['192.0.2.1'],
  'lab.test TXT': ['other', 'v=spf1 mx include:_spf.lab.test -all'],
  '_spf.lab.test TXT': ['v=spf1 ip4:192.0.2.0/24 ~all'],
  's1._domainkey.lab.test TXT': ['v=DKIM1; k=rsa; p=MIIB'],
  '_dmarc.lab.test TXT': ['v=DMARC1; p=reject; rua=mailto:a@lab.test'],
};
const wanted = { domain: 'lab.test', mx: ['mail.lab.test'], dkim: ['s1'] };
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const look = (change: Zone = {}, options: object = {}): Promise<CheckResult> =>
  runCheck(
    mailDns as unknown as Check,
    { ...wanted, ...options },
    {
      depth: 'deep',
      ports: { dns: holding({ ...whole, ...change }) },
    },
  );

test('all in order, and each record that is not', async () => {
  const well = await look();
  assert.is(said(well), 'pass/-', well.detail);
  assert.is(well.metrics?.find((one) => one.name === 'spf-lookups')?.value, 2);
  const wrong: readonly [Zone, string][] = [
    [{ 'lab.test MX': 'no-data' }, 'has no MX'],
    [{ 'lab.test MX': ['10 mail.lab.test', '20 strange.test'] }, 'has the strange MX "strange.test"'],
    [{ 'lab.test MX': ['10 other.lab.test'] }, 'lack "mail.lab.test"'],
    [{ 'mail.lab.test A': 'no-name' }, 'mail.lab.test of lab.test has no address'],
    [{ 'lab.test TXT': ['v=spf10 all'] }, 'has no SPF record'],
    [{ 'lab.test TXT': ['v=spf1 -all', 'v=spf1 mx -all'] }, 'has 2 SPF records'],
    [{ 'lab.test TXT': ['v=spf1 mx nonsense -all'] }, 'cannot be read: the term "nonsense"'],
    [{ '_spf.lab.test TXT': 'no-name' }, '_spf.lab.test has no SPF record'],
    [{ 's1._domainkey.lab.test TXT': 'no-name' }, 'no DKIM key for the selector s1'],
    [{ 's1._domainkey.lab.test TXT': ['v=DKIM1; p='] }, 'is withdrawn'],
    [{ '_dmarc.lab.test TXT': ['v=DMARC2; p=none'] }, 'has no DMARC record'],
    [{ '_dmarc.lab.test TXT': ['v=DMARC1; p=none', 'v=DMARC1; p=none'] }, '2 DMARC records'],
    [{ '_dmarc.lab.test TXT': ['v=DMARC1; p=perhaps'] }, 'policy of lab.test is "perhaps"'],
  ];
  for (const [change, text] of wrong) {
    const result = await look(change);
    assert.is(said(result), 'degraded/misconfigured', text);
    assert.match(result.detail, text);
  }
});

test('what is not wanted is not asked; no MX list takes any host with an address', async () => {
  const none = { '_dmarc.lab.test TXT': [], 'lab.test TXT': [] } as const;
  const bare = await runCheck(
    mailDns as unknown as Check,
    { domain: 'lab.test', spf: false, dmarc: false },
    {
      depth: 'deep',
      ports: { dns: holding({ ...whole, ...none }) },
    },
  );
  assert.is(said(bare), 'pass/-', bare.detail);
});

test('a resolver in trouble says nothing about the records', async () => {
  for (const code of ['timeout', 'server-failure', 'refused', 'closed', 'garbled'] as const) {
    assert.is(said(await look({ 'lab.test MX': code })), 'degraded/dependency', code);
  }
  assert.is(said(await look({ 'lab.test MX': 'local' })), 'unknown/-');
});

test('text from outside is on one line', async () => {
  const result = await look({ 'lab.test TXT': ['v=spf1 \u001b[2J\u202e<x>'.repeat(50)] });
  assert.not.match(result.detail, /[\p{Cc}\p{Cf}]/u);
  assert.ok(result.detail.length <= 410);
});

test('SPF: terms, look-ups, loops', async () => {
  assert.ok(isSpf('v=spf1') && isSpf('V=SPF1 -all') && !isSpf('v=spf1-all'));
  const read = readSpf(
    'v=spf1 +a mx/24 ?ptr exists:%{i}.x.test include:%{d}.y.test ip6:::1 redirect=z.test exp=e.test',
  );
  assert.is(read.wrong, null);
  assert.is(read.lookups, 6);
  assert.equal(read.follow, ['z.test']);
  for (const bad of ['v=spf1 include: -all', 'v=spf1 ip4', 'v=spf1 a=b =c']) assert.ok(readSpf(bad).wrong, bad);
  let asked = 0;
  const loop = await judgeSpf('a.test', async () => {
    asked += 1;
    return ['v=spf1 include:a.test -all'];
  });
  assert.match(loop.wrong ?? '', 'more than 10 look-ups');
  assert.ok(asked <= 11, `${asked} questions`);
  const wide = `v=spf1 ${Array.from({ length: 11 }, (_, n) => `include:s${n}.test`).join(' ')} -all`;
  assert.match((await judgeSpf('b.test', async () => [wide])).wrong ?? '', 'more than 10 look-ups');
});

const list: Zone = { '2.0.0.127.bl.test A': ['127.0.0.2'] };
const blocked = (zone: Zone, options: object = {}, asked: string[] = [], memory = new Map<string, unknown>()) =>
  runCheck(
    blocklist as unknown as Check,
    { addresses: ['192.0.2.25'], zones: ['bl.test'], ...options },
    {
      depth: 'deep',
      memory,
      ports: { dns: holding(zone, asked) },
    },
  );

test('a block list is believed only while its test points are right', async () => {
  assert.is(said(await blocked(list)), 'pass/-');
  const hit = await blocked({
    ...list,
    '25.2.0.192.bl.test A': ['127.0.0.4'],
    '25.2.0.192.bl.test TXT': ['see https://bl.test/?192.0.2.25'],
  });
  assert.is(said(hit), 'degraded/dependency');
  assert.match(hit.detail, '192.0.2.25 is listed by bl.test (127.0.0.4): "see https://bl.test/?192.0.2.25"');
  const dead = await blocked({ '25.2.0.192.bl.test A': ['127.0.0.2'] });
  assert.is(said(dead), 'unknown/-');
  assert.match(dead.detail, 'does not list its own test address');
  const parked = await blocked({
    ...list,
    '1.0.0.127.bl.test A': ['127.0.0.2'],
    '25.2.0.192.bl.test A': ['127.0.0.2'],
  });
  assert.is(said(parked), 'unknown/-');
  assert.match(parked.detail, 'lists everything');
  const closed = await blocked({ ...list, '2.0.0.127.bl.test A': ['127.255.255.254'] });
  assert.is(said(closed), 'unknown/-');
  assert.is(said(await blocked({ '2.0.0.127.bl.test A': 'timeout' })), 'unknown/-');
  // An answer that is no code of a list is none.
  assert.is(said(await blocked({ ...list, '25.2.0.192.bl.test A': ['203.0.113.1'] })), 'pass/-');
});

test('one list in trouble does not silence the others; test points are asked once an hour', async () => {
  const asked: string[] = [];
  const memory = new Map<string, unknown>();
  const zones = { zones: ['bl.test', 'gone.test'] };
  const result = await blocked(list, zones, asked, memory);
  assert.is(said(result), 'pass/-');
  assert.match(result.detail, 'not believed: gone.test');
  const before = asked.filter((one) => one.includes('127.bl.test')).length;
  await blocked(list, zones, asked, memory);
  assert.is(asked.filter((one) => one.includes('127.bl.test')).length, before);
});

test('addresses of IPv6 are asked by their digits', async () => {
  const asked: string[] = [];
  await blocked(list, { addresses: ['2001:db8::1', '::ffff:192.0.2.1'] }, asked);
  const digits = `${'1.' + '0.'.repeat(23)}8.b.d.0.1.0.0.2.bl.test A`;
  assert.ok(asked.includes(digits), asked.join('\n'));
  assert.ok(asked.includes(`1.0.2.0.0.0.0.c.f.f.f.f.${'0.'.repeat(20)}bl.test A`), asked.join('\n'));
});

test.run();
