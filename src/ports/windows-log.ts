// The event log of Windows. A source says where the text of an event is; this is made for sources whose message file is
// EventCreate.exe of Windows itself, which has the text `%1` for each number from 1 to 1000: then the event viewer
// shows the first text of an event as it is, and no file of ours has to be on the machine. Never waits for long.
import { clock } from './clock.ts';
import { type Answer, whyNoWin32, type Win32, win32 } from './win32.ts';

export interface WindowsEvent {
  /** Registered, or the viewer shows the texts behind a complaint that it lacks their description. */
  readonly source: string;
  /** From 1 to 1000. */
  readonly id: number;
  /** EVENTLOG_ERROR_TYPE, EVENTLOG_WARNING_TYPE, EVENTLOG_INFORMATION_TYPE */
  readonly type: 1 | 2 | 4;
  readonly texts: readonly string[];
}

type Delivery = 'sent' | { readonly retry: string };

const LIMIT_MS = 10_000;
/** Of each text, by the documentation of ReportEventW. */
const MAX_UNITS = 31_839;

export const hasEventLog = (): boolean => win32() !== null;

const failed = ({ got }: Answer): boolean => got === 0 || got === null || got === 0n;

async function report(api: Win32, { source, id, type, texts }: WindowsEvent): Promise<Delivery> {
  const opened = await api.openSource(null, source);
  if (failed(opened)) return { retry: `RegisterEventSourceW: error ${opened.error}` };
  try {
    const cut = texts.map((text) => text.slice(0, MAX_UNITS));
    const said = await api.reportEvent(opened.got, type, 0, id, null, cut.length, 0, [...cut, null], null);
    return failed(said) ? { retry: `ReportEventW: error ${said.error}` } : 'sent';
  } finally {
    await api.closeSource(opened.got);
  }
}

let underWay: Promise<Delivery> | null = null;

/** One at a time: a service that hangs costs one thread and no more. */
export async function reportEvent(event: WindowsEvent): Promise<Delivery> {
  const api = win32();
  if (!api) return { retry: whyNoWin32() };
  const limit = new AbortController();
  const late = clock
    .sleep(LIMIT_MS, limit.signal)
    .then((): Delivery => ({ retry: `the event log did not answer within ${LIMIT_MS / 1000} s` }))
    .catch((): Delivery => ({ retry: 'it was given up' }));
  if (underWay && (await Promise.race([underWay.then(() => null), late])) !== null) return late;
  const answer = report(api, event)
    .catch((error: unknown): Delivery => ({ retry: (error as Error).message }))
    .finally(() => {
      if (underWay === answer) underWay = null;
    });
  underWay = answer;
  const first = await Promise.race([answer, late]);
  limit.abort();
  return first;
}
