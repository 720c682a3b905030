/** Many large calls, judged by their failures and their latency. */

import { setTimeout as pause } from 'node:timers/promises';
import { type CaseContext, type InteropCase, unaryCall, zeros } from './case-context.ts';
import { check, type InteropClient } from './interop-client.ts';

interface Tally {
  readonly latenciesMs: number[];
  failures: number;
}

/** `newChannels`: each call has a channel of its own. */
function soak(newChannels: boolean): InteropCase {
  return async (context) => {
    const { iterations, maxFailures, overallTimeoutSeconds, threads } = context.soak;
    const tally: Tally = { latenciesMs: [], failures: 0 };
    const endsMs = performance.now() + overallTimeoutSeconds * 1000;
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < iterations && performance.now() < endsMs) {
        next += 1;
        await iterate(context, newChannels, tally);
      }
    };
    await Promise.all(Array.from({ length: threads }, worker));
    const { latenciesMs, failures } = tally;
    const done = latenciesMs.length + failures;
    const sorted = latenciesMs.sort((a, b) => a - b);
    const at = (part: number): string =>
      `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0)} ms`;
    context.say(
      `${done} of ${iterations} iterations, ${failures} failures, p50 ${at(0.5)}, p90 ${at(0.9)}, worst ${at(1)}`,
    );
    check(done >= iterations, `only ${done} of ${iterations} iterations in the time allowed`);
    check(failures <= maxFailures, `${failures} failures, ${maxFailures} are allowed`);
  };
}

async function iterate(context: CaseContext, newChannel: boolean, tally: Tally): Promise<void> {
  const { requestSize, responseSize, perIterationMaxLatencyMs, minTimeBetweenRpcsMs } =
    context.soak;
  const client: InteropClient = newChannel ? context.openClient() : context.client;
  const startedMs = performance.now();
  const request = { responseSize, payload: zeros(requestSize) };
  const { code, details, response } = await unaryCall(client, request);
  const latencyMs = performance.now() - startedMs;
  if (newChannel) await client.close();
  if (code !== 0 || response?.payload?.body?.length !== responseSize) {
    context.say(`failed with ${code} "${details}"`);
    tally.failures += 1;
  } else if (latencyMs > perIterationMaxLatencyMs) {
    context.say(`took ${Math.round(latencyMs)} ms`);
    tally.failures += 1;
  } else tally.latenciesMs.push(latencyMs);
  if (latencyMs < minTimeBetweenRpcsMs) await pause(minTimeBetweenRpcsMs - latencyMs);
}

/** The cases by their names. */
export const SOAK_CASES: Readonly<Record<string, InteropCase>> = {
  rpc_soak: soak(false),
  channel_soak: soak(true),
};
