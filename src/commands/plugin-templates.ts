// What `watchkeeper plugin new` writes: a small plugin of each kind that works, keeps the contract, and is easily
// changed.
import { API } from '../contract/definition.ts';
import type { PluginKind } from '../registry.ts';

const head = (name: string, folder: string): string => `// ${name}: say here what it owns.
// Put it into /etc/watchkeeper/plugins/${folder}/; its name there, ${name}, is its type in the configuration.
// Test it: watchkeeper plugin test ${name}.js
`;

const check = (name: string): string => `${head(name, 'checks')}
import { defineCheck, fail, opt, pass, z } from 'watchkeeper/define';

/** The contract that it was written for. */
export const api = ${API};

export default defineCheck({
  about: 'Asks whether a server sends a line of text when somebody connects.',
  // 'quick' is asked every few seconds, 'deep' about once a minute, 'both' at both beats.
  depth: 'both',
  options: z.strictObject({
    host: opt.host('Host name or address.').default('127.0.0.1'),
    port: opt.port('TCP port.'),
    expect: opt.text('The line begins with this.').default(''),
  }),
  example: { port: 2000, expect: 'ready' },
  // Everything of the outside is in context.ports, and everything that waits gets context.signal. Trouble that can be
  // expected is an answer; what throws is taken for \`unknown\`, and nothing is repaired for it.
  async run({ options, ports, signal, timeoutMs }) {
    const { host, port, expect } = options;
    const where = \`\${host}:\${port}\`;
    let dialogue;
    try {
      dialogue = await ports.net.open({ host, port, timeoutMs, signal });
      const line = await dialogue.readLine();
      if (!line.startsWith(expect)) return fail('refusing', \`\${where} does not begin with "\${expect}"\`);
      return pass(\`\${where} answers\`, { metrics: [{ name: 'connect', value: dialogue.connectMs, unit: 'ms' }] });
    } catch (error) {
      // The cause decides which repair can help: dead, hung, refusing, misconfigured, no-space, dependency, …
      if (error.code === 'refused') return fail('dead', \`\${where} refuses the connection\`);
      if (error.code === 'timeout') return fail('hung', \`\${where} does not answer in time\`);
      throw error;
    } finally {
      dialogue?.close();
    }
  },
});
`;

const recovery = (name: string): string => `${head(name, 'recovery')}
import { defineRecovery, opt, z } from 'watchkeeper/define';

/** The contract that it was written for. */
export const api = ${API};

/** Runs the control program with one word. Arguments are a list, never a shell string. */
async function control({ options, ports, signal }, word) {
  const got = await ports.exec.run([options.program, word], { timeoutMs: 10_000, signal });
  return { ...got, text: \`\${options.program} \${word}: exit code \${got.code ?? 'none'}\` };
}

async function act(context, word) {
  const { code, text } = await control(context, word);
  return { ok: code === 0, detail: text };
}

export default defineRecovery({
  about: 'Runs a service by its control program, as an init script is called.',
  options: z.strictObject({
    program: opt.path('The control program: start, stop, and status with the exit codes of LSB.'),
  }),
  example: { program: '/etc/init.d/example' },
  // What is known, with evidence. Whether the service is well is for its checks to say.
  async inspect(context) {
    const answer = (state, detail) => ({ state, detail, byHand: false, evidence: {} });
    try {
      const { code, text } = await control(context, 'status');
      if (code === 0) return answer('running', text);
      if (code === 3) return answer('stopped', text);
      return answer(code === 1 || code === 2 ? 'failed' : 'unknown', text);
    } catch (error) {
      return answer('unknown', \`it could not be asked: \${error.message}\`);
    }
  },
  start: (context) => act(context, 'start'),
  // Has to end, whatever the service does: when the time is over, kill it.
  stop: (context) => act(context, 'stop'),
});
`;

const alert = (name: string): string => `${head(name, 'alerts')}
import { defineAlert, opt, z } from 'watchkeeper/define';

/** The contract that it was written for. */
export const api = ${API};

export default defineAlert({
  about: 'Hands each alert to a program: the summary as its argument, all of it as JSON on its standard input.',
  options: z.strictObject({
    run: opt.argv('The program and its first arguments.'),
  }),
  example: { run: ['/usr/local/bin/page'] },
  // A person hears one thread an incident; 'program': each alarm by itself; 'record': everything.
  reader: 'person',
  // 'sent', or { retry: why } and it comes again later, or { drop: why } and it is lost. The id is the same each time.
  async send({ id, time, notice }, { options, ports, signal, node }) {
    const { severity, summary } = notice;
    const input = JSON.stringify({ id, time, node, ...notice });
    const got = await ports.exec.run([...options.run, \`\${node}: \${severity}: \${summary}\`], {
      timeoutMs: 10_000,
      signal,
      input,
    });
    if (got.code === 0) return 'sent';
    return { retry: got.failed ?? \`exit code \${got.code ?? 'none'}\` };
  },
});
`;

