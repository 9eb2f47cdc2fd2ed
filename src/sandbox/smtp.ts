// What the two smtp-server listeners of the sandbox share: plain loopback without TLS, refusals with a code, bounded
// mails.
import type { SMTPServerDataStream, SMTPServerOptions } from 'smtp-server';

/** The largest mail that the sandbox takes. */
export const maxMailBytes = 262_144;

export const common: SMTPServerOptions = {
  // No certificate can be made with Node alone, and one that everybody has would only look like safety.
  disabledCommands: ['STARTTLS'],
  disableReverseLookup: true,
  logger: false,
  size: maxMailBytes,
  rejectOversized: true,
  socketTimeout: 30_000,
  maxClients: 100,
};

/** An answer such as `452 4.3.1 …` for the callbacks of smtp-server. */
export function refusal(responseCode: number, text: string): Error & { responseCode: number } {
  return Object.assign(new Error(text), { responseCode });
}

/** A mail from its stream, cut at the size limit: beyond it the answer is 552 whatever we do. */
export async function readMail(stream: SMTPServerDataStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= maxMailBytes) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** True for `user@domain` of the sandbox; the rest is either a stranger or a user that is not there. */
export function addressOf(address: string, domain: string): { readonly user: string; readonly ours: boolean } {
  const at = address.lastIndexOf('@');
  return { user: address.slice(0, at).toLowerCase(), ours: address.slice(at + 1).toLowerCase() === domain };
}
