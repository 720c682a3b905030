/**
 * What a bad or odd frame must come to, asserted in full: the exact frames written, who hears what, and what stays alive. Each scene has a
 * bystander: a call on the same connection that has nothing to do with the frame under test, and whose HPACK table must not move.
 */

import { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import type { Limits } from '../../transport/limits.ts';
import { Initiator } from '../../transport/stream-listener.ts';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  headers,
  octets,
  ping,
  settings,
  settingsAck,
} from './frame-factory.ts';
import {
  block,
  REQUEST,
  RESPONSE,
  type RecordedStream,
  ScriptedClient,
  ScriptedServer,
} from './scripted-peer.ts';
import type { TestContext } from './tap.ts';

/** END_STREAM and END_HEADERS. */
export const ENDS: number = END_STREAM | END_HEADERS;

/** A literal that enters the dynamic table, and the reference to it as long as nothing else does. */
const PROBE_INSERTED: Uint8Array = octets([0x40, 7], 'x-probe', [1], '1');
const PROBE_REFERENCE: Uint8Array = octets([0xbe]);

/** A connection in the middle of its life. `peer.send` plays the other side. */
export interface Scene {
  readonly role: 'server' | 'client';
  readonly peer: ScriptedServer | ScriptedClient;
  /** A call that is open, on the lower stream. */
  readonly bystander: RecordedStream;
  readonly bystanderId: number;
  /** A call that is open in both directions: the one to do things to. On a server its request headers have come, nothing else. */
  readonly subject: RecordedStream;
  readonly subjectId: number;
  /** A stream that the peer may open (server) or that does not exist (client). */
  readonly idleId: number;
}

/** A server with stream 1 and 3 open; the test is its client. */
export function serverScene(limits: Partial<Limits> = {}): Scene {
  const peer = new ScriptedServer(limits);
  peer.send(headers(1, octets(block(...REQUEST), PROBE_INSERTED)), headers(3, block(...REQUEST)));
  peer.frames();
  const [bystander, subject] = peer.streams;
  if (bystander === undefined || subject === undefined) throw new Error('streams not accepted');
  return { role: 'server', peer, bystander, bystanderId: 1, subject, subjectId: 3, idleId: 5 };
}

/** A client with the calls 3 and 5 open, no response yet; the test is its server. */
export function clientScene(limits: Partial<Limits> = {}): Scene {
  const peer = new ScriptedClient(limits);
  const first = peer.open();
  first.stream?.sendEnd();
  peer.send(headers(1, octets(block(...RESPONSE), PROBE_INSERTED), ENDS));
  if (first.closed === undefined) throw new Error('first call did not end');
  const bystander = peer.open();
  const subject = peer.open();
  peer.frames();
  return { role: 'client', peer, bystander, bystanderId: 3, subject, subjectId: 5, idleId: 7 };
}

/** Runs `check` as a sub-test for each role, `title` first. */
export async function forBothRoles(
  t: TestContext,
  title: string,
  check: (t: TestContext, scene: Scene) => void,
  limits: Partial<Limits> = {},
): Promise<void> {
  await t.test(title, async (t) => {
    await t.test('server', async (t) => check(t, serverScene(limits)));
    await t.test('client', async (t) => check(t, clientScene(limits)));
  });
}

/** The block of a first header list that the scene's side takes: a request for a server, a response for a client. */
export function firstBlock(
  scene: Scene,
  ...more: readonly (readonly [string, string])[]
): Uint8Array {
  return block(...(scene.role === 'server' ? REQUEST : RESPONSE), ...more);
}

/** Nothing happened to anybody: no reset, no GOAWAY, and the bystander goes on. */
export function expectNoHarm(t: TestContext, scene: Scene): void {
  expectNoError(t, scene);
  expectBystanderLives(t, scene);
}

/** No reset and no GOAWAY was written. */
export function expectNoError(t: TestContext, scene: Scene): void {
  const errors = scene.peer
    .frames()
    .filter((frame) => frame.type === 'RST_STREAM' || frame.type === 'GOAWAY');
  t.strictSame(errors, [], 'no error is reported');
}

/**
 * RFC 9113 §5.4.2: exactly one RST_STREAM with `errorCode` on the stream, its listener hears `token`, and the rest of the connection lives.
 * `streamId` defaults to the subject's.
 */
export function expectStreamError(
  t: TestContext,
  scene: Scene,
  errorCode: number,
  token: string,
  streamId: number = scene.subjectId,
): void {
  const errors = scene.peer
    .frames()
    .filter((frame) => frame.type === 'RST_STREAM' || frame.type === 'GOAWAY');
  t.strictSame(
    errors,
    [{ type: 'RST_STREAM', length: 4, flags: 0, streamId, errorCode }],
    'one RST_STREAM and no GOAWAY',
  );
  if (streamId === scene.subjectId) {
    const closed = scene.subject.closed;
    t.equal(closed?.errorCode, errorCode, 'code told to the listener');
    t.equal(closed?.reason, token, 'reason told to the listener');
    t.equal(closed?.initiator, Initiator.LIBRARY);
  }
  expectBystanderLives(t, scene);
}

