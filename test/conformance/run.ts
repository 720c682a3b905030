/**
 * `npm run conformance`: programs that we did not write judge our side. One line per suite and target; exit code 1 when a case failed.
 *
 *   npm run conformance                          every suite
 *   npm run conformance -- h2spec                one suite
 *   npm run conformance -- h2spec http2/6.9      a part of it, as the suite names its parts
 *   npm run conformance -- h2specd --verbose     with everything the suite prints
 *   npm run conformance -- hostile S0 C2         our own attacks on victims in processes of their own, all or by the beginning of their ids
 *   npm run conformance -- grpcurl               grpcurl against our reflection
 *   npm run conformance -- interop grpc-go       the interoperability cases with other implementations, all or those named
 *   npm run conformance -- interop --quick       of the cases only the twenty of the matrix
 *   npm run conformance -- negative goaway       our client with servers that misbehave on HTTP/2, all cases or those named
 *   npm run conformance -- badclient headers     what C-core's bad clients send, all or the programs named
 *   npm run conformance -- proxies nginx         calls through nginx, HAProxy and nghttpx, all or those named
 */

import { parseArgs } from 'node:util';
import { runBadClient } from './bad-client.ts';
import { runGrpcurl } from './grpcurl.ts';
import { runH2spec, runH2specd, type SuiteResult } from './h2-suites.ts';
import { runHostile } from './hostile.ts';
import { runInterop } from './interop.ts';
import { runNegativeSuite } from './negative.ts';
import { findOrBuild, H2SPEC } from './outside-tools.ts';
import { runProxies } from './proxies.ts';

const SUITES = [
  'h2spec',
  'h2specd',
  'hostile',
  'grpcurl',
  'interop',
  'negative',
  'badclient',
  'proxies',
] as const;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      verbose: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
    },
  });
  const [wanted, ...selection] = positionals;
  if (wanted !== undefined && !SUITES.some((suite) => suite === wanted)) {
    throw new RangeError(`there is no suite "${wanted}"; there are ${SUITES.join(', ')}`);
  }
  let failed = 0;
  const report = (result: SuiteResult): void => {
    console.log(
      `${result.name}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`,
    );
    if (result.output !== '' && (values.verbose || result.failed + result.skipped > 0)) {
      console.log(result.output);
    }
    failed += result.failed;
  };
  const tools =
    wanted === undefined || wanted.startsWith('h2spec') ? findOrBuild(H2SPEC, console.log) : '';
  for (const suite of SUITES) {
    if (wanted !== undefined && wanted !== suite) continue;
    if (suite === 'hostile') {
      await runHostile(selection, report);
      continue;
    }
    if (suite === 'grpcurl') {
      const refusal = await runGrpcurl(report);
      if (refusal !== '') console.log(`grpcurl: skipped, ${refusal}`);
      continue;
    }
    if (suite === 'interop') {
      await runInterop(selection, values.quick, report);
      continue;
    }
    if (suite === 'negative') {
      await runNegativeSuite(selection, report);
      continue;
    }
    if (suite === 'badclient') {
      await runBadClient(selection, report);
      continue;
    }
    if (suite === 'proxies') {
      await runProxies(selection, report);
      continue;
    }
    if (typeof tools === 'string') {
      console.log(`${suite}: skipped, ${tools}`);
      continue;
    }
    const tool = tools.get(suite)!;
    console.log(`${suite} ${tool.version}`);
    await (suite === 'h2spec' ? runH2spec : runH2specd)(tool, selection, report);
  }
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
