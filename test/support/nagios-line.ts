// Reads the one line of a monitoring plugin strictly by the guidelines of the Monitoring Plugins project, as a receiver
// would that forgives nothing. Throws with the rule that is broken.

export interface Datum {
  readonly label: string;
  readonly value: number;
  readonly unit: string;
  readonly warn: string;
  readonly crit: string;
  readonly min: string;
  readonly max: string;
}
export interface NagiosLine {
  readonly service: string;
  readonly state: string;
  readonly text: string;
  readonly data: readonly Datum[];
}

const NUMBER = '-?[0-9]+(?:\\.[0-9]+)?';
const RANGE = `(?:@?(?:(?:~|${NUMBER})?:)?(?:${NUMBER})?)`;
const DATUM = new RegExp(
  `^(?:'((?:[^'=]|'')+)'|([^'= ]+))=(?:(${NUMBER})(s|us|ms|%|B|KB|MB|TB|c)?|U)` +
    `(?:;(${RANGE})?(?:;(${RANGE})?(?:;(${NUMBER})?(?:;(${NUMBER})?)?)?)?)?$`,
);

function must(holds: boolean, rule: string): void {
  if (!holds) throw new Error(rule);
}

export function readNagios(output: string): NagiosLine {
  must(output.endsWith('\n') && output.indexOf('\n') === output.length - 1, 'one line with an end');
  const line = output.slice(0, -1);
  must(Buffer.byteLength(line) <= 4096, 'at most 4 KiB');
  must(!/[\p{Cc}]/u.test(line), 'no control characters');
  const [text = '', data, ...more] = line.split('|');
  must(more.length === 0, 'one pipe at most');
  const found = /^(\S.*?) (OK|WARNING|CRITICAL|UNKNOWN)(?: \([a-z-]+\))? - (.+?)\s*$/.exec(text);
  if (!found) throw new Error('SERVICE STATE - text');
  const [, service = '', state = '', rest = ''] = found;
  return { service, state, text: rest, data: data === undefined ? [] : readData(data.trim()) };
}

function readData(text: string): Datum[] {
  must(text !== '', 'performance data after the pipe');
  const words = text.match(/(?:'(?:[^']|'')*'|[^' ])+/g) ?? [];
  const labels = new Set<string>();
  return words.map((word) => {
    const found = DATUM.exec(word);
    if (!found) throw new Error(`'label'=value[UOM];[warn];[crit];[min];[max]: ${word}`);
    const [, quoted, bare, value = 'NaN', unit = '', warn = '', crit = '', min = '', max = ''] = found;
    const label = (quoted ?? bare ?? '').replaceAll("''", "'");
    must(!labels.has(label), `the label ${label} twice`);
    labels.add(label);
    return { label, value: Number(value), unit, warn, crit, min, max };
  });
}
