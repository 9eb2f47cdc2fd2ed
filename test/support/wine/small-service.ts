// A small Windows service without a wrapper: Node itself, which calls the service dispatcher through koffi. It runs
// under Wine only. argv: NAME MODE PORT. It says `220 NAME` to whoever connects.
//
//   fine      starts, serves, stops      mute   never reports RUNNING      deaf   takes the stop control and goes on
//   code42    ends with a code of its own at once
import { createServer } from 'node:net';
import koffi from 'koffi';

const [name = '', mode = '', port = '0'] = process.argv.slice(2);
const STOPPED = 1;
const START_PENDING = 2;
const STOP_PENDING = 3;
const RUNNING = 4;
const OWN_PROCESS = 0x10;
const CONTROL_STOP = 1;
const SERVICE_SPECIFIC = 1066;

const advapi = koffi.load('advapi32.dll');
const words = ['type', 'state', 'accepts', 'win32Exit', 'serviceExit', 'checkPoint', 'waitHint'];
koffi.struct('SERVICE_STATUS', Object.fromEntries(words.map((word) => [word, 'uint32'])));
const Main = koffi.proto('void __stdcall ServiceMain(uint32 count, void *words)');
const Control = koffi.proto('uint32 __stdcall ServiceControl(uint32 code, uint32 type, void *data, void *context)');
const Entry = koffi.struct('SERVICE_TABLE_ENTRYW', { name: 'str16', main: koffi.pointer(Main) });
const dispatch = advapi.func('StartServiceCtrlDispatcherW', 'int', [koffi.pointer(Entry)]);
const register = advapi.func('void *__stdcall RegisterServiceCtrlHandlerExW(str16 name, ServiceControl *c, void *x)');
const setStatus = advapi.func('int __stdcall SetServiceStatus(void *handle, SERVICE_STATUS *status)');

let handle: unknown = null;
function report(state: number, waitHint = 0, win32Exit = 0, serviceExit = 0): void {
  const accepts = state === RUNNING ? 1 : 0;
  setStatus(handle, { type: OWN_PROCESS, state, accepts, win32Exit, serviceExit, checkPoint: 0, waitHint });
}
function end(...codes: number[]): void {
  report(STOPPED, 0, ...codes);
  setTimeout(() => process.exit(0), 100);
}

const onControl = koffi.register((code: number) => {
  if (code !== CONTROL_STOP) return 0;
  report(STOP_PENDING, 3000);
  if (mode !== 'deaf') setTimeout(end, 100);
  return 0;
}, koffi.pointer(Control));

const onMain = koffi.register(() => {
  handle = register(name, onControl, null);
  report(START_PENDING, 3000);
  if (mode === 'mute') return;
  if (mode === 'code42') return end(SERVICE_SPECIFIC, 42);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(`220 ${name}\r\n`);
  });
  server.on('error', () => end(SERVICE_SPECIFIC, 1));
  server.listen(Number(port), '127.0.0.1', () => report(RUNNING));
}, koffi.pointer(Main));

dispatch.async(
  [
    { name, main: onMain },
    { name: null, main: null },
  ],
  () => undefined,
);
setInterval(() => undefined, 1000);
