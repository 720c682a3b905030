/**
 * What a call costs, counted instead of timed: writes, octets, turns, timers, window updates, allocation. No busy machine changes these, so
 * they guard speed in every run of the suite. The service hands octets on as they are: codecs are not counted.
 */

import { FrameType } from '../../framing/constants.ts';
import { type TestContext, t } from '../support/tap.ts';
import { frameOutlines } from './frame-outlines.ts';
import { MeasuredProcess } from './measured-process.ts';
import { makeCalls, rawStub, serveRaw } from './raw-service.ts';
import { countRuntime, loopTurns } from './runtime-hooks.ts';

const { versions } = process;
const isNode = versions['bun'] === undefined && versions['deno'] === undefined;

const KIB = 1024;
/** Calls that fill header tables and warm caches before counting. */
const WARM_UP_CALLS = 200;
const COUNTED_CALLS = 1_000;

/** HEADERS 9 + 6 for six indexed fields (RFC 7541 §6.1), DATA 9, message prefix 5. */
const REQUEST_OCTETS = 29;
/** HEADERS 9 + 2, DATA 9, message prefix 5, trailers 9 + 1. */
const RESPONSE_OCTETS = 35;
/** One indexed octet each; the minimum has none: `user-agent` and `grpc-accept-encoding` in requests, the latter in responses. */
const OPTIONAL_REQUEST_OCTETS = 2;
const OPTIONAL_RESPONSE_OCTETS = 1;
/** `grpc-timeout` as a literal that enters no table (RFC 7541 §6.2.2): two octets of index and length, a value such as `59999m`. */
const DEADLINE_OCTETS = 7;
/** PINGs that measure the path and WINDOW_UPDATEs, spread over the calls. */
const CONTROL_OCTETS = 0.5;

/**
 * Octets a call allocates on each side, buffers included. The bounds are what is reached, and a fifth for other versions of V8; the goal is
 * 1.5 KiB on each side. Whoever reaches less lowers them.
 */
const ALLOCATION_GOAL = 1.5 * KIB;
const ALLOCATION_BOUNDS = [
  { inFlight: 1, server: 1.7 * KIB, client: 3.2 * KIB },
  { inFlight: 100, server: 1.3 * KIB, client: 2.2 * KIB },
];
const ALLOCATION_ROUNDS = 4;
const ALLOCATION_CALLS = 4_000;
const COMPILED_AFTER_CALLS = 20_000;

interface PerCall {
  readonly clientWrites: number;
  readonly serverWrites: number;
  readonly requestOctets: number;
  readonly responseOctets: number;
  readonly immediates: number;
  readonly turns: number | null;
  /** Not per call: timers armed by others than the library's wheel, and how often the wheel armed more than once a millisecond. */
  readonly otherTimers: number;
  readonly wheelTimersBeyondTime: number;
}

if (isNode) await countCalls();
else t.skip("counters: they hook into Node's sockets and timers");

