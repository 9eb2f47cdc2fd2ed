// The answers of a small SMTP or LMTP server, for `hostile('scripted', …)`.
import type { HostileOptions } from './hostile.ts';

const EHLO = '250-mail.test\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n';

/** Answers by the first word of the command; `changes` replace some. */
export function script(
  changes: Readonly<Record<string, string | null>> = {},
  log: string[] = [],
): NonNullable<HostileOptions['answer']> {
  const answers: Readonly<Record<string, string | null>> = {
    EHLO,
    LHLO: '250 mail.test\r\n',
    STARTTLS: '220 go ahead\r\n',
    AUTH: '235 2.7.0 welcome\r\n',
    MAIL: '250 2.1.0 ok\r\n',
    'RCPT TO:<probe@mail.test>': '250 2.1.5 ok\r\n',
    RCPT: '554 5.7.1 relay access denied\r\n',
    RSET: '250 2.0.0 ok\r\n',
    QUIT: '221 bye\r\n',
    ...changes,
  };
  return (line) => {
    log.push(line);
    if (line in answers) return answers[line];
    const word = line.split(' ')[0]?.toUpperCase() ?? '';
    return word in answers ? answers[word] : '500 5.5.2 what?\r\n';
  };
}
