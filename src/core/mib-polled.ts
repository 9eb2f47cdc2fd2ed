// The text of the MIB for what can be polled, from the same tables as the answers. Pure.
import { type Column, scalars, SCALARS_ARC, type Syntax, type Table, tables } from './mib-tables.ts';
import { enumeration, listed, type MibFragment, quoted } from './mib-words.ts';

const syntaxOf = (syntax: Syntax, index?: true | number): string => {
  if (typeof syntax !== 'string') return `INTEGER {\n                ${enumeration(syntax)}\n            }`;
  if (syntax === 'Integer32') return 'Integer32 (1..2147483647)';
  return typeof index === 'number' ? `${syntax} (SIZE (1..${index}))` : syntax;
};

const objectType = (name: string, column: Column, parent: string): string => `
${name} OBJECT-TYPE
    SYNTAX ${syntaxOf(column.syntax, column.index)}
    MAX-ACCESS ${column.index === undefined ? 'read-only' : 'not-accessible'}
    STATUS current
    DESCRIPTION
        ${quoted(column.about, '        ')}
    ::= { ${parent} ${column.arc} }
`;

/** `WkServiceEntry`: the name of a type begins with a capital letter. */
const typeName = (entry: string): string => entry.slice(0, 1).toUpperCase() + entry.slice(1);

function tableText({ stem, arc, about, index, columns }: Table): string {
  const entry = `${stem}Entry`;
  const last = columns[index.at(-1) ?? ''];
  const implied = typeof last?.index === 'number';
  const keys = index.map((name, at) => (implied && at === index.length - 1 ? `IMPLIED ${name}` : name));
  const fields = Object.entries(columns).map(([name, { syntax }]) => {
    return `    ${name} ${typeof syntax === 'string' ? syntax : 'INTEGER'}`;
  });
  return `
${stem}Table OBJECT-TYPE
    SYNTAX SEQUENCE OF ${typeName(entry)}
    MAX-ACCESS not-accessible
    STATUS current
    DESCRIPTION
        ${quoted(about, '        ')}
    ::= { wkTables ${arc} }

${entry} OBJECT-TYPE
    SYNTAX ${typeName(entry)}
    MAX-ACCESS not-accessible
    STATUS current
    DESCRIPTION
        "A row of it."
    INDEX { ${keys.join(', ')} }
    ::= { ${stem}Table 1 }

${typeName(entry)} ::= SEQUENCE {
${fields.join(',\n')}
}
${Object.entries(columns)
  .map(([name, column]) => objectType(name, column, entry))
  .join('')}`;
}

function group(name: string, arc: number, about: string, columns: Readonly<Record<string, Column>>): string {
  const objects = Object.entries(columns).flatMap(([object, { index }]) => (index === undefined ? [object] : []));
  return `
${name} OBJECT-GROUP
    OBJECTS {
        ${listed(objects, '        ')}
    }
    STATUS current
    DESCRIPTION
        ${quoted(about, '        ')}
    ::= { wkGroups ${arc} }
`;
}

const FIRST_GROUP = 10;

export function polledFragment(): MibFragment {
  const all = Object.values<Table>(tables);
  const groups = all.map(({ stem, arc, about, columns }) => group(`${stem}Group`, FIRST_GROUP + arc, about, columns));
  const single = Object.entries<Column>(scalars).map(([name, column]) => objectType(name, column, 'wkDaemon'));
  const text = [
    `wkDaemon OBJECT IDENTIFIER ::= { wkTables ${SCALARS_ARC} }\n`,
    ...single,
    ...all.map(tableText),
    group('wkDaemonGroup', FIRST_GROUP, 'The daemon itself.', scalars),
    ...groups,
  ];
  return {
    imports: { 'SNMPv2-SMI': ['Integer32'], 'SNMPv2-TC': ['TruthValue'] },
    text: text.join(''),
    groups: ['wkDaemonGroup', ...all.map(({ stem }) => `${stem}Group`)],
  };
}
