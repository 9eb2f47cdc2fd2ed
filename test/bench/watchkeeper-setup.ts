// Watchkeeper's configuration for the benchmark: as fast as monit's, and without the budgets that would stop a repair
// that is asked for again and again on purpose.
const FAST = `    quick: { every: 1s, timeout: 1s, fall: 1 }
    deep: { every: 1h, timeout: 20s }
`;
const PATIENT = `    recover: { attempts: 1000, window: 30m, stable: 1s }
`;

export const twoServices = `node: bench
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
