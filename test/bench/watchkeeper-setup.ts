// Watchkeeper's configuration for the benchmark: as fast as monit's, and without the budgets that would stop a repair
// that is asked for again and again on purpose.
const FAST = `    quick: { every: 1s, timeout: 1s, fall: 1 }
    deep: { every: 5m, timeout: 2s }
`;
const PATIENT = `    recover:
      attempts: 100
      window: 1h
      backoff: { first: 1s, factor: 1, max: 1s }
      flapping: { changes: 100, window: 10m, calm: 10s }
`;

export const twoServices = `node: bench
repairs: { max: 1000, window: 1h }
services:
  store:
    kit: dovecot
${FAST}${PATIENT}  mta:
    kit: postfix
${FAST}${PATIENT}`;

/** Services of responder.ts: SMTP on even ports, IMAP on odd ones. */
export function manyServices(first: number, count: number): string {
  const one = (port: number): string => `  s${port}:
    checks: [ { type: ${port % 2 === 0 ? 'smtp' : 'imap'}, host: 127.0.0.1, port: ${port} } ]
${FAST}`;
  return `node: bench\nservices:\n${Array.from({ length: count }, (_, index) => one(first + index)).join('')}`;
}
