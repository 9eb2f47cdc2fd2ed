// Starts the children that touch disks for us, one at a time a folder: while one is stuck no second one is started.
import type { CheckContext } from '../define.ts';
import { type DiskAnswer, type DiskQuestion, probeArgv } from '../ports/disk.ts';
import type { ExecResult } from '../ports/exec.ts';

/** What a child that touches a file system came back with. */
export type Child =
  | { readonly is: 'answer'; readonly result: ExecResult }
  /** It has not come back; `ms` since the first that did not. */
  | { readonly is: 'stuck'; readonly ms: number }
  /** It could not be started: nothing is known about the disk. */
  | { readonly is: 'not-run'; readonly why: string };

type Context = Pick<CheckContext<unknown>, 'ports' | 'signal' | 'timeoutMs' | 'memory'>;

/** exec needs up to 200 ms to give up on a child that cannot die. */
const GIVE_UP_MS = 300;
let marks = 0;

/** `argv` is made with a mark in it, by which a stuck child is found again in the table of processes. */
export async function runOnDisk(
  context: Context,
  argv: (mark: string) => readonly string[],
  input?: string,
): Promise<Child> {
  const { memory, ports } = context;
  const stuck = memory.get('stuck') as { mark: string; since: number } | undefined;
  const now = ports.clock.monotonic();
  if (stuck) {
    const there = ports.proc
      .byArgv(new RegExp(`${stuck.mark}\\b`))
      .some((one) => one.state !== 'Z' && one.state !== 'X');
    if (there) return { is: 'stuck', ms: now - stuck.since };
    memory.delete('stuck');
  }
  const mark = `wk-disk-${process.pid}-${(marks += 1)}`;
  const timeoutMs = Math.max(50, context.timeoutMs - GIVE_UP_MS);
  const result = await ports.exec.run(argv(mark), {
    timeoutMs,
    signal: context.signal,
    maxBytes: 16_384,
    ...(input ? { input } : {}),
  });
  if (result.failed) return { is: 'not-run', why: result.failed };
  if (!result.timedOut) return { is: 'answer', result };
  memory.set('stuck', { mark, since: now });
  return { is: 'stuck', ms: result.ms };
}

const BYTES = 4096;

/** The hard question, `samples` times. */
export function probeDisk(context: Context, folder: string, samples: number): Promise<Child> {
  const question: DiskQuestion = { folder, samples, bytes: BYTES };
  return runOnDisk(context, probeArgv, JSON.stringify(question));
}

export function parseAnswer(text: string): DiskAnswer | null {
  try {
    const got = JSON.parse(text) as DiskAnswer;
    return typeof got.ok === 'boolean' ? got : null;
  } catch {
    return null;
  }
}
