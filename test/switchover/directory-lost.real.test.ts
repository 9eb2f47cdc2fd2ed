// The answer to a change of a real OpenLDAP is cut off on its way, with the change made and with the change not made:
// the step reads what stands there and goes on from that.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StepContext } from '../../src/define.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { openStore } from '../../src/ports/store.ts';
import directory from '../../src/switchover/directory.ts';
import { hostPorts } from '../support/host.ts';
import { lives } from '../support/pids.ts';
import { ADMIN, type Slapd, SUFFIX, startSlapd } from '../support/slapd.ts';

const test = suite('switchover/directory, answers that are lost');
const USERS = 60;
/** What a request carries: the end of a transaction, and a change of one entry. */
const COMMIT = '1.3.6.1.1.21.3';
const CHANGE = 'mailHost';

/** slapd 2.5 crashes when a client of a transaction disappears in the moment in which it was answered: a thread is at
 *  work there still. Nobody can help that from outside, so the line is cut a moment later. */
const SETTLED_MS = 30;

interface Cut {
  /** The request whose answer does not come, and which one of them. */
  readonly at: string;
  readonly nth: number;
  /** Did the server get it? */
  readonly made: boolean;
  /** So many connections are cut; then all goes through. */
  times: number;
}

let slapd: Slapd;
let state = '';
let cut: Cut | null = null;
let cuts = 0;
const sockets = new Set<Socket>();

function through(client: Socket): void {
  const server = connect(slapd.port, '127.0.0.1');
  let seen = 0;
  let deaf = false;
  let made = true;
  const hangUp = (): void => void setTimeout(() => client.destroy(), SETTLED_MS);
  for (const one of [client, server]) {
    sockets.add(one);
    one.on('error', () => undefined);
    one.on('close', () => {
      sockets.delete(one);
      client.destroy();
      server.destroy();
    });
  }
  client.on('data', (piece: Buffer) => {
    if (cut && cut.times > 0) {
      seen += piece.toString('latin1').split(cut.at).length - 1;
      if (seen >= cut.nth && !deaf) {
        deaf = true;
        cut.times -= 1;
        cuts += 1;
        ({ made } = cut);
        if (!made) return hangUp();
      }
    }
    if (made) server.write(piece);
  });
  server.on('data', (piece: Buffer) => {
    // It was answered, so it was made: who asked does not hear of it.
    if (deaf) hangUp();
    else client.write(piece);
  });
}
const proxy = createServer(through);
const portOf = (): number => {
  const at = proxy.address();
  return typeof at === 'object' && at ? at.port : 0;
};

const count = (node: string): number =>
  execFileSync(
    'ldapsearch',
    [
      '-x',
      '-LLL',
      '-H',
      `ldap://127.0.0.1:${slapd.port}`,
      '-D',
      ADMIN,
      '-w',
      'pw',
      '-b',
      SUFFIX,
      `(mailHost=${node})`,
      '1.1',
    ],
    { encoding: 'utf8' },
  )
    .split('\n')
    .filter((line) => line.startsWith('dn:')).length;

let epoch = 5;
function context(from: string, to: string, patch: Partial<StepContext<never>> = {}): StepContext<never> {
  const options = {
    ...{ url: `ldap://127.0.0.1:${portOf()}`, tls: 'off', bind: ADMIN, password: 'env:LAB_PASSWORD', base: SUFFIX },
    ...{ filter: '(mailHost=$from)', set: { mailHost: '$to' } },
  };
  return {
    ...{
      options: directory.options.parse(options) as never,
      node: to,
      to,
      from,
      group: 'mail',
      step: 'people',
      words: {},
    },
    ports: hostPorts({ secrets: secretsFrom({ LAB_PASSWORD: 'pw' }), stores: { open: openStore } }),
    signal: AbortSignal.timeout(60_000),
    lease: { epoch, untilMs: () => Number.POSITIVE_INFINITY },
    ...{ planned: false, services: {} as never, memory: new Map(), stateDir: state, progress: () => undefined },
    ...patch,
  } as StepContext<never>;
}

test.before(async () => {
  state = mkdtempSync(join(tmpdir(), 'wkdl-'));
  const entries = Array.from(
    { length: USERS },
    (_, n) =>
      `dn: cn=user${n},${SUFFIX}\nobjectClass: organizationalRole\nobjectClass: inetLocalMailRecipient\n` +
      `cn: user${n}\nmailHost: n1\n\n`,
  );
  slapd = await startSlapd({
    entries: entries.join(''),
    global: 'include /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/misc.schema\n',
    database: 'index mailHost eq\n',
  });
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
});
test.after(async () => {
  for (const one of sockets) one.destroy();
  await new Promise((done) => proxy.close(done));
  await slapd?.stop();
  rmSync(state, { recursive: true, force: true });
});
test.before.each(() => {
  cuts = 0;
  epoch += 1;
});
test.after.each(() => {
  cut = null;
});

