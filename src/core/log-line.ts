// Does a line of a log fit a pattern? Plain text and `*` for any text, nothing more: both the pattern's author and the
// line's are strangers, and a regular expression can be made to think for hours. One pass over the line.

/** The whole line must fit: what others can put into the middle of one does not look like a line of its own. */
export function matches(pattern: string, line: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (!line.startsWith(first)) return false;
  const last = rest.pop();
  if (last === undefined) return line === first;
  let from = first.length;
  for (const piece of rest) {
    const found = line.indexOf(piece, from);
    if (found < 0) return false;
    from = found + piece.length;
  }
  return line.length - last.length >= from && line.endsWith(last);
}
