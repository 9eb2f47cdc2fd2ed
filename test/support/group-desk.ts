// The control routes of daemons that share one store and one virtual clock: a question is asked while time goes on.
import { controlApp } from '../../src/daemon/control.ts';
import type { World } from './cluster-machines.ts';

export interface Said {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test looks at it knows
  readonly body: any;
}

export async function ask({ clock, node }: World, name: string, path: string, body?: object): Promise<Said> {
  const { daemon } = node(name);
  if (!daemon) throw new Error(`${name} does not run`);
  const nothing = async (): Promise<readonly string[]> => [];
  const app = controlApp({
    ...{ daemon, wall: () => clock.wall(), reload: nothing, history: null },
    preview: async () => ({ problems: [], text: '' }),
  });
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  let done = false;
  const asked = Promise.resolve(app.request(path, init)).finally(() => {
    done = true;
  });
  for (let turn = 0; turn < 2000 && !done; turn++) {
    await clock.run(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const answer = await asked;
  return { status: answer.status, body: await answer.json() };
}
