// The pages, cookies and log lines of Roundcube 1.6, and a login against a server that plays one.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/roundcube.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { formToken, keepCookies, mailList, messageIn, reasonIn, requestToken } from '../../src/dialogues/roundcube.ts';
import { type RunOptions, runCheck } from '../support/check.ts';

const test = suite('roundcube');

const FORM = `<form><input type="hidden" name="_token" value="aB1-_c"><input type="hidden" name="_task" value="login">
<input name="_user"><input name="_pass" type="password"></form>`;
const OOPS = '<title>Internal Error</title><p>Oops... something went wrong!</p>';
const MAIL = '<script>rcmail.set_env({"task":"mail","request_token":"tick3t"});</script>';
const LIST = '{"action":"list","env":{"mailbox":"INBOX","exists":7},"exec":"this.set_unread_count(\\"INBOX\\",0);"}';
const says = (text: string, kind: string): string => `${FORM}<script>rcmail.display_message("${text}","${kind}",0);`;

test('pages', () => {
  assert.is(formToken(FORM), 'aB1-_c');
  assert.is(formToken(FORM.replace('_pass', '_other')), null, 'no login form');
  assert.is(formToken(OOPS), null);
  assert.is(requestToken(MAIL), 'tick3t');
  assert.equal(messageIn(says('Login failed.', 'warning')), { text: 'Login failed.', bad: true });
  assert.equal(messageIn(says('Saved', 'confirmation')), { text: 'Saved', bad: false });
  assert.equal(mailList(LIST), { messages: 7, message: null });
  const error = JSON.stringify({ action: 'list', exec: 'this.display_message("Server Error!","error",0);' });
  assert.equal(mailList(error)?.message, { text: 'Server Error!', bad: true });
  for (const junk of ['', 'null', '[]', '{}', '{"action":"list"}', FORM]) assert.is(mailList(junk), null, junk);
});

test('cookies', () => {
  const jar = new Map<string, string>();
  keepCookies(jar, ['roundcube_sessid=abc; path=/; HttpOnly', 'roundcube_sessauth=x-1; path=/']);
  keepCookies(jar, ['roundcube_sessauth=-del-; expires=…', 'bad name=1', 'x', `long=${'9'.repeat(5000)}`]);
  assert.equal([...jar], [['roundcube_sessid', 'abc']]);
  keepCookies(
    jar,
    Array.from({ length: 100 }, (_, at) => `c${at}=1`),
  );
  assert.ok(jar.size <= 20);
});

const AT = Date.parse('25-Nov-2026 19:31:58 +0000');
test('its log: the newest since the question, of the database first, and no word of users in it', () => {
  const old = '[25-Nov-2026 19:00:00 +0000]: <aaaa> DB Error: old (GET /)';
  const log = `${old}
[25-Nov-2026 19:31:58 +0000]: <2knn9pcn> DB Error: [1] no such table: users (SQL Query: SELECT 'u1') in /x on line 578
#0 a trace
[25-Nov-2026 19:31:58 +0000]: <2knn9pcn> PHP Error: Failed to create new user in /x on line 726
`;
  assert.equal(reasonIn(log, AT), {
    cause: 'misconfigured',
    database: true,
    text: 'DB Error: [1] no such table: users',
  });
  assert.is(reasonIn(old, AT), null);
  const causes: readonly [string, string][] = [
    ['DB Error: SQLSTATE[HY000] [2002] Connection refused', 'dependency'],
    ['DB Error: SQLSTATE[HY000] [14] unable to open database file', 'dependency'],
    ["DB Error: SQLSTATE[HY000] [1045] Access denied for user 'rc'", 'misconfigured'],
    ['DB Error: could not find driver in /x', 'misconfigured'],
    ['DB Error: [13] database or disk is full', 'no-space'],
    ['PHP Fatal error:  Uncaught Error: Undefined constant', 'misconfigured'],
  ];
  for (const [text, cause] of causes)
    assert.is(reasonIn(`[25-Nov-2026 19:31:58 +0000]: <x> ${text}\n`, AT)?.cause, cause, text);
  const dsn = reasonIn('[25-Nov-2026 19:31:58 UTC] PHP Warning: mysql://rc:s3cret@db/rc failed\n', AT);
  assert.is(dsn?.text, 'PHP Warning: mysql://…@db/rc failed');
  assert.is(reasonIn('[another format] DB Error: x\n', AT)?.text, 'DB Error: x');
});

interface Page {
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** It never answers. */
  readonly silent?: boolean;
}
const well: Readonly<Record<string, Page>> = {
  'GET login': { body: FORM, headers: { 'set-cookie': 'sessid=one; path=/' } },
  'POST login': {
    status: 302,
    headers: { location: './?_task=mail&_token=t0ken', 'set-cookie': ['sessid=two; path=/', 'sessauth=yes'] },
  },
  'GET mail': { body: MAIL },
  'GET mail list': { body: LIST },
  'GET logout': { body: FORM },
};

