// What tests of mail alerts share: a channel on receivers of their own, what came, and a resolver that answers as told.
import PostalMime, { type Email } from 'postal-mime';
import smtp from '../../src/alerts/smtp.ts';
import type { AlertChannel, Ports } from '../../src/define.ts';
import type { DnsAnswer, DnsQuestion } from '../../src/ports/dns.ts';
import { mailReceiver, type Receiver, type ReceiverOptions } from './mail-receiver.ts';
import { type TestChannel, type TestDoors, testChannel } from './send-alert.ts';

export const FROM = 'watchkeeper@n1.example.org';
export const OPS = 'ops@example.org';
export const ROOT = 'root@example.org';

const open: Receiver[] = [];
/** Ends all that `receiver` started. */
export const stopReceivers = async (): Promise<void> => {
  await Promise.all(open.splice(0).map((one) => one.stop()));
};
export async function receiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const one = await mailReceiver(options);
  open.push(one);
  return one;
}

export const at = ({ port }: { port: number }): string => `smtp://127.0.0.1:${port}`;
export const mailChannel = (via: readonly unknown[], more: object = {}, doors: TestDoors = {}): TestChannel =>
  testChannel(smtp as unknown as AlertChannel, { to: [OPS], from: FROM, via, timeout: '2s', ...more }, doors);
export const readMail = (one: Receiver, index = 0): Promise<Email> => PostalMime.parse(one.mails[index]?.raw ?? '');
export const header = (mail: Email, name: string): string | undefined =>
  mail.headers.find(({ key }) => key === name)?.value;
/** Why it was not sent; the word itself when it was. */
export const fault = (result: unknown): string =>
  String((result as { retry?: string }).retry ?? (result as { drop?: string }).drop ?? result);

/** Answers of a resolver, by name and type, or by server, name and type. */
export function fakeDns(records: Readonly<Record<string, readonly string[] | DnsAnswer['code']>>): Partial<Ports> {
  const ask = ({ name, type, server = 'system' }: DnsQuestion): Promise<DnsAnswer> => {
    const found = records[`${server} ${name} ${type}`] ?? records[`${name} ${type}`] ?? 'no-data';
    const code = typeof found === 'string' ? found : 'ok';
    return Promise.resolve({ code, server, values: typeof found === 'string' ? [] : found, ms: 1 });
  };
  return { dns: { ask } };
}
