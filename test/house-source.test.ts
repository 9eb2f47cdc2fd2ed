import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOnly, functionsOf, importsOf } from './support/house/source.ts';

const test = suite('reading source');
const at = (text: string) => ({ path: 'src/x.ts', text });

test('blanks comments, texts, templates and regular expressions, and nothing else', () => {
  const table: [string, string][] = [
    ["a; // it's {\nb;", 'a; \nb;'],
    ['a; /* { \n */ b;', 'a; \n b;'],
    ["const s = 'it\\'s {';", 'const s = ;'],
    ['const u = "//";', 'const u = ;'],
    ['f(`a{${b(`}${c}`)}d}`) + e', 'f( {b( {c} )} ) + e'],
    ['x = /[\'"{/]\\//g;', 'x = g;'],
    ['x = a / b / c;', 'x = a / b / c;'],
    ['if (/[/{]/.test(a)) {', 'if ( .test(a)) {'],
    ['return /{/;', 'return ;'],
    ['f(`${/[{`]/.test(a)}{`)', 'f( { .test(a)} )'],
    ['// only', ' '],
  ];
  for (const [text, code] of table) {
    assert.is(codeOnly(text).length, text.length, text);
    assert.is(codeOnly(text).replaceAll(/ +/g, ' '), code.replaceAll(/ +/g, ' '), text);
  }
});

test('finds every way to name a module', () => {
  const text = `
import a from 'one';
import type { B } from "two";
import { c, type D } from './three.ts';
export { e } from 'four';
export type * from 'five';
import 'six';
const f = await import('seven');
const g = createRequire(import.meta.url)('eight') as typeof import('eight');
let h: import('./nine.ts').Nine;
import {
  i,
  type J,
} from 'ten';
// import k from 'not-this';
const l = "import m from 'nor-this'";
`;
  assert.equal(
    importsOf(at(text))
      .map(({ from, typeOnly }) => `${from}${typeOnly ? ' (type)' : ''}`)
      .sort(),
    [
      './nine.ts (type)',
      './three.ts',
      'eight',
      'eight (type)',
      'five (type)',
      'four',
      'one',
      'seven',
      'six',
      'ten',
      'two (type)',
    ],
  );
  assert.equal(importsOf(at(text)).find(({ from }) => from === 'ten')?.values, ['i']);
});

test('measures functions, whatever they look like', () => {
  const body = '  x();\n'.repeat(5);
  const table: [string, number | null][] = [
    [`function f() {\n${body}}\n`, 7],
    [`export async function f(a: A): Promise<Map<string, { b: C }>> {\n${body}}\n`, 7],
    [`function f(\n  a: A,\n  b: B,\n): T {\n${body}}\n`, 10],
    [`const f = (a: A): T => {\n${body}};\n`, 7],
    [`const f = (a: A): T => ({\n${body}});\n`, 7],
    [`const f = (a: A): T =>\n${body};\n`, 7],
    [`test('x', async () => {\n${body}});\n`, 7],
    [`class A {\n  async #m(a: A): Promise<T> {\n    x();\n  }\n${body}}\n`, 3],
    [`class A extends B<C> {\n  get x(): T {\n    x();\n  }\n${body}}\n`, 3],
    [`const o = {\n  m(a) {\n    x();\n  },\n${body}};\n`, 3],
    [`if (a) {\n${body}}\n`, null],
    [`for (const a of b(c)) {\n${body}}\n`, null],
    [`const o = f({\n${body}});\n`, null],
    [`interface A {\n  m(a: A): T;\n${body}}\n`, null],
    [`if (\n  a &&\n  b\n) {\n${body}}\n`, null],
    [`function f() {\n  return \`\n}\n\${a}\n\`;\n${body}}\n`, 11],
  ];
  for (const [text, lines] of table)
    assert.equal(
      functionsOf(at(text)).map((found) => found.lines),
      lines === null ? [] : [lines],
      text,
    );
});

test.run();