async function countCalls(): Promise<void> {
  let port = 0;
  const counts = countRuntime(() => port);
  // After the hooks, so that the library gets the counted functions.
  const purewire = await import('../../lib/index.ts');
  const server = await serveRaw(purewire);
  port = server.port();
  const withDeadline = rawStub(purewire, port, 60);
  const without = rawStub(purewire, port, Number.POSITIVE_INFINITY);
  const empty = new Uint8Array(0);
  const kibibyte = new Uint8Array(KIB).fill(7);

  const count = async (
    stub: typeof without,
    inFlight: number,
    message: Uint8Array,
  ): Promise<PerCall> => {
    await makeCalls(stub, WARM_UP_CALLS, inFlight, message);
    const { client, server, immediates, wheelTimers, otherTimers } = counts;
    const before = { client: { ...client }, server: { ...server } };
    const turns = loopTurns();
    const startedAt = performance.now();
    await makeCalls(stub, COUNTED_CALLS, inFlight, message);
    const turnsAfter = loopTurns();
    const milliseconds = performance.now() - startedAt;
    return {
      clientWrites: (client.writes - before.client.writes) / COUNTED_CALLS,
      serverWrites: (server.writes - before.server.writes) / COUNTED_CALLS,
      requestOctets: (client.octets - before.client.octets) / COUNTED_CALLS,
      responseOctets: (server.octets - before.server.octets) / COUNTED_CALLS,
      immediates: (counts.immediates - immediates) / COUNTED_CALLS,
      turns: turns === null || turnsAfter === null ? null : (turnsAfter - turns) / COUNTED_CALLS,
      otherTimers: counts.otherTimers - otherTimers,
      wheelTimersBeyondTime: Math.max(0, counts.wheelTimers - wheelTimers - milliseconds - 2),
    };
  };

  for (const [stub, deadline] of [
    [without, 0],
    [withDeadline, DEADLINE_OCTETS],
  ] as const) {
    const which = deadline === 0 ? 'no deadline' : 'a deadline';
    for (const message of [empty, kibibyte]) {
      await t.test(`${message.length} octets, 1 in flight, ${which}`, async (t) => {
        const found = await count(stub, 1, message);
        t.comment(JSON.stringify(found));
        // Beyond one: a PING or WINDOW_UPDATE now and then that no call leaves with.
        t.ok(found.clientWrites >= 1 && found.clientWrites <= 1.01, 'one write per request');
        t.ok(found.serverWrites >= 1 && found.serverWrites <= 1.01, 'one write per response');
        t.ok(found.turns === null || found.turns <= 2.05, 'one turn of the loop for each side');
        t.equal(found.otherTimers, 0, 'no timer but those of the wheel');
        checkCommon(t, found, message.length, deadline);
      });
      await t.test(`${message.length} octets, 100 in flight, ${which}`, async (t) => {
        const found = await count(stub, 100, message);
        t.comment(JSON.stringify(found));
        t.ok(found.clientWrites <= 0.05, 'requests leave together');
        t.ok(found.serverWrites <= 0.05, 'responses leave together');
        t.ok(found.turns === null || found.turns <= 0.05, 'a turn serves many calls');
        t.equal(found.otherTimers, 0, 'no timer but those of the wheel');
        checkCommon(t, found, message.length, deadline);
      });
    }
  }

  await t.test('a receiver credits windows seldom', async (t) => {
    const total = 16 * KIB * KIB;
    const chunk = new Uint8Array(64 * KIB);
    const chunks = Array.from({ length: total / chunk.length }, () => chunk);
    counts.server.recorded = [];
    const summary = await without.upload(chunks);
    t.equal(new TextDecoder().decode(summary), String(total), 'all of it came');
    const updates = frameOutlines(counts.server.recorded).filter(
      (frame) => frame.type === FrameType.WINDOW_UPDATE,
    );
    counts.server.recorded = null;
    const onConnection = updates.filter((frame) => frame.streamId === 0).length;
    const onStream = updates.length - onConnection;
    t.comment(
      `WINDOW_UPDATEs for 16 MiB: ${onConnection} on the connection, ${onStream} on the stream`,
    );
    t.ok(onConnection <= total / (256 * KIB), 'the connection: at most one per 256 KiB');
    // Half of the initial window; the goal is one per 256 KiB here too, which takes a larger window than a stream starts with.
    t.ok(onStream <= total / (128 * KIB), 'the stream: at most one per 128 KiB');
    t.ok(updates.length > 0, 'windows are credited at all');
  });

  await Promise.all([withDeadline.close(), without.close()]);
  await server.stop();
  await countAllocation();
}

function checkCommon(t: TestContext, found: PerCall, octets: number, deadline: number): void {
  const request = REQUEST_OCTETS + OPTIONAL_REQUEST_OCTETS + octets + deadline;
  const response = RESPONSE_OCTETS + OPTIONAL_RESPONSE_OCTETS + octets;
  t.ok(found.requestOctets <= request + CONTROL_OCTETS, `${request} octets per request`);
  t.ok(found.requestOctets >= REQUEST_OCTETS + octets, 'and not less than the protocol needs');
  t.ok(found.responseOctets <= response + CONTROL_OCTETS, `${response} octets per response`);
  t.ok(found.responseOctets >= RESPONSE_OCTETS + octets, 'and not less than the protocol needs');
  // A PING that measures the path may need one.
  t.ok(found.immediates <= 0.01, 'no setImmediate');
  t.equal(
    found.wheelTimersBeyondTime,
    0,
    "the wheel's timer is armed as time passes, not per call",
  );
}

async function countAllocation(): Promise<void> {
  const { process: server, port } = await MeasuredProcess.start('server');
  t.teardown(() => server.end());
  const { process: client } = await MeasuredProcess.start('client', port);
  t.teardown(() => client.end());
  for (const bound of ALLOCATION_BOUNDS) {
    await t.test(`octets allocated per empty call, ${bound.inFlight} in flight`, async (t) => {
      await client.calls(COMPILED_AFTER_CALLS, Math.max(bound.inFlight, 16));
      const least = { server: Number.POSITIVE_INFINITY, client: Number.POSITIVE_INFINITY };
      // The least of some rounds: in one of them code may still be compiled.
      for (let round = 0; round < ALLOCATION_ROUNDS; round++) {
        const before = { server: await server.octets(true), client: await client.octets(true) };
        await client.calls(ALLOCATION_CALLS, bound.inFlight);
        for (const [side, measured] of [
          ['server', server],
          ['client', client],
        ] as const) {
          const octets = ((await measured.octets(false)) - before[side]) / ALLOCATION_CALLS;
          // A collection in the middle of the round would show as next to nothing.
          if (octets > 100) least[side] = Math.min(least[side], octets);
        }
      }
      for (const side of ['server', 'client'] as const) {
        t.comment(`${side}: ${Math.round(least[side])} octets; the goal is ${ALLOCATION_GOAL}`);
        t.ok(least[side] <= bound[side], `${side}: at most ${bound[side]} octets`);
      }
    });
  }
  server.end();
  client.end();
}
