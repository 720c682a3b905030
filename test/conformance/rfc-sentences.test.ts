/** No sentence without a test: the tables account for every MUST and MUST NOT, the tests they name exist, the document is up to date. */

import { projectFiles, readProjectFile } from '../support/project.ts';
import { t } from '../support/tap.ts';
import { DOCUMENT, sentenceDocument, TABLES, WRITE_COMMAND } from './sentence-document.ts';
import { H2SPEC_CASES, H2SPECD_CASES, type SuiteCases } from './suite-cases.ts';

const texts = new Map(
  projectFiles('test', /\.test\.ts$/).map(({ path, text }) => [path, text.replaceAll("\\'", "'")]),
);

/** What is wrong with a reference `folder/file › title`, or null. */
function fault(reference: string): string | null {
  const [file, title, ...more] = reference.split(' › ');
  if (title === undefined || more.length > 0) return `not "file › title": ${reference}`;
  const text = texts.get(`test/${file}.test.ts`);
  if (text === undefined) return `no file test/${file}.test.ts`;
  return text.includes(title) ? null : `no test "${title}" in ${file}`;
}

for (const { name, keywords, sentences } of TABLES) {
  await t.test(`${name}: every MUST and MUST NOT is accounted for`, async (t) => {
    const found: Record<string, number> = {};
    for (const row of sentences) {
      if (row.keywords === 0) continue;
      found[row.section] = (found[row.section] ?? 0) + row.keywords;
    }
    t.strictSame(found, keywords);
  });

  await t.test(`${name}: every sentence has a test that exists, or a reason`, async (t) => {
    const faults: string[] = [];
    for (const { section, rule, tests, reason } of sentences) {
      if (reason === null && tests.length === 0) faults.push(`§${section} ${rule}: no test`);
      for (const reference of tests) {
        const wrong = fault(reference);
        if (wrong !== null) faults.push(`§${section} ${rule}: ${wrong}`);
      }
    }
    t.strictSame(faults, []);
  });
}

/** Case numbers per group, without a gap from 1. */
function caseFaults(rows: readonly SuiteCases[]): string[] {
  const faults: string[] = [];
  const next = new Map<string, number>();
  for (const { group, first, last, tests } of rows) {
    if (first !== (next.get(group) ?? 1) || last < first) faults.push(`${group}/${first}`);
    next.set(group, last + 1);
    for (const reference of tests) {
      const wrong = fault(reference);
      if (wrong !== null) faults.push(`${group}/${first}: ${wrong}`);
    }
  }
  return faults;
}

function count(rows: readonly SuiteCases[]): number {
  return rows.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

await t.test('h2spec and h2specd: every case has a test of our own', async (t) => {
  t.strictSame(caseFaults(H2SPEC_CASES), []);
  t.equal(count(H2SPEC_CASES), 147);
  t.strictSame(caseFaults(H2SPECD_CASES), []);
  t.equal(count(H2SPECD_CASES), 57);
});

await t.test(`${DOCUMENT} is up to date`, async (t) => {
  t.ok(readProjectFile(DOCUMENT) === sentenceDocument(), `run: ${WRITE_COMMAND}`);
});
