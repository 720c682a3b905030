/**
 * `npm run conformance -- negative [cases…]`: our client against a server that misbehaves on HTTP/2. grpc-go's client for such a server, where it
 * can be built, judges whether that server misbehaves as it should.
 */

import { runClientOfOne } from '../interop/matrix/programs.ts';
import { runNegative } from '../interop/negative/cases.ts';
import {
  NEGATIVE_CASES,
  type NegativeCase,
  startNegativeServer,
} from '../interop/negative/server.ts';
import type { SuiteResult } from './h2-suites.ts';
import { findOrBuild, GRPC_GO } from './outside-tools.ts';

const CASE_TIMEOUT_MS = 60_000;
/** Its client wants UNKNOWN here, though its library turns a message cut short into INTERNAL (rpc_util.go, toRPCErr). */
const STALE_IN_GO = /UnaryCall\(\) = _, Internal, want _, Unknown/;
/** Those that any client passes with a plain large call; the rest have a client of their own. */
const PLAIN_CASES: readonly NegativeCase[] = ['data_frame_padding', 'no_df_padding_sanity_test'];

/** Runs the cases named, or all. Throws RangeError for one that there is not. */
export async function runNegativeSuite(
  names: readonly string[],
  report: (result: SuiteResult) => void,
): Promise<void> {
  const unknown = names.find((name) => !NEGATIVE_CASES.some((known) => known === name));
  if (unknown !== undefined) {
    throw new RangeError(`there is no case "${unknown}"; there are ${NEGATIVE_CASES.join(', ')}`);
  }
  const wanted = NEGATIVE_CASES.filter((name) => names.length === 0 || names.includes(name));
  await runAll('negative purewire', wanted, report, (name) => runNegative(name));
  const tools = findOrBuild(GRPC_GO, console.log);
  if (typeof tools === 'string') {
    console.log(`negative grpc-go: not run, ${tools}`);
    return;
  }
  const { version } = tools.get('http2')!;
  await runAll(`negative grpc-go ${version}`, wanted, report, async (name) => {
    const server = await startNegativeServer(name);
    try {
      const plain = PLAIN_CASES.includes(name);
      const program = tools.get(plain ? 'client' : 'http2')!.path;
      const { result, text } = await runClientOfOne(
        { program, arguments: [] },
        plain ? 'large_unary' : name,
        plain ? { port: server.port, tls: false } : { port: server.port },
      );
      const problems = server.problems();
      if (name === 'rst_during_data' && STALE_IN_GO.test(text)) {
        throw new NotApplicable('its client expects UNKNOWN, its library makes it INTERNAL');
      }
      if (result !== 'passed') throw new Error(text);
      if (problems.length > 0) throw new Error(problems.join('; '));
    } finally {
      server.close();
    }
  });
}

/** A case that says nothing of us. */
class NotApplicable extends Error {}

async function runAll(
  name: string,
  cases: readonly NegativeCase[],
  report: (result: SuiteResult) => void,
  run: (name: NegativeCase) => Promise<void>,
): Promise<void> {
  const failures: string[] = [];
  const skips: string[] = [];
  for (const each of cases) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`not done in ${CASE_TIMEOUT_MS} ms`)),
        CASE_TIMEOUT_MS,
      );
    });
    try {
      await Promise.race([run(each), tooLong]);
      console.log(`  ${name}: ${each} passed`);
    } catch (error) {
      const list = error instanceof NotApplicable ? skips : failures;
      list.push(`${each}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }
  report({
    name,
    passed: cases.length - failures.length - skips.length,
    failed: failures.length,
    skipped: skips.length,
    output: [...failures, ...skips].join('\n'),
  });
}
