// Records that move with a group, on a real BIND and a real Knot: over and back, all at once, and never over somebody
// else's value.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StepContext } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { dns as resolver } from '../../src/ports/dns.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { udp } from '../../src/ports/udp.ts';
import dns from '../../src/switchover/dns.ts';
import { startBind } from '../support/bind.ts';
import { hostPorts } from '../support/host.ts';
import { startKnot } from '../support/knot.ts';
import type { Server } from '../support/server.ts';
import { stepContext } from '../support/step.ts';
import { closedUdpPort } from '../support/udp-server.ts';

const ZONE = 'move.test';
const SECRET = Buffer.alloc(32, 7).toString('base64');
const KEY = { name: 'mover', algorithm: 'hmac-sha256', secret: SECRET };
const block = (name: string, algorithm: string): string =>
  `key "${name}" {\n\talgorithm ${algorithm};\n\tsecret "${SECRET}";\n};\n`;
const SET = `mail A 10.0.0.1\n@ MX 10 n1.move.test.\nwho TXT "n1"`;
// BIND refuses an MX whose host has no address.
const OTHERS =
  `n1 A 10.0.0.1\nn2 A 10.0.0.2\nn3 A 10.0.0.3\n` +
  `strange A 192.0.2.9\nalias CNAME mail\nlist TXT "${'x'.repeat(200)}" "${'y'.repeat(200)}"`;
const RECORDS = [
  { name: 'mail', type: 'A', value: { n1: '10.0.0.1', n2: '10.0.0.2', n3: '10.0.0.3' } },
  { name: '@', type: 'MX', value: '10 $to.host' },
  { name: 'who', type: 'TXT', value: '$to' },
];
const words = { n1: { host: 'n1.move.test' }, n2: { host: 'n2.move.test' }, n3: { host: 'n3.move.test' } };
const secrets = secretsFrom({
  ...{ TSIG: block('mover', 'hmac-sha256'), SHORT: `mover:hmac-sha256:${SECRET}` },
  ...{ UNKNOWN: `nobody:hmac-sha256:${SECRET}`, WRONG: `mover:hmac-sha256:${Buffer.alloc(32, 8).toString('base64')}` },
  LONG: `long:hmac-sha512:${SECRET}`,
});

type Way = { readonly options?: object } & Partial<Omit<StepContext<never>, 'options'>>;

const context = (port: number, { options, ports, ...more }: Way = {}): StepContext<never> =>
  stepContext(
    dns,
    { server: '127.0.0.1', port, zone: ZONE, records: RECORDS, key: 'env:TSIG', ...options },
    { node: 'n2', to: 'n2', from: 'n1', words, ports: ports ?? hostPorts({ udp, secrets }), ...more },
  );

async function says(port: number): Promise<string> {
  const ask = async (name: string, type: 'A' | 'MX' | 'TXT') => {
    const question = { name, type, server: `127.0.0.1:${port}`, signal: AbortSignal.timeout(20_000) };
    return (await resolver.ask({ ...question, timeoutMs: 10_000 })).values.join('+');
  };
  return [await ask('mail.move.test', 'A'), await ask(ZONE, 'MX'), await ask('who.move.test', 'TXT')].join(' | ');
}
const ON = (n: number): string => `10.0.0.${n} | 10 n${n}.move.test | n${n}`;

/** The real port, and `meanwhile` before the first update goes out: that node was frozen just there. */
function frozen(meanwhile: () => Promise<unknown>) {
  let thawed = false;
  return hostPorts({
    secrets,
    udp: {
      ...udp,
      async ask(question) {
        if (((question.bytes[2] ?? 0) >> 3) % 16 === 5 && !thawed) {
          thawed = true;
          await meanwhile();
        }
        return udp.ask(question);
      },
    },
  });
}

const SERVERS: Readonly<Record<string, () => Promise<Server & { readonly port: number }>>> = {
  BIND: () =>
    startBind({ [ZONE]: `${SET}\n${OTHERS}` }, `${block('mover', 'hmac-sha256')}${block('long', 'hmac-sha512')}`),
  Knot: () => startKnot(ZONE, `${SET}\n${OTHERS}`, KEY),
};

