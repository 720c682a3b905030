/**
 * `npm run conformance -- proxies [names…]`: our client calls our server through proxies of others: the interoperability cases, and cases of our
 * own. Proxies cut messages into other frames, have windows and limits of their own, end connections in the middle of the traffic, and answer by
 * themselves in plain HTTP.
 */

import { ok, strictEqual } from 'node:assert';
import { MATRIX_CASES } from '../interop/cases/all-cases.ts';
import { PUREWIRE as MATRIX_PUREWIRE } from '../interop/matrix/node-peers.ts';
import { hex, sample } from '../interop/peers/octets.ts';
import {
  askFor,
  CHAT,
  EARLY_KEY,
  ECHO,
  HOLD,
  JOIN,
  MISSING,
  type Pairs,
  type PeerClient,
  type PeerServer,
  REPEAT,
  repeated,
  repeatRequest,
  valuesOf,
} from '../interop/peers/peer.ts';
import { PUREWIRE } from '../interop/peers/peers.ts';
import type { SuiteResult } from './h2-suites.ts';
import {
  CALLS_PER_CONNECTION,
  PROXIES,
  type ProxyProgram,
  type RunningProxy,
  startProxy,
  versionOf,
} from './proxy-programs.ts';

interface Ends {
  readonly client: PeerClient;
  readonly server: PeerServer;
}

type Case = readonly [name: string, run: (ends: Ends) => Promise<void>];

const CASE_TIMEOUT_MS = 60_000;
const MIB = 1_048_576;

function sameOctets(found: readonly Uint8Array[], wanted: readonly Uint8Array[]): void {
  strictEqual(found.length, wanted.length, 'number of messages');
  for (const [at, octets] of wanted.entries()) {
    ok(Buffer.compare(found[at]!, octets) === 0, `octets of message ${at}`);
  }
}

async function echo(client: PeerClient, octets: number): Promise<void> {
  const request = sample(octets);
  const { code, details, messages } = await client.start(ECHO, request).outcome;
  strictEqual(code, 0, details);
  sameOctets(messages, [request]);
}

const METADATA: Pairs = [
  ['initial-text', 'one'],
  ['initial-octets-bin', Uint8Array.from({ length: 256 }, (_, octet) => octet)],
  ['trailing-text', 'a value, with a comma'],
  ['trailing-octets-bin', Uint8Array.of(0, 255)],
];

const CASES: readonly Case[] = [
  ['unary', ({ client }) => echo(client, 1000)],
  ['empty message', ({ client }) => echo(client, 0)],
  ['1 MiB each way', ({ client }) => echo(client, MIB)],
  ['8 MiB each way', ({ client }) => echo(client, 8 * MIB)],
  [
    'server streaming',
    async ({ client }) => {
      for (const [count, octets] of [
        [0, 0],
        [100, 700],
        [20, 200_000],
      ] as const) {
        const request = repeatRequest(count, octets);
        const { code, details, messages } = await client.start(REPEAT, request).outcome;
        strictEqual(code, 0, details);
        sameOctets(messages, [...repeated(request)]);
      }
    },
  ],
  [
    'client streaming',
    async ({ client }) => {
      const parts = Array.from({ length: 50 }, (_, n) => sample(20_000, n));
      const call = client.start(JOIN, null);
      for (const part of parts) call.send(part);
      call.end();
      const { code, details, messages } = await call.outcome;
      strictEqual(code, 0, details);
      sameOctets(messages, [Buffer.concat(parts)]);
    },
  ],
  [
    'bidirectional, one answer per request',
    async ({ client }) => {
      const call = client.start(CHAT, null);
      const parts = [27_182, 8, 1828, 45_904].map((octets, n) => sample(octets, n));
      for (const [at, part] of parts.entries()) {
        call.send(part);
        await call.received(at + 1);
      }
      call.end();
      const { code, details, messages } = await call.outcome;
      strictEqual(code, 0, details);
      sameOctets(messages, parts);
    },
  ],
  [
    'metadata and trailers',
    async ({ client }) => {
      for (const method of [ECHO, REPEAT]) {
        const request = method === ECHO ? sample(10) : repeatRequest(3, 10);
        const { code, initial, trailing } = await client.start(method, request, {
          metadata: METADATA,
        }).outcome;
        strictEqual(code, 0);
        for (const [key, value] of METADATA) {
          const pairs = key.startsWith('initial-') ? initial : trailing;
          strictEqual(
            valuesOf(pairs).get(key),
            typeof value === 'string' ? value : hex(value),
            key,
          );
        }
      }
    },
  ],
  [
    'status codes and messages',
    async ({ client }) => {
      for (let wanted = 1; wanted <= 16; wanted += 1) {
        const metadata = askFor(wanted, `why: ☺ 100 % ${wanted}`);
        for (const method of [ECHO, CHAT]) {
          const call = client.start(method, method === ECHO ? sample(1) : null, { metadata });
          if (method === CHAT) call.end();
          const { code, details } = await call.outcome;
          strictEqual(code, wanted, `${method.name}: ${details}`);
          strictEqual(details, `why: ☺ 100 % ${wanted}`);
        }
      }
    },
  ],
  [
    'unknown method',
    async ({ client }) => {
      strictEqual((await client.start(MISSING, sample(1)).outcome).code, 12);
    },
  ],
  [
    'status before the requests end',
    async ({ client }) => {
      const metadata: Pairs = [...askFor(9, 'enough'), [EARLY_KEY, '1']];
      const call = client.start(JOIN, null, { metadata });
      call.send(sample(100));
      const { code, details } = await call.outcome;
      strictEqual(code, 9, details);
      strictEqual(details, 'enough');
    },
  ],
  [
    'deadline',
    async ({ client, server }) => {
      const cancelled = server.log.cancelled.length;
      const { code, details } = await client.start(HOLD, sample(1), { timeoutMs: 300 }).outcome;
      strictEqual(code, 4, details);
      await until(() => server.log.cancelled.length > cancelled, 'the server hears of it');
    },
  ],
  [
    'cancellation',
    async ({ client, server }) => {
      const cancelled = server.log.cancelled.length;
      const started = server.log.started.length;
      const call = client.start(HOLD, sample(1));
      await until(() => server.log.started.length > started, 'the call arrives');
      call.cancel();
      strictEqual((await call.outcome).code, 1);
      await until(() => server.log.cancelled.length > cancelled, 'the server hears of it');
    },
  ],
  [
    // Fewer than a connection carries, so that none is refused twice.
    '40 calls at once, eight times',
    async ({ client }) => {
      for (let round = 0; round < 8; round += 1) {
        await Promise.all(Array.from({ length: 40 }, (_, n) => echo(client, n)));
      }
    },
  ],
  [
    // gRFC A6: what a GOAWAY leaves out had reached the proxy and is sent once more, not time and again: with more calls at once than two
    // connections carry, some may be refused. Those that never left wait for as many connections as it takes.
    '300 calls at once: none runs twice, and nothing but GOAWAY refuses one',
    async ({ client, server }) => {
      const startedBefore = server.log.started.length;
      const outcomes = await Promise.all(
        Array.from({ length: 300 }, (_, n) => client.start(ECHO, sample(n)).outcome),
      );
      const refused = outcomes.filter(({ code }) => code !== 0);
      for (const { code, details } of refused) {
        strictEqual(code, 14, details);
        ok(/GOAWAY/.test(details), details);
      }
      const served = outcomes.length - refused.length;
      strictEqual(server.log.started.length - startedBefore, served, 'handlers that ran');
      ok(served >= CALLS_PER_CONNECTION, `only ${served} were served`);
    },
  ],
  [
    '2000 calls one after the other, whatever GOAWAY comes between',
    async ({ client }) => {
      for (let n = 0; n < 2000; n += 1) await echo(client, 100);
    },
  ],
  [
    '2000 calls, twenty at a time, whatever GOAWAY comes between',
    async ({ client }) => {
      const lane = async (): Promise<void> => {
        for (let n = 0; n < 100; n += 1) await echo(client, 100);
      };
      await Promise.all(Array.from({ length: 20 }, lane));
    },
  ],
  [
    'no server behind the proxy',
    async ({ client, server }) => {
      await server.kill();
      const { code, details } = await client.start(ECHO, sample(1), { timeoutMs: 20_000 }).outcome;
      strictEqual(code, 14, details);
    },
  ],
];

