// A calendar entry as crontab(5) has it, with optional seconds in front: judged field by field, so that what is taken
// from a file will run. Numbers, names, ranges, steps and lists; nothing else. Pure.

interface Field {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly words?: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const FIELDS: readonly Field[] = [
  { name: 'second', least: 0, most: 59 },
  { name: 'minute', least: 0, most: 59 },
  { name: 'hour', least: 0, most: 23 },
  { name: 'day of the month', least: 1, most: 31 },
  { name: 'month', least: 1, most: 12, words: MONTHS },
  { name: 'day of the week', least: 0, most: 7, words: WEEKDAYS },
];
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const PART = /^(?:\*|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:\/([0-9]{1,2}))?$/;

function valueOf(field: Field, text: string): number {
  const word = field.words?.indexOf(text) ?? -1;
  return word < 0 ? Number(text) : word + field.least;
}

/** The values that a field allows, or null when it is none. */
function valuesOf(field: Field, text: string): ReadonlySet<number> | null {
  const values = new Set<number>();
  for (const part of text.toLowerCase().split(',')) {
    const found = PART.exec(part);
    if (!found) return null;
    const [, from, to, step] = found;
    const low = from === undefined ? field.least : valueOf(field, from);
    const high = to === undefined ? (from === undefined ? field.most : low) : valueOf(field, to);
    const by = step === undefined ? 1 : Number(step);
    // A step over a single number means nothing (crontab(5)); NaN is in no order.
    const fits = low >= field.least && high <= field.most && low <= high && by >= 1;
    if (!fits || (step !== undefined && from !== undefined && to === undefined)) return null;
    for (let value = low; value <= high; value += by) values.add(value);
  }
  return values;
}

/** Why it is no calendar entry, or null when it is one. */
export function cronFault(text: string): string | null {
  const words = text.trim().split(/ +/);
  if (words.length !== 5 && words.length !== 6) return 'expected five or six fields as in crontab(5)';
  const fields = words.length === 6 ? FIELDS : FIELDS.slice(1);
  const values = new Map<string, ReadonlySet<number>>();
  for (const [index, field] of fields.entries()) {
    const found = valuesOf(field, words[index] ?? '');
    if (!found) return `the ${field.name} is ${field.least} to ${field.most}: not "${words[index]}"`;
    values.set(field.name, found);
  }
  const first = Math.min(...(values.get('day of the month') ?? []));
  const never = [...(values.get('month') ?? [])].every((month) => first > (DAYS[month - 1] ?? 0));
  return never ? `no month that it names has a day ${first}: it would never run` : null;
}