/**
 * RFC 9113 §5.4.1: GOAWAY with `errorCode` and `token` as the last frame, the last stream that might have been processed, the pipe ended,
 * every call told, nothing parsed any more, and the pipe destroyed a second later.
 */
export function expectConnectionError(
  t: TestContext,
  scene: Scene,
  errorCode: number,
  token: string,
): void {
  const { peer } = scene;
  const frames = peer.frames();
  const last = frames.at(-1);
  t.equal(frames.filter((frame) => frame.type === 'GOAWAY').length, 1, 'one GOAWAY');
  t.equal(last?.type, 'GOAWAY', 'GOAWAY is the last frame');
  if (last?.type === 'GOAWAY') {
    t.equal(last.errorCode, errorCode, 'code of GOAWAY');
    t.equal(String.fromCharCode(...last.debugData), token, 'text of GOAWAY');
    if (scene.role === 'client') t.equal(last.lastStreamId, 0, 'a server opened no stream');
    else t.ok(last.lastStreamId >= scene.subjectId, 'last stream that might have been processed');
  }
  t.equal(peer.pipe.ended, true, 'our side of the pipe is ended');
  t.equal(peer.pipe.destroyed, false, 'octets still under way do not meet a TCP reset');
  t.equal(peer.closed?.errorCode, errorCode, 'code told to the owner');
  t.equal(peer.closed?.message, token, 'reason told to the owner');
  t.equal(scene.bystander.closed?.errorCode, errorCode, 'the bystander is told');
  t.equal(scene.bystander.closed?.initiator, Initiator.CONNECTION);
  t.equal(peer.connection.activeStreams, 0, 'no stream is left');
  peer.send(ping('12345678'), settings(), data(scene.bystanderId, 'x'));
  t.strictSame(peer.frames(), [], 'nothing is parsed any more');
  peer.clock.advance(1000);
  t.equal(peer.pipe.destroyed, true, 'the pipe is destroyed in the end');
  t.equal(peer.clock.pending, 0, 'no timer is left');
}

/** The connection answers, the bystander's call can go on and end, its HPACK table is what it was, and new calls can be made. */
export function expectBystanderLives(t: TestContext, scene: Scene): void {
  const { peer, bystander, bystanderId } = scene;
  t.equal(peer.closed, null, 'the connection is open');
  t.equal(peer.pipe.ended, false, 'so is the pipe');
  peer.send(ping('12345678'));
  const answers = peer.framesOf('PING');
  t.equal(answers.length, 1, 'PING is answered');
  t.equal(answers[0]?.type === 'PING' && answers[0].ack, true);
  if (peer instanceof ScriptedServer) {
    // The bystander's request goes on and ends.
    peer.send(data(bystanderId, [0, 0, 0, 0, 1, 7], END_STREAM));
    t.strictSame(bystander.received, octets([0, 0, 0, 0, 1, 7]), 'the bystander hears DATA');
    bystander.stream?.sendTrailers([':status', '200', 'grpc-status', '0'], null);
    const written = peer.framesOf('HEADERS');
    t.strictSame(
      written.map((frame) => frame.type === 'HEADERS' && [frame.streamId, frame.endStream]),
      [[bystanderId, true]],
      'the bystander answers',
    );
    // A further request refers to a field that the bystander put into the HPACK table.
    const further = 2 ** 20 + 1;
    peer.send(headers(further, octets(block(...REQUEST), PROBE_REFERENCE), ENDS));
    t.strictSame(peer.requests.at(-1), [...REQUEST.flat(), 'x-probe', '1'], 'HPACK is in step');
    expectNoError(t, scene);
    return;
  }
  peer.send(
    headers(bystanderId, octets(block(...RESPONSE), PROBE_REFERENCE)),
    data(bystanderId, [0, 0, 0, 0, 1, 7]),
    headers(bystanderId, block(['grpc-status', '0']), ENDS),
  );
  const heard = bystander.events.filter((event) => event.type !== 'writable');
  t.strictSame(
    heard.map((event) => event.type),
    ['headers', 'data', 'trailers'],
    'the bystander hears its response',
  );
  const first = heard[0];
  t.strictSame(
    first?.type === 'headers' ? first.headers : null,
    [...RESPONSE.flat(), 'x-probe', '1'],
    'HPACK is in step',
  );
  const next = peer.open();
  next.stream?.sendEnd();
  t.equal(peer.framesOf('HEADERS').length, 1, 'a further call can be made');
}

/** A fresh server that read nothing but the preface and SETTINGS with `pairs`; the frames it wrote are dropped. */
export function greetedServer(
  preface: Uint8Array,
  pairs: readonly (readonly [number, number])[],
  limits: Partial<Limits> = {},
): ScriptedServer {
  const server = new ScriptedServer(limits, false);
  server.send(preface, settings(...pairs), settingsAck());
  server.frames();
  return server;
}

/** Everything a decoder of any peer would take. */
export function roomyDecoder(): HpackDecoder {
  return new HpackDecoder({
    maxTableOctets: 65_536,
    maxHeaderListOctets: 1 << 24,
    maxHeaderFields: 100_000,
    maxTableSizeUpdates: 2,
  });
}

/** PING with ACK. */
export function pingAck(payload: Uint8Array): Uint8Array {
  return ping(payload, ACK);
}
