/** `npm run conformance -- grpcurl`: grpcurl lists, describes and calls a server of ours by its reflection; builds it where Go is. */

import { failedCount, runTestFile, thisNode } from '../support/test-process.ts';
import type { SuiteResult } from './h2-suites.ts';
import { findOrBuild, GRPCURL } from './outside-tools.ts';

const TIME_LIMIT_MS = 120_000;

/** Runs test/services/grpcurl with the tool in place. Returns why it cannot as a string. */
export async function runGrpcurl(report: (result: SuiteResult) => void): Promise<string> {
  const tools = findOrBuild(GRPCURL, console.log);
  if (typeof tools === 'string') return tools;
  const name = `grpcurl ${tools.get('grpcurl')?.version}`;
  const result = await runTestFile(thisNode, 'test/services/grpcurl', TIME_LIMIT_MS);
  const { failures, passed } = result.report;
  const output = [
    ...result.problems,
    ...failures.map(({ path, message }) => `${path.join(' > ')}: ${message}`),
  ].join('\n');
  report({ name, passed, failed: failedCount(result), skipped: 0, output });
  return '';
}