const step = (name: string): string => `${head(name, 'switchover')}
import { defineStep, opt, z } from 'watchkeeper/define';

/** The contract that it was written for. */
export const api = ${API};

/** Runs the program with one word. Arguments are a list, never a shell string. */
async function control({ options, ports, signal, group }, word) {
  const argv = [options.program, word, group];
  const { code, failed } = await ports.exec.run(argv, { timeoutMs: 60_000, signal });
  return { code, detail: \`\${options.program} \${word}: \${failed ?? \`exit code \${code ?? 'none'}\`}\` };
}

export default defineStep({
  about: 'Attaches a thing to the active node by its control program.',
  options: z.strictObject({
    program: opt.path('The control program: attach, detach, and status: 0 it is attached, 3 it is not.'),
  }),
  example: { program: '/usr/local/sbin/thing' },
  // 'node': it is in place on one node at a time; 'shared': all see the same thing, and who comes changes it.
  scope: 'node',
  // 'unknown' is an answer: nothing is concluded from it.
  async probe(context) {
    const { code, detail } = await control(context, 'status');
    return { state: code === 0 ? 'done' : code === 3 ? 'undone' : 'unknown', detail };
  },
  // Both are called again after a crash at any moment: what is in place already is well.
  async do(context) {
    const { code, detail } = await control(context, 'attach');
    return { ok: code === 0, detail };
  },
  // Ok only when it is proved to be gone: the next node begins because of it. how.force: whatever it takes.
  async undo(context) {
    await control(context, 'detach');
    const { code, detail } = await control(context, 'status');
    return { ok: code === 3, detail };
  },
});
`;

const replication = (name: string): string => `${head(name, 'replication')}
import { defineReplication, opt, z } from 'watchkeeper/define';

/** The contract that it was written for. */
export const api = ${API};

export default defineReplication({
  about: 'Asks a program how many changes still wait to arrive at this copy.',
  options: z.strictObject({
    run: opt.argv('Prints the number of changes that wait, and ends with 0.'),
  }),
  example: { run: ['/usr/local/sbin/changes-waiting'] },
  // What cannot be told is null, never 0: a copy of which nothing is known may not take over where loss matters.
  async look({ options, ports, signal }) {
    const got = await ports.exec.run(options.run, { timeoutMs: 10_000, signal });
    const waiting = /^\\d{1,15}$/.test(got.stdout.trim()) ? Number(got.stdout) : null;
    if (got.code !== 0 || waiting === null)
      return { state: 'failed', queue: null, lagMs: null, detail: got.failed ?? \`exit code \${got.code ?? 'none'}\` };
    const state = waiting === 0 ? 'healthy' : 'synchronizing';
    return { state, queue: waiting, lagMs: waiting === 0 ? 0 : null, detail: \`\${waiting} changes wait\` };
  },
});
`;

const coordinator = (name: string): string => `${head(name, 'cluster')}
import { CoordinationError, defineCoordinator, opt, z } from 'watchkeeper/define';

/** The contract that it was written for. */
export const api = ${API};

/** What stands there as a record; its revision grows with every write of the whole store. */
const record = ({ key, value, revision }) => ({ key, value, revision });

export default defineCoordinator({
  about: 'Agrees through a store of small records that is asked by HTTP and compares before it writes.',
  options: z.strictObject({
    url: opt.text('Where the store is.'),
  }),
  example: { url: 'http://127.0.0.1:2380' },
  async open({ options, ports, prefix }) {
    /** Every call ends within its time or throws: silence is never an answer here. */
    const ask = async (verb, words, signal) => {
      let got;
      try {
        const body = JSON.stringify({ prefix, ...words });
        const url = \`\${options.url}/\${verb}\`;
        got = await ports.http.request({ url, method: 'POST', body, timeoutMs: 2000, signal });
        if (got.status === 200) return JSON.parse(got.body);
      } catch (error) {
        throw new CoordinationError('unreachable', error.message);
      }
      throw new CoordinationError(got.status === 403 ? 'denied' : 'failed', \`it answers \${got.status}\`);
    };
    const read = async (begin, signal) => {
      const { revision, records } = await ask('read', { begin }, signal);
      return { revision, records: records.map(record) };
    };
    return {
      read,
      // Only if the newest revision of the record is \`expect\`; 0: it is not there. The store has to compare.
      write: (key, value, expect, signal) => ask('write', { key, value, expect }, signal),
      publish: async (key, value, signal) => (await ask('publish', { key, value }, signal)).revision,
      // Each change once and in order. Here it asks every second; a store that tells by itself is better.
      watch(begin, after, on) {
        const stop = new AbortController();
        let seen = after;
        const look = async () => {
          const { changes, revision } = await ask('changes', { begin, after: seen }, stop.signal);
          if (!stop.signal.aborted) for (const change of changes) on.change(record(change));
          seen = revision;
          on.silent(0);
        };
        const since = ports.clock.monotonic();
        const loop = async () => {
          while (!stop.signal.aborted) {
            await look().catch(() => stop.signal.aborted || on.silent(ports.clock.monotonic() - since));
            await ports.clock.sleep(1000, stop.signal);
          }
        };
        loop().catch(() => undefined);
        return { close: () => stop.abort() };
      },
      async members(signal) {
        const started = ports.clock.monotonic();
        await read('', signal);
        const ms = ports.clock.monotonic() - started;
        return [{ name: 'store', endpoint: options.url, ok: true, leader: true, detail: 'it answers', ms }];
      },
      close: async () => undefined,
    };
  },
});
`;

export const templates: Readonly<Record<PluginKind, (name: string) => string>> = {
  checks: check,
  recovery,
  alerts: alert,
  switchover: step,
  replication,
  cluster: coordinator,
};
