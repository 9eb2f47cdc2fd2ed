// A page of docs/ as something that can be done: which lines are typed on which machine, which file is written where,
// what is shown then, and what hands do. A block that says none of it is an error, so that nothing on the page is only
// prose in disguise.
//
//   ```sh       first line `# on a, b and c`: lines for a shell, on each of them
//   ```LANG     first line `# /path on a and b`: a whole file
//   ```console  lines after `root@a:~# COMMAND`, and below what they show
//   **At a: pull the plug.**       and the other words of HANDS
export type Act = { readonly line: number } & (
  | { readonly kind: 'script'; readonly nodes: readonly string[]; readonly text: string }
  | { readonly kind: 'file'; readonly nodes: readonly string[]; readonly path: string; readonly text: string }
  | {
      readonly kind: 'command';
      readonly node: string;
      readonly command: string;
      readonly code: number;
      shown: string[];
    }
  | { readonly kind: 'hand'; readonly node: string; readonly does: string }
);

export const HANDS = ['pull the plug', 'plug it in, and switch it on'] as const;

const names = (text: string): readonly string[] => text.split(/,\s*|\s+and\s+/).map((one) => one.trim());

interface Fence {
  readonly line: number;
  readonly lang: string;
  readonly lines: readonly string[];
}

function actsOf({ line, lang, lines }: Fence): readonly Act[] {
  const [first = ''] = lines;
  const text = `${lines.join('\n')}\n`;
  if (lang === 'console') return commandsOf(line, lines);
  const file = /^# (\/\S+) on ([\w, ]+)$/.exec(first);
  if (file) return [{ line, kind: 'file', path: file[1] ?? '', nodes: names(file[2] ?? ''), text }];
  const script = /^# on ([\w, ]+)$/.exec(first);
  if (lang === 'sh' && script) return [{ line, kind: 'script', nodes: names(script[1] ?? ''), text }];
  throw new Error(`line ${line}: a block that nobody can do: ${first}`);
}

/** `# exit code N` behind a command: it ends so, and is meant to. */
function commandsOf(line: number, lines: readonly string[]): readonly Act[] {
  const acts: Extract<Act, { kind: 'command' }>[] = [];
  for (const [index, text] of lines.entries()) {
    const typed = /^root@(\w+):~# (.*?)(?:\s+# exit code (\d+))?$/.exec(text);
    if (typed) {
      const [, node = '', command = '', code = '0'] = typed;
      acts.push({ line: line + index + 1, kind: 'command', node, command, code: Number(code), shown: [] });
    } else if (acts.length === 0) throw new Error(`line ${line}: shown before anything was typed: ${text}`);
    else acts.at(-1)?.shown.push(text);
  }
  return acts;
}

export function readPage(text: string): readonly Act[] {
  const acts: Act[] = [];
  let fence: { line: number; lang: string; lines: string[] } | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    const edge = /^```(\w*)/.exec(line);
    const hand = /^\*\*At (\w+): ([^*.]+)\.\*\*/.exec(line);
    if (edge && fence) {
      acts.push(...actsOf(fence));
      fence = null;
    } else if (edge) fence = { line: index + 1, lang: edge[1] ?? '', lines: [] };
    else if (fence) fence.lines.push(line);
    else if (hand) {
      const [, node = '', does = ''] = hand;
      if (!HANDS.some((known) => known === does)) throw new Error(`line ${index + 1}: no hand does so: ${does}`);
      acts.push({ line: index + 1, kind: 'hand', node, does });
    }
  }
  if (fence) throw new Error(`line ${fence.line}: a block without an end`);
  return acts;
}

/** What a shown line stands for: numbers differ from run to run, `…` is anything, blanks count as one. */
function patternOf(shown: string): RegExp {
  const parts = shown.trim().split('…');
  const quoted = parts.map((part) =>
    part
      .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replace(/(?<![A-Za-z\d])\d+(?:\\\.\d+)?/g, '\\d+(?:\\.\\d+)?')
      .replace(/\s+/g, '\\s+'),
  );
  return new RegExp(`^\\s*${quoted.join('.*')}\\s*$`);
}

/** The first shown line that did not come, in order; null: all of them came. */
export function missing(shown: readonly string[], output: string): string | null {
  const lines = output.split('\n');
  let from = 0;
  for (const wanted of shown) {
    if (wanted.trim() === '' || wanted.trim() === '…') continue;
    const pattern = patternOf(wanted);
    const at = lines.findIndex((line, index) => index >= from && pattern.test(line));
    if (at < 0) return wanted;
    from = at + 1;
  }
  return null;
}
