// The probe's own messages: how they look, and how they are told from everybody else's.

/** The header that marks a probe; its value is the token. */
export const PROBE_HEADER = 'X-Watchkeeper-Probe';
export const PROBE_SUBJECT = 'Watchkeeper probe';

const TOKEN = /^wk-[0-9a-f-]{36}$/;

/** A token that no earlier run had. */
export const newToken = (): string => `wk-${crypto.randomUUID()}`;

export const isToken = (text: string): boolean => TOKEN.test(text);

/** Says to people what it is, and to machines that no answer is wanted (RFC 3834). */
export const PROBE_TEXT =
  'Watchkeeper sent this message to see whether mail works. It is deleted by itself; nobody needs to answer.\r\n';

/** A whole message, for APPEND. */
export function probeMessage(token: string, to: string, wallMs: number): string {
  return [
    `From: Watchkeeper <${to}>`,
    `To: <${to}>`,
    `Subject: ${PROBE_SUBJECT}`,
    `Date: ${new Date(wallMs).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${token}@watchkeeper.invalid>`,
    'Auto-Submitted: auto-generated',
    `${PROBE_HEADER}: ${token}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    PROBE_TEXT,
  ].join('\r\n');
}
