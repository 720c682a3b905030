/** The sentence tables and the suites' cases as one document, `rfc-sentences.md`; written by running this file. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectFolder } from '../support/project.ts';
import type { RfcTable } from './rfc-sentence.ts';
import { RFC_7541 } from './rfc7541-sentences.ts';
import { RFC_9113_FRAMES } from './rfc9113-frames.ts';
import { RFC_9113_MESSAGES } from './rfc9113-messages.ts';
import { RFC_9113_STREAMS } from './rfc9113-streams.ts';
import { H2SPEC_CASES, H2SPECD_CASES, type SuiteCases } from './suite-cases.ts';

/** All tables, in the order of the document. */
export const TABLES: readonly RfcTable[] = [
  RFC_9113_STREAMS,
  RFC_9113_FRAMES,
  RFC_9113_MESSAGES,
  RFC_7541,
];

/** Path of the document from the project's folder. */
export const DOCUMENT = 'test/conformance/rfc-sentences.md';

/** How to make it anew. */
export const WRITE_COMMAND = 'npx tsc && node dist/test/conformance/sentence-document.js';

const HEAD = `# What RFC 9113 and RFC 7541 demand of an endpoint, and the tests that prove it

Generated from the tables beside it by \`${WRITE_COMMAND}\`; \`npm test\` fails when it is out of date, when a test named here
does not exist, and when a section's MUST and MUST NOT are not all accounted for. Tests are named by file below \`test/\` and title. Most run
once as a server and once as a client.
`;

/** The text of the document. */
export function sentenceDocument(): string {
  const parts = [HEAD];
  for (const table of TABLES) parts.push(tableText(table));
  parts.push(
    suiteText('h2spec (server)', H2SPEC_CASES),
    suiteText('h2specd (client)', H2SPECD_CASES),
  );
  return parts.join('\n');
}

function tableText({ name, keywords, sentences }: RfcTable): string {
  const total = Object.values(keywords).reduce((sum, count) => sum + count, 0);
  const rows = sentences.map(({ section, rule, tests, reason }) => {
    const proof = reason === null ? tests.map(testText).join('<br>') : `n/a: ${reason}`;
    return `| ${section} | ${cell(rule)} | ${cell(proof)} |`;
  });
  return [
    `## ${name}`,
    '',
    `${total} times MUST or MUST NOT, in ${sentences.length} rows.`,
    '',
    '| § | rule | proved by |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function suiteText(name: string, rows: readonly SuiteCases[]): string {
  const count = rows.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return [
    `## ${name}: ${count} cases`,
    '',
    '| cases | proved by, with code and consequences |',
    '|---|---|',
    ...rows.map(({ group, first, last, tests }) => {
      const numbers = first === last ? `${first}` : `${first} – ${last}`;
      return `| ${group}/${numbers} | ${cell(tests.map(testText).join('<br>'))} |`;
    }),
    '',
  ].join('\n');
}

function testText(reference: string): string {
  const [file, title] = reference.split(' › ');
  return `${file}: ${title}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('*', '\\*');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(join(projectFolder, DOCUMENT), sentenceDocument());
}