for (const made of [true, false])
  test(`the end of the transaction, ${made ? 'done' : 'not done'}: it is found out, all are changed and counted`, async () => {
    const [from, to] = made ? (['n1', 'n2'] as const) : (['n2', 'n1'] as const);
    cut = { at: COMMIT, nth: 1, made, times: 1 };
    const done = await directory.do(context(from, to));
    assert.is(cuts, 1);
    assert.ok(done.ok, done.detail);
    assert.match(done.detail, `${USERS} entries changed; an answer was lost`);
    assert.equal([count(from), count(to)], [0, USERS]);
    assert.is((await directory.probe(context(from, to))).state, 'done');
    // And the way back still knows them all.
    cut = { at: COMMIT, nth: 1, made, times: 1 };
    const back = await directory.undo(context(from, to), { force: false });
    assert.is(cuts, 2);
    assert.ok(back.ok, back.detail);
    assert.match(back.detail, `${USERS} entries changed; an answer was lost`);
    assert.equal([count(from), count(to)], [USERS, 0]);
    assert.ok((await directory.do(context(from, to))).ok);
  });

test('always lost: not ok, and whoever looks afterwards reads what stands there', async () => {
  cut = { at: COMMIT, nth: 1, made: false, times: 99 };
  const never = await directory.do(context('n1', 'n2'));
  assert.not.ok(never.ok);
  assert.match(never.detail, 'all or nothing is changed');
  assert.is(cuts, 4);
  cut = null;
  assert.equal(await directory.probe(context('n1', 'n2')), {
    state: 'undone',
    detail: `${USERS} entries have the old value`,
  });
});

test('the right has ended when the answer is lost: nothing more is tried, and probe tells what became of it', async () => {
  let until = Number.POSITIVE_INFINITY;
  cut = { at: COMMIT, nth: 1, made: true, times: 1 };
  const lease = { epoch, untilMs: () => (cuts > 0 ? until : Number.POSITIVE_INFINITY) };
  until = Number.NEGATIVE_INFINITY;
  const late = await directory.do(context('n1', 'n2', { lease }));
  assert.not.ok(late.ok);
  assert.is(cuts, 1);
  assert.is((await directory.probe(context('n1', 'n2'))).state, 'done');
  assert.is(count('n2'), USERS);
});

test('the right ends in the middle of a transaction: the server is told so, and nothing was changed', async () => {
  const before = slapd.log().length;
  let asked = 0;
  const lease = { epoch, untilMs: () => (++asked > 20 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY) };
  const late = await directory.do(context('n2', 'n1', { lease }));
  assert.not.ok(late.ok);
  assert.equal([count('n1'), count('n2')], [0, USERS]);
  const said = slapd.log().slice(before);
  const end = /(conn=\d+ op=\d+) EXT oid=1\.3\.6\.1\.1\.21\.3/.exec(said)?.[1];
  assert.ok(end, said.slice(-2000));
  assert.match(said, `${end} RESULT oid= err=0`);
});

test('without a transaction, if that is wanted', async () => {
  const before = slapd.log().length;
  const options = { ...(context('n2', 'n1').options as object), transaction: false } as never;
  assert.ok((await directory.do(context('n2', 'n1', { options }))).ok);
  assert.ok((await directory.undo(context('n2', 'n1', { options }), { force: false })).ok);
  assert.equal([count('n1'), count('n2')], [0, USERS]);
  assert.not.match(slapd.log().slice(before), '1.3.6.1.1.21.1');
});

test('in the middle of a transaction: nothing was changed by it, the server lives, and the next one changes all', async () => {
  const pid = slapd.pid();
  for (let n = 0; n < 20; n += 1) {
    epoch += 1;
    const [from, to] = n % 2 === 0 ? (['n2', 'n1'] as const) : (['n1', 'n2'] as const);
    cut = { at: CHANGE, nth: 5 + 2 * n, made: n % 3 > 0, times: 1 };
    const done = await directory.do(context(from, to));
    assert.is(cuts, n + 1);
    assert.ok(done.ok, done.detail);
    assert.match(done.detail, `${USERS} entries changed; an answer was lost`);
    assert.equal([count(from), count(to)], [0, USERS]);
  }
  assert.equal([slapd.pid(), lives(pid)], [pid, true]);
});

test.run();
