// Text from outside, made fit for a sentence: printable, on one line, not too long, in quotes.
import { clean } from '../core/clean.ts';

/** The text on one line, at most `max` bytes. */
export const plain = (text: string, max = 160): string => clean(text.trim(), max);

export const quote = (text: string, max = 160): string => `"${plain(text, max)}"`;
