#!/usr/bin/env node
// Eight threads more than libuv's four: a frozen file system must not stop DNS, timers' neighbours and crypto.
process.env.UV_THREADPOOL_SIZE ??= '16';
await import('../dist/src/main.js').catch((error) => {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND' || !String(error.message).includes('dist/src/main.js')) throw error;
  process.stderr.write('watchkeeper: not built yet; run `npm run build` once (or `npm start`)\n');
  process.exit(69);
});
