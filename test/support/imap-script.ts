// The answers of a small IMAP server with one mailbox, for `hostile('scripted', …)`.
import { good } from './certificates.ts';
import type { HostileOptions } from './hostile.ts';

export const GREETING = '* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n';
export type Answers = Readonly<Record<string, string | ((line: string) => string)>>;

/** A small server: answers by the command's first words, `$` stands for the tag. Remembers what was appended. */
export function server(changes: Answers = {}, log: string[] = []): HostileOptions {
  let token = '';
  let message = 0;
  let tag = '';
  const base: Answers = {
    CAPABILITY: '* CAPABILITY IMAP4rev1 STARTTLS UIDPLUS\r\n$ OK done\r\n',
    STARTTLS: '$ OK begin\r\n',
    LOGIN: '$ OK logged in\r\n',
    SELECT: '* 3 EXISTS\r\n* OK [UIDNEXT 7] next\r\n$ OK [READ-WRITE] selected\r\n',
    'UID SEARCH': () => (token ? '* SEARCH 7\r\n$ OK done\r\n' : '* SEARCH\r\n$ OK done\r\n'),
    'UID FETCH': () => {
      const header = `X-Watchkeeper-Probe: ${token}\r\n\r\n`;
      const date = 'INTERNALDATE "22-Nov-2026 13:00:00 +0000"';
      const item = `BODY[HEADER.FIELDS (X-WATCHKEEPER-PROBE)] {${header.length}}`;
      return `* 4 FETCH (UID 7 ${date} ${item}\r\n${header})\r\n$ OK done\r\n`;
    },
    'UID STORE': '$ OK done\r\n',
    'UID EXPUNGE': () => {
      token = '';
      return '* 4 EXPUNGE\r\n$ OK done\r\n';
    },
    LOGOUT: '* BYE see you\r\n$ OK done\r\n',
    APPENDED: '$ OK [APPENDUID 1 7] done\r\n',
    ...changes,
  };
  const reply = (key: string, line: string): string => {
    const found = base[key] ?? '$ BAD what?\r\n';
    return (typeof found === 'string' ? found : found(line)).replaceAll('$', tag);
  };
  return {
    greeting: GREETING,
    tls: good,
    answer: (line) => {
      if (message > 0) {
        message -= line.length + 2;
        token = /^X-Watchkeeper-Probe: (\S+)/.exec(line)?.[1] ?? token;
        return message > 0 ? '' : reply('APPENDED', line);
      }
      if (line === '') return '';
      log.push(line);
      tag = line.split(' ')[0] ?? '';
      const words = line.split(' ').slice(1);
      const size = /^APPEND .*\{(\d+)\}$/.exec(words.join(' '))?.[1];
      if (size && !('APPEND' in changes)) {
        message = Number(size);
        return '+ go\r\n';
      }
      const two = words.slice(0, 2).join(' ');
      return reply(two in base ? two : (words[0] ?? ''), line);
    },
  };
}
