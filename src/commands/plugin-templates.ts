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

export const templates: Readonly<Partial<Record<PluginKind, (name: string) => string>>> = {
  checks: check,
  recovery,
  alerts: alert,
};
