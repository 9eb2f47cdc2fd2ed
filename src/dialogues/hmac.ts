// A signature by which a receiver knows that a body came from us, and when.

/** HMAC-SHA256 of `TIMESTAMP.BODY`, in hex (RFC 2104). */
export async function signature(key: string, timestamp: string, body: string): Promise<string> {
  const bytes = new TextEncoder();
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const held = await crypto.subtle.importKey('raw', bytes.encode(key), algorithm, false, ['sign']);
  const signed = await crypto.subtle.sign('HMAC', held, bytes.encode(`${timestamp}.${body}`));
  return Buffer.from(signed).toString('hex');
}