async function until(reached: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!reached()) {
    if (Date.now() > endMs) throw new Error(`not seen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Runs every case through each installed proxy, or through those named. */
export async function runProxies(
  names: readonly string[],
  report: (result: SuiteResult) => void,
): Promise<void> {
  for (const program of PROXIES) {
    if (names.length > 0 && !names.includes(program.name)) continue;
    const version = versionOf(program);
    if (version === null) console.log(`proxies ${program.name}: skipped, it is not installed`);
    else {
      report(await runInteropThrough(program, version));
      report(await runThrough(program, version));
    }
  }
}

/** The twenty cases of the interoperability matrix. */
async function runInteropThrough(program: ProxyProgram, version: string): Promise<SuiteResult> {
  const name = `proxies ${program.name} ${version}, interop`;
  const peer = await MATRIX_PUREWIRE.prepare(console.log);
  if (typeof peer === 'string') throw new Error(peer);
  const server = await peer.startServer!({ tls: false, maxStreams: 0 });
  const failures: string[] = [];
  let passed = 0;
  try {
    const proxy = await startProxy(program, server.port);
    await peer.runClient!(MATRIX_CASES, { port: proxy.port, tls: false }, (outcome) => {
      if (outcome.result === 'passed') passed += 1;
      else failures.push(`${outcome.name}: ${outcome.text}`);
    });
    await proxy.stop();
  } catch (error) {
    failures.push(String(error));
  } finally {
    await server.stop();
  }
  return { name, passed, failed: failures.length, skipped: 0, output: failures.join('\n') };
}

async function runThrough(program: ProxyProgram, version: string): Promise<SuiteResult> {
  const name = `proxies ${program.name} ${version}, our own cases`;
  const server = await PUREWIRE.startServer({});
  let proxy: RunningProxy;
  try {
    proxy = await startProxy(program, server.port);
  } catch (error) {
    await server.kill();
    return { name, passed: 0, failed: 1, skipped: 0, output: String(error) };
  }
  const client = PUREWIRE.openClient({ port: proxy.port });
  const failures: string[] = [];
  try {
    for (const [title, run] of CASES) {
      const fault = await faultOf(run({ client, server }));
      if (fault !== null) failures.push(`${title}: ${fault}`);
    }
  } finally {
    await proxy.stop();
    // The last case has stopped the server, unless it failed before.
    await server.kill().catch(() => {});
    await client.close();
  }
  const output = [...failures, proxy.output()].join('\n').trim();
  const passed = CASES.length - failures.length;
  return { name, passed, failed: failures.length, skipped: 0, output };
}

/** Why a case failed, or null. */
async function faultOf(running: Promise<void>): Promise<string | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`not done in ${CASE_TIMEOUT_MS} ms`), CASE_TIMEOUT_MS);
  });
  const fault = running.then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  const first = await Promise.race([fault, tooLong]);
  clearTimeout(timer);
  return first;
}