let folder = '';
let server: Server;
let url = '';
let pages: Readonly<Record<string, Page>> = well;
const asked: { what: string; cookie: string; body: string; ticket: unknown }[] = [];
async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wk-roundcube-'));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const query = new URL(request.url ?? '', 'http://x').searchParams;
    const what = [request.method, query.get('_task'), query.get('_action')].filter(Boolean).join(' ');
    const { headers } = request;
    const body = await bodyOf(request);
    asked.push({ what, cookie: headers.cookie ?? '', body, ticket: headers['x-roundcube-request'] });
    const page = pages[what] ?? { status: 404 };
    if (!page.silent) response.writeHead(page.status ?? 200, page.headers ?? {}).end(page.body ?? '');
  };
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/`;
});
test.after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (changes: Readonly<Record<string, Page>> = {}, how: RunOptions = {}): Promise<CheckResult> => {
  pages = { ...well, ...changes };
  asked.length = 0;
  const account = { user: 'probe@lab.test', password: 'env:LAB_PASSWORD', log: join(folder, 'errors.log') };
  return runCheck(check as unknown as Check, { url, ...account }, { depth: 'deep', ...how });
};
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;

test('a login, as a browser does it, and a goodbye', async () => {
  assert.is(said(await run({}, { depth: 'quick' })), 'pass/-');
  assert.is(asked.length, 1);
  const result = await run();
  assert.is(said(result), 'pass/-', result.detail);
  assert.is(result.metrics?.find(({ name }) => name === 'messages')?.value, 7);
  const whats = ['GET login', 'POST login', 'GET mail', 'GET mail list', 'GET logout'];
  assert.equal(
    asked.map(({ what }) => what),
    whats,
  );
  const form = new URLSearchParams(asked[1]?.body);
  assert.equal([form.get('_token'), form.get('_user'), form.get('_pass')], ['aB1-_c', 'probe@lab.test', 'pw']);
  assert.is(asked[1]?.cookie, 'sessid=one');
  assert.is(asked[2]?.cookie, 'sessid=two; sessauth=yes');
  assert.is(asked[3]?.ticket, 'tick3t');
  assert.not.match(JSON.stringify(result), /t0ken|sessauth|tick3t/);
});

test('what goes wrong, and where', async () => {
  const login = (text: string): Record<string, Page> => ({
    'POST login': { status: 401, body: says(text, 'warning') },
  });
  const table: readonly [Readonly<Record<string, Page>>, string, RegExp][] = [
    [{ 'GET login': { body: OOPS } }, 'fail/misconfigured', /200 and no login form, it says that something went wrong/],
    [{ 'GET login': { status: 500, body: OOPS } }, 'fail/misconfigured', /gives 500/],
    [{ 'GET login': { status: 502 } }, 'fail/dependency', /what runs PHP/],
    [{ 'GET login': { status: 503 } }, 'fail/overloaded', /503/],
    [{ 'GET login': { status: 301, headers: { location: 'https://x/' } } }, 'fail/misconfigured', /to "https:\/\/x\/"/],
    [{ 'GET login': { silent: true } }, 'fail/hung', /login page/],
    [{ 'POST login': { silent: true } }, 'fail/dependency', /waits, mostly for IMAP/],
    [{ 'POST login': { status: 504 } }, 'fail/dependency', /mostly for IMAP/],
    [{ 'POST login': { body: OOPS } }, 'fail/misconfigured', /not what was asked for/],
    [login('Login failed.'), 'degraded/credentials', /"Login failed."/],
    [login('Connection to storage server failed.'), 'fail/dependency', /storage server/],
    [login('Your session is invalid or expired.'), 'fail/misconfigured', /session/],
    [{ 'GET mail': { body: OOPS } }, 'fail/misconfigured', /the mail page/],
    [{ 'GET mail list': { body: 'x' } }, 'fail/misconfigured', /the list of mail/],
    [{ 'GET mail list': { silent: true } }, 'fail/dependency', /mostly for IMAP/],
    [{ 'GET logout': { status: 500 } }, 'pass/-', /users can log in/],
  ];
  for (const [changes, wanted, words] of table) {
    const result = await run(changes, { timeoutMs: 1500 });
    assert.is(said(result), wanted, `${JSON.stringify(changes)}: ${result.detail}`);
    assert.match(result.detail, words);
  }
});

test('its log says why, if it says it now', async () => {
  const path = join(folder, 'errors.log');
  const entry = (at: Date): string => `[${at.toUTCString().slice(5)}]: <x> DB Error: [14] unable to \u001b[2J open\n`;
  writeFileSync(path, entry(new Date()));
  const gone = await run({ 'GET login': { body: OOPS } });
  assert.is(said(gone), 'fail/dependency', gone.detail);
  assert.match(gone.detail, 'DB Error: [14] unable to');
  assert.not.match(gone.detail, /\p{Cc}/u);
  // It takes a fault of its database for a wrong password.
  const refused = await run({ 'POST login': { status: 401, body: says('Login failed.', 'warning') } });
  assert.is(said(refused), 'fail/dependency', refused.detail);
  writeFileSync(path, entry(new Date(Date.now() - 3_600_000)));
  assert.is(said(await run({ 'GET login': { body: OOPS } })), 'fail/misconfigured');
  writeFileSync(path, `${'x'.repeat(3_000_000)}\n`);
  assert.is(said(await run({ 'GET login': { body: OOPS } })), 'fail/misconfigured');
});

test('a user without a password is a mistake of the configuration', async () => {
  assert.is(said(await runCheck(check as unknown as Check, { url, user: 'u' })), 'unknown/-');
});

test.run();
