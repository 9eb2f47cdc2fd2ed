// Makes text from outside printable: banners, log lines, names and replies are hostile. One line comes out, nothing in
// it can move a cursor, colour a terminal, turn the reading direction or forge a second line. Pure, and idempotent.

/** Controls (C0, C1, DEL), formats (bidi, zero width, soft hyphen, byte order mark, tags), halves of pairs, line and
 *  paragraph separators, and the letters of Hangul that are blank. */
const HOSTILE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]/u;
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0' };
const MARK = '…';
const MARK_BYTES = 3;

function visible(char: string, code: number): string {
  const named = NAMED[char];
  if (named !== undefined) return named;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

/** Bytes of one code point in UTF-8 (RFC 3629). */
function utf8Bytes(code: number): number {
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code < 0x10000 ? 3 : 4;
}

/** At most `maxBytes` (at least 3) of UTF-8, cut between characters and then ended by `…`. */
export function clean(text: string, maxBytes = 1024): string {
  // Each UTF-16 unit gives at least one byte, so no more than this needs to be looked at.
  const start = text.slice(0, maxBytes + 1);
  let out = '';
  let bytes = 0;
  let fits = '';
  for (const char of start) {
    const code = char.codePointAt(0) ?? 0;
    const shown = HOSTILE.test(char) ? visible(char, code) : char;
    const size = shown === char ? utf8Bytes(code) : shown.length;
    if (bytes + size > maxBytes) return fits + MARK;
    out += shown;
    bytes += size;
    if (bytes <= maxBytes - MARK_BYTES) fits = out;
  }
  return out;
}

/** Text from outside as a quotation within a sentence: `"220 mail ESMTP"`. */
export function quote(text: string, maxBytes = 200): string {
  return `"${clean(text.trimEnd(), maxBytes).replaceAll('"', "'")}"`;
}