for (const [product, start] of Object.entries(SERVERS)) {
  const test = suite(`switchover/dns on ${product}`);
  let server: Server & { readonly port: number };
  test.before(async () => {
    server = await start();
  });
  test.after(() => server.stop());
  const good = (got: { ok: boolean; detail: string } | undefined): void => assert.is(got?.ok, true, got?.detail);
  const refused = (got: { ok: boolean; detail: string } | undefined, why: RegExp): void => {
    assert.is(got?.ok, false, got?.detail);
    assert.match(got?.detail ?? '', why);
  };

  test('over and back: A, MX and TXT together, and again without a change', async () => {
    const over = context(server.port);
    good(await dns.ready?.(over));
    assert.is((await dns.probe(over)).state, 'undone');
    good(await dns.do(over));
    assert.is(await says(server.port), ON(2));
    assert.is((await dns.probe(over)).state, 'done');
    assert.match((await dns.do(over)).detail, /already/);
    good(await dns.undo(over, { force: false }));
    good(await dns.undo(over, { force: true }));
    assert.is(await says(server.port), ON(1));
    // A daemon that began anew remembers nothing, and knows the old node.
    good(await dns.do(context(server.port, { options: { key: 'env:SHORT' } })));
    good(await dns.undo(context(server.port), { force: false }));
    assert.is(await says(server.port), ON(1));
  });

  test('a node that was frozen before its update changes nothing', async () => {
    const later = context(server.port, { node: 'n3', to: 'n3', from: 'n1' });
    const ports = frozen(async () => good(await dns.do(later)));
    refused(await dns.do(context(server.port, { ports })), /somebody else has changed it meanwhile \(NXRRSET\)/);
    assert.is(await says(server.port), ON(3));
    // Nor does it take away what is not its own.
    good(await dns.undo(context(server.port), { force: false }));
    assert.is(await says(server.port), ON(3));
    good(await dns.undo(later, { force: false }));
    assert.is(await says(server.port), ON(1));
  });

  test('without the right nothing is changed', async () => {
    const lease = { epoch: 7, untilMs: () => clock.monotonic() - 1 };
    refused(await dns.do(context(server.port, { lease })), /the right to change it has ended/);
    assert.is(await says(server.port), ON(1));
  });

  test('a value of somebody else stays, and nothing beside it is changed', async () => {
    const records = [...RECORDS, { name: 'strange', type: 'A', value: { n1: '10.0.0.1', n2: '10.0.0.2' } }];
    const got = context(server.port, { options: { records } });
    refused(await dns.do(got), /strange\.move\.test A "192\.0\.2\.9" is of none of our nodes/);
    refused(await dns.ready?.(got), /192\.0\.2\.9/);
    assert.is(await says(server.port), ON(1));
    const forced = context(server.port, { options: { records, replace: true } });
    good(await dns.do(forced));
    assert.is(await says(server.port), ON(2));
    good(await dns.undo(forced, { force: false }));
    refused(await dns.do(got), /192\.0\.2\.9/);
    const alias = [{ name: 'alias', type: 'A', value: '10.0.0.1' }];
    refused(await dns.do(context(server.port, { options: { records: alias, replace: true } })), /is another name of/);
  });

  test('a name that is not there yet comes and goes', async () => {
    const records = [
      { name: '_imaps._tcp', type: 'SRV', value: '0 5 993 $to.host' },
      { name: 'new', type: 'AAAA', value: { n1: '2001:db8::1', n2: '2001:db8::2' } },
      { name: 'box', type: 'CNAME', value: '$to.host' },
      { name: '2.0.0.10', type: 'PTR', value: '$to.host.' },
      { name: 'two', type: 'A', value: '10.1.0.1' },
      { name: 'two', type: 'A', value: '10.1.0.2' },
    ];
    const got = context(server.port, { options: { records } });
    good(await dns.do(got));
    assert.is((await dns.probe(got)).state, 'done');
    good(await dns.undo(got, { force: false }));
    assert.match((await dns.probe(got)).detail, /box\.move\.test CNAME nothing/);
  });

  test('what is too long for UDP goes over TCP', async () => {
    const records = Array.from({ length: 30 }, (_, n) => ({
      name: 'list',
      type: 'TXT',
      value: `$to ${n} ${'x'.repeat(60)}`,
    }));
    const got = context(server.port, { options: { records, replace: true } });
    good(await dns.do(got));
    assert.is((await dns.probe(got)).state, 'done');
    good(await dns.undo(got, { force: false }));
  });

  test('a host of an MX without an address: what the server makes of it is told', async () => {
    const records = [...RECORDS, { name: 'sub', type: 'MX', value: '10 nowhere.move.test' }];
    const got = await dns.do(context(server.port, { options: { records } }));
    if (!got.ok) assert.match(got.detail, /REFUSED \(the key may not do so, or/);
    assert.is(got.ok, product === 'Knot', got.detail);
    good(await dns.undo(context(server.port), { force: false }));
    assert.is(await says(server.port), ON(1));
  });

  test('a wrong key, an unknown key, another zone, no key', async () => {
    const bad = (options: object) => context(server.port, { options });
    for (const key of ['env:WRONG', 'env:UNKNOWN']) {
      refused(await dns.do(bad({ key })), /NOTAUTH, the key is not accepted \(BAD(SIG|KEY)\)|REFUSED/);
      refused(await dns.ready?.(bad({ key })), /the key is not accepted|REFUSED/);
      assert.is((await dns.probe(bad({ key }))).state, 'unknown');
    }
    refused(await dns.do(bad({ key: 'env:NONE' })), /cannot be read/);
    refused(await dns.ready?.(bad({ zone: 'elsewhere.test' })), /REFUSED|NOTAUTH|SERVFAIL|authority/);
    refused(await dns.do(bad({ zone: 'elsewhere.test' })), /REFUSED|NOTAUTH|SERVFAIL|authority/);
    assert.is(await says(server.port), ON(1));
  });

  test('the next server when one is away', async () => {
    const away = await closedUdpPort();
    refused(await dns.do(context(away)), /127\.0\.0\.1: /);
    assert.is((await dns.probe(context(away))).state, 'unknown');
    const got = context(server.port, { options: { server: ['127.0.0.77', '127.0.0.1'] } });
    good(await dns.ready?.(got));
    good(await dns.do(got));
    good(await dns.undo(got, { force: false }));
    assert.is(await says(server.port), ON(1));
  });
  test.run();
}
