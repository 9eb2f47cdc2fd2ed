// Text from outside, made fit for a sentence: no control characters, not too long, in quotes.

/** Control characters, and those that change the direction or hide text (Unicode Cc, Cf). */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The text on one line, at most `max` characters. */
export function plain(text: string, max = 160): string {
  const line = text
    .slice(0, max * 4)
    .replace(UNSEEN, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
  return line.length > max ? `${line.slice(0, max - 1)}…` : line;
}

export const quote = (text: string, max = 160): string => `"${plain(text, max)}"`;
