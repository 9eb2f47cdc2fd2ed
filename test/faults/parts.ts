// One process of many stands still. The rest of the service is well, and its master would start another.
import { eventually, sleep } from '../lab/command.ts';
import type { MailNode, Unit } from '../lab/mail-node.ts';
import { membersOf } from '../lab/mail-node.ts';
import { type NodeProcess, signal } from '../lab/processes.ts';
import { type Fault, partCures, restartCures } from './fault.ts';

async function find(mail: MailNode, unit: Unit, ends: string): Promise<readonly NodeProcess[]> {
  const found = membersOf(mail.node, unit).filter((each) => each.exe.endsWith(ends));
  if (found.length === 0) throw new Error(`no process of ${unit} runs ${ends}`);
  return found;
}

/** A mail to ourselves first, so that the process is there; and when it went through, nobody is busy with it. */
async function oneMail({ node }: MailNode): Promise<void> {
  await node.attempt(['swaks', '--server', '127.0.0.1', '--to', 'bob@lab.test', '--from', 'ann@lab.test']);
  await eventually('an empty queue', async () => (await node.exec(['postqueue', '-j'])).trim() === '', 10_000);
  await sleep(500);
}

const lmtpStopped: Fault = {
  name: 'lmtp-stopped',
  about: "Dovecot's lmtp is stopped: mail is accepted, and stays in the queue",
  breaks: 'mail',
  expects: partCures('store', ['hung'], /lmtp .*stopped/i),
  units: ['dovecot', 'postfix@-'],
  inject: async (mail) => {
    await oneMail(mail);
    signal(await find(mail, 'dovecot', '/dovecot/lmtp'), 'SIGSTOP');
  },
};

const cleanupStopped: Fault = {
  name: 'cleanup-stopped',
  about: "Postfix' cleanup is stopped: mails hang after DATA",
  breaks: 'mail',
  expects: partCures('mta', ['hung'], /cleanup .*stopped/i),
  units: ['postfix@-'],
  inject: async (mail) => {
    await oneMail(mail);
    signal(await find(mail, 'postfix@-', '/cleanup'), 'SIGSTOP');
  },
};

const rewriteStopped: Fault = {
  name: 'trivial-rewrite-stopped',
  about: "Postfix' trivial-rewrite is stopped: every recipient waits",
  breaks: 'mail',
  expects: partCures('mta', ['hung'], /trivial-rewrit\S* .*stopped/i),
  units: ['postfix@-'],
  inject: async (mail) => {
    await oneMail(mail);
    signal(await find(mail, 'postfix@-', '/trivial-rewrite'), 'SIGSTOP');
  },
};

const workerStopped: Fault = {
  name: 'nginx-worker-stopped',
  about: 'the only worker of nginx is stopped; its master runs on',
  breaks: 'page',
  expects: {
    ...restartCures('web', ['hung'], /nginx .*stopped|answer/i),
    rungs: ['part', 'restart', 'kill-and-start'],
  },
  units: ['nginx'],
  inject: async (mail) => {
    const all = membersOf(mail.node, 'nginx');
    signal(
      all.filter((each) => all.some((other) => other.pid === each.parent)),
      'SIGSTOP',
    );
  },
};

export const partFaults: readonly Fault[] = [lmtpStopped, cleanupStopped, rewriteStopped, workerStopped];
