import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { certificates } from '../../src/commands/cluster.ts';
import { keyFits } from '../../src/ports/certificate.ts';

const test = suite('cluster certificates');

const home = mkdtempSync(join(tmpdir(), 'wk-certificates-'));
test.after(() => rmSync(home, { recursive: true, force: true }));

async function run(options: Parameters<typeof certificates>[0]): Promise<{ code: number; text: string }> {
  let text = '';
  const take = (more: string): void => {
    text += more;
  };
  const code = await certificates(options, { out: take, err: take, env: {}, isTty: false, width: 100 });
  return { code, text };
}
const pem = (...path: string[]): string => readFileSync(join(home, ...path), 'utf8');

test('an authority and a pair for each node, which fit each other and nobody else may read', async () => {
  const out = join(home, 'all');
  const { code, text } = await run({ nodes: 'n1=10.0.0.1+fd00::1,n2', out });
  assert.is(code, 0, text);
  assert.equal(readdirSync(out).sort(), ['authority.key', 'authority.pem', 'n1.key', 'n1.pem', 'n2.key', 'n2.pem']);
  assert.is(statSync(out).mode & 0o777, 0o700);
  for (const name of readdirSync(out)) assert.is(statSync(join(out, name)).mode & 0o777, 0o600, name);
  const authority = new X509Certificate(pem('all', 'authority.pem'));
  assert.ok(authority.ca);
  for (const node of ['n1', 'n2']) {
    const one = new X509Certificate(pem('all', `${node}.pem`));
    assert.ok(one.checkIssued(authority) && one.verify(authority.publicKey), node);
    assert.is(one.subject, `CN=${node}`);
    assert.is(keyFits(pem('all', `${node}.pem`), pem('all', `${node}.key`)), 'yes');
    // serverAuth and clientAuth.
    assert.equal(one.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    assert.is(one.ca, false);
  }
  const names = new X509Certificate(pem('all', 'n1.pem')).subjectAltName;
  assert.is(names, 'DNS:n1, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1');
});

test('one more node later is signed by the same authority; nothing is written over unless asked for', async () => {
  const out = join(home, 'later');
  assert.is((await run({ nodes: 'n1', out })).code, 0);
  const [authority, first] = [pem('later', 'authority.pem'), pem('later', 'n1.pem')];
  const again = await run({ nodes: 'n1,n2', out });
  assert.is(again.code, 64);
  assert.match(again.text, /--renew/);
  assert.not.ok(existsSync(join(out, 'n2.pem')), 'all or nothing');
  assert.is((await run({ nodes: 'n2', out })).code, 0);
  assert.is((await run({ nodes: 'n1', out, renew: true, days: '30' })).code, 0);
  assert.is(pem('later', 'authority.pem'), authority);
  assert.is.not(pem('later', 'n1.pem'), first);
  rmSync(join(out, 'authority.key'));
  assert.is((await run({ nodes: 'n3', out })).code, 64);
  assert.equal(
    readdirSync(out).filter((name) => name.startsWith('.')),
    [],
  );
});

for (const nodes of ['', 'n1,n1', 'n1,N1', '../x', 'a/b', 'n1=mail.test', 'n1\nn2', 'n1=10.0.0.1\nDNS:x', '-x', 'a,'])
  test(`nodes ${JSON.stringify(nodes)} are refused, and nothing is made`, async () => {
    const out = join(home, 'refused');
    const { code } = await run({ nodes, out });
    assert.is(code, 64);
    assert.not.ok(existsSync(out));
  });

for (const days of ['0', '-1', 'x', '99999'])
  test(`--days ${days} is refused`, async () => {
    assert.is((await run({ nodes: 'n1', out: join(home, 'refused'), days })).code, 64);
  });

test.run();
