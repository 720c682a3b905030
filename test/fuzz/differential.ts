/**
 * Sessions and messages judged twice: by us, and by an implementation that we did not write (security reference, P08). The two need not agree
 * on how bad a fault is, which RFC 9113 leaves open in many places; what one finds in order and the other does not is looked at, and is on the
 * list below with its reason, or is a finding.
 */

import { performServerHandshake } from 'node:http2';
import { Duplex } from 'node:stream';
import protobuf from 'protobufjs';
import { encodableOfType, messageCodec } from '../../lib/protobuf/protobufjs-codec.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { ECHO, EchoService } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { octets, PREFACE, settings, settingsAck } from '../support/frame-factory.ts';
import { HpackModel } from '../support/hpack-model.ts';
import { ScriptedPipe } from '../support/scripted-peer.ts';

/** How a server took a session. */
export interface Verdict {
  /** GOAWAY with an error, or the connection was cut. */
  readonly connection: boolean;
  /** Streams reset with an error, with its code. */
  readonly resets: ReadonlyMap<number, number>;
  /** Responses of headers alone, by stream: what their `grpc-message` says, or their `:status` if it is not 200. */
  readonly refusals: ReadonlyMap<number, string>;
  /** Our token or node's code, for the report. */
  readonly words: string;
}

/** Frames that node:http2 ends a connection for, RFC 9113 leaving it open; left out of the session. */
const THEIRS_ALONE: readonly (readonly [
  is: (type: number, flags: number, payload: Buffer) => boolean,
  reason: string,
])[] = [
  [(type, flags) => type === 6 && (flags & 1) !== 0, 'a PING ACK that answers nothing: a glitch'],
  [
    (type, flags) => type === 4 && (flags & 1) !== 0,
    'a SETTINGS ACK that answers nothing: one too',
  ],
  [(type) => type === 7, 'GOAWAY with an error: node closes, we let the calls end'],
  [
    (type, _flags, payload) => type === 4 && settingIds(payload).includes(8),
    'SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441): unknown to us, so any value is ignored',
  ],
  [
    (type, _flags, payload) => type === 4 && settingIds(payload).includes(9),
    'SETTINGS_NO_RFC7540_PRIORITIES (RFC 9218): the same',
  ],
  [
    (type, _flags, payload) =>
      type === 4 && new Set(settingIds(payload)).size < settingIds(payload).length,
    'RFC 9113 §6.5.3 has settings processed in order; nghttp2 looks at the last of each id only',
  ],
];

/** RFC 9113 §6.3: the stream that a PRIORITY frame makes its own depend on. */
function dependency(payload: Buffer): number {
  return payload.readUInt32BE(0) & 0x7fffffff;
}

function settingIds(payload: Buffer): number[] {
  const ids: number[] = [];
  for (let at = 0; at + 6 <= payload.length; at += 6) ids.push(payload.readUInt16BE(at));
  return ids;
}

/**
 * What our server says when it refuses a request for its header fields alone, before it looks for a method, and node resets the stream. RFC
 * 9113 §8.1.1 lets a server respond to a malformed request; what gRPC wants for a path without its slash is UNIMPLEMENTED (S67).
 */
const REFUSED_BY_FIELDS: ReadonlySet<string> = new Set([
  ':status 400',
  ':status 405',
  ':status 415',
  'path does not begin with a slash',
]);

/** Client streams as far as a session tells: which have been opened, and which are closed whatever the server does. */
class StreamsSeen {
  readonly #opened: Set<number> = new Set();
  readonly #reset: Set<number> = new Set();
  #highest = 0;

  note(type: number, streamId: number, length: number): void {
    if (type === 1 && streamId > this.#highest && streamId % 2 === 1) {
      this.#highest = streamId;
      this.#opened.add(streamId);
    }
    if (type === 3 && length === 4 && this.#opened.has(streamId)) this.#reset.add(streamId);
  }

  /** Reset by the client, or passed over by a higher one (RFC 9113 §5.1.1). */
  isClosed(streamId: number): boolean {
    if (streamId % 2 === 0) return false;
    return this.#opened.has(streamId) ? this.#reset.has(streamId) : streamId < this.#highest;
  }
}

/** Tokens of ours for what node:http2 lets pass. */
const OURS_ALONE: readonly (readonly [token: RegExp, reason: string])[] = [
  [/http\.field\.(name|value)-/, 'nghttp2 leaves an invalid field out, we refuse the request'],
  [/http\.field\.te-not-trailers/, 'RFC 9113 §8.2.2; nghttp2 leaves the field out'],
  [
    /stream\.(headers-on-closed|id-not-increasing)/,
    'RFC 9113 §5.1, §5.1.1; nghttp2 ignores HEADERS on ids that it knows, or believes, to be closed',
  ],
  [/http\.request\.authority-userinfo/, 'RFC 9113 §8.3.1; not looked at there'],
  [/stream\.data-after-reset/, 'RFC 9113 §5.1; ignored there'],
  [/too_many_/, 'budgets of ours (L3, L10 to L14)'],
  [
    /frame\.data\.pad/,
    'RFC 9113 §6.1; nghttp2 ignores DATA of closed streams before it looks into it',
  ],
];

/**
 * The session without the frames that are judged differently on purpose. Null when it ends inside a header block, which nghttp2 judges field by
 * field, and we when it is whole.
 */
export function withoutDifferences(input: Uint8Array): Uint8Array | null {
  const view = Buffer.from(input.buffer, input.byteOffset, input.length);
  const kept: Buffer[] = [];
  let at = 0;
  let inBlock = false;
  const streams = new StreamsSeen();
  while (at + 9 <= view.length) {
    const end = at + 9 + view.readUIntBE(at, 3);
    if (end > view.length) break;
    const [type, flags] = [view[at + 3]!, view[at + 4]!];
    if (type === 1 || type === 9) inBlock = (flags & 4) === 0;
    const payload = view.subarray(at + 9, end);
    const streamId = view.readUInt32BE(at + 5) & 0x7fffffff;
    streams.note(type, streamId, payload.length);
    // RFC 9113 §5.3.2: priority is deprecated, and with it went the rule that a stream must not depend on itself: ignored here (S07), the end of
    // the connection there.
    if (type === 2 && payload.length === 5 && streamId !== 0 && dependency(payload) === streamId) {
      at = end;
      continue;
    }
    // RFC 9113 §6.3: a PRIORITY frame of another length than 5 is a stream error. Only where the stream is closed is there none to reset: a
    // glitch here, the end of the connection there.
    const hasNoStream = type === 2 && payload.length !== 5 && streams.isClosed(streamId);
    if (!hasNoStream && !THEIRS_ALONE.some(([is]) => is(type, flags, payload))) {
      kept.push(view.subarray(at, end));
    }
    at = end;
  }
  // A frame cut short is judged by its header there, here when it is whole: that is left to the frame-reader target.
  if (inBlock) return null;
  return Buffer.concat(kept);
}

const PROTOCOL_ERROR = 1;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** GOAWAY, RST_STREAM and responses of headers alone among frames. `readsFields`: the responses are told by what they say. */
function judge(
  written: Uint8Array,
  cut: boolean,
  tokens: readonly string[],
  readsFields: boolean,
): Verdict {
  const view = Buffer.from(written.buffer, written.byteOffset, written.length);
  let connection = cut;
  const resets = new Map<number, number>();
  const refusals = new Map<number, string>();
  const answered = new Set<number>();
  const model = new HpackModel();
  const words = [...tokens];
  for (let at = 0; at + 9 <= view.length; ) {
    const length = view.readUIntBE(at, 3);
    const [type, flags] = [view[at + 3], view[at + 4]!];
    const streamId = view.readUInt32BE(at + 5) & 0x7fffffff;
    if (type === 1 && readsFields) {
      // Our responses here fit into one frame, without padding or priority.
      const list = model.decode(view.subarray(at + 9, at + 9 + length));
      const field = (name: string): string | undefined => {
        const index = list.findIndex((text, i) => i % 2 === 0 && text === name);
        return index < 0 ? undefined : list[index + 1];
      };
      if ((flags & 1) !== 0 && !answered.has(streamId)) {
        const status = field(':status');
        const text = status === '200' ? field('grpc-message') : `:status ${status}`;
        refusals.set(streamId, text ?? '');
      }
      answered.add(streamId);
    }
    if (type === 7 && view.readUInt32BE(at + 13) !== 0) {
      connection = true;
      words.push(`GOAWAY ${view.readUInt32BE(at + 13)}`);
    }
    // NO_ERROR and CANCEL end what was answered early or was left; both sides do so at times of their own.
    if (type === 3 && ![0, 8].includes(view.readUInt32BE(at + 9))) {
      resets.set(streamId, view.readUInt32BE(at + 9));
      words.push(`RST_STREAM ${view.readUInt32BE(at + 9)} on ${streamId}`);
    }
    at += 9 + length;
  }
  if (cut) words.push('cut');
  return { connection, resets, refusals, words: words.join(', ') };
}

async function ours(session: Uint8Array): Promise<Verdict> {
  const clock = new FakeClock();
  const server = new GrpcServer({ clock, reportError: () => {} });
  server.addMethods([
    { ...new EchoService().methods[0]!, method: { ...ECHO, path: '/test.Service/Method' } },
  ]);
  const pipe = new ScriptedPipe();
  server.accept(pipe);
  pipe.feed(session);
  await nextTurn();
  await nextTurn();
  const { trips } = server.stats();
  const verdict = judge(pipe.take(), pipe.destroyed, [...trips.keys()], true);
  pipe.destroy();
  await server.closeNow();
  return verdict;
}

class MemoryPipe extends Duplex {
  readonly written: Buffer[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(Buffer.from(chunk));
    done();
  }
}

async function theirs(session: Uint8Array): Promise<Verdict> {
  const pipe = new MemoryPipe();
  pipe.on('error', () => {});
  const peer = performServerHandshake(pipe);
  let cut = false;
  peer.on('error', () => {
    cut = true;
  });
  peer.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.resume();
    if (stream.destroyed || stream.closed) return;
    stream.respond({ ':status': 200 });
    stream.end('ok');
  });
  pipe.push(session);
  // nghttp2 is fed by the stream's own ticks.
  for (let i = 0; i < 4; i++) await nextTurn();
  const verdict = judge(Buffer.concat(pipe.written), cut, [], false);
  peer.destroy();
  pipe.destroy();
  return verdict;
}

/** In words what one of two servers takes and the other does not, if RFC 9113 does not allow for it; else null. */
export function differenceOf(mine: Verdict, other: Verdict): string | null {
  const mineIsContent = !mine.connection && mine.resets.size === 0;
  const otherIsContent = !other.connection && other.resets.size === 0;
  if (mineIsContent === otherIsContent) return null;
  if (mineIsContent) {
    // Each stream that node resets as malformed, and no other, must have been refused here for its fields.
    const isLegal =
      !other.connection &&
      [...other.resets].every(
        ([streamId, code]) =>
          code === PROTOCOL_ERROR && REFUSED_BY_FIELDS.has(mine.refusals.get(streamId) ?? ''),
      );
    return isLegal
      ? null
      : `node:http2 refuses (${other.words}) what we take (${mine.words || 'in order'})`;
  }
  if (OURS_ALONE.some(([pattern]) => pattern.test(mine.words))) return null;
  return `we refuse (${mine.words}) what node:http2 takes`;
}

/** The same session against our server and that of node:http2. Throws Error when one is content and the other is not. */
export async function compareServers(input: Uint8Array): Promise<void> {
  const behindGreeting = withoutDifferences(input);
  if (behindGreeting === null) return;
  const session = octets(PREFACE, settings(), settingsAck(), behindGreeting);
  const other = await theirs(session);
  let mine = await ours(session);
  if (differenceOf(mine, other) === null) return;
  // A stream that its client has reset is not answered any more: what would have been the answer?
  const resets = new Set(resetIn(session).filter((id) => other.resets.has(id)));
  if (resets.size > 0) {
    const { refusals } = await ours(withoutResets(session, resets));
    mine = {
      ...mine,
      refusals: new Map([...mine.refusals, ...[...refusals].filter(([id]) => resets.has(id))]),
    };
  }
  const difference = differenceOf(mine, other);
  if (difference !== null) throw new Error(difference);
}

/** Streams that a session resets. */
function resetIn(session: Uint8Array): number[] {
  return [...framesOf(session)].filter(({ type }) => type === 3).map(({ streamId }) => streamId);
}

/** The session without the RST_STREAM frames of `streams`. */
function withoutResets(session: Uint8Array, streams: ReadonlySet<number>): Uint8Array {
  const kept = [...framesOf(session)].filter(
    ({ type, streamId }) => type !== 3 || !streams.has(streamId),
  );
  return octets(PREFACE, ...kept.map(({ whole }) => whole));
}

function* framesOf(session: Uint8Array) {
  const view = Buffer.from(session.buffer, session.byteOffset, session.length);
  for (let at = PREFACE.length; at + 9 <= view.length; ) {
    const end = at + 9 + view.readUIntBE(at, 3);
    const streamId = view.readUInt32BE(at + 5) & 0x7fffffff;
    yield { type: view[at + 3]!, streamId, whole: view.subarray(at, end) };
    at = end;
  }
}

const ROOT = protobuf
  .parse(`syntax = "proto3"; package f;
  enum Kind { NONE = 0; ONE = 1; }
  message Node { Node next = 1; map<string, string> map = 2; string text = 3; repeated int32 packed = 4; bytes blob = 5;
    double d = 6; sint64 s = 7; fixed32 f = 8; bool b = 9; repeated Node list = 10; oneof choice { uint64 left = 11; string right = 12; }
    Kind kind = 13; map<int64, Node> wide = 14; }
`)
  .root.resolveAll() as protobuf.Root;
const NODE = ROOT.lookupType('f.Node');
const CODEC = messageCodec<object>(encodableOfType(NODE, undefined), 'fuzz', {});
const VARINT_WIRE_TYPE = 0;
const WIRE_TYPES: Readonly<Record<string, number>> = protobuf.types.basic;
const VARINT_FIELDS: ReadonlySet<number> = new Set(
  NODE.fieldsArray
    .filter(
      ({ map, type, resolvedType }) =>
        !map && (resolvedType instanceof protobuf.Enum || WIRE_TYPES[type] === VARINT_WIRE_TYPE),
    )
    .map(({ id }) => id),
);

/**
 * Whether `input` is a row of fields as the encoding documents of Protocol Buffers have them; read by nobody else's code. One thing they have
 * not is let pass: protobufjs goes over a varint that it does not keep, of a field that is unknown or of another type, or in a group, to its end,
 * however far that is.
 */
function isWellFormed(input: Uint8Array): boolean {
  const groups: number[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      if (at >= input.length) return -1;
      const octet = input[at++]!;
      value += (octet & 0x7f) * 2 ** (7 * i);
      if (octet < 0x80) return value;
    }
    return -1;
  };
  while (at < input.length) {
    const tag = varint();
    if (tag < 0) return false;
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        if (groups.length > 0 || !VARINT_FIELDS.has(number)) {
          while (at < input.length && input[at]! >= 0x80) at++;
          at++;
        } else if (varint() < 0) return false;
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        if (length < 0) return false;
        at += length;
        break;
      }
      case 3:
        groups.push(number);
        break;
      case 4:
        if (groups.pop() !== number) return false;
        break;
      case 5:
        at += 4;
        break;
      default:
        return false;
    }
    if (at > input.length) return false;
  }
  return groups.length === 0;
}

/** One message against our codec, protobufjs's own decoder, and a plain reading of the wire format. */
export function compareDecoders(input: Uint8Array): void {
  let mine: object | null = null;
  let problem: unknown = null;
  try {
    mine = CODEC.decode(input);
  } catch (error) {
    problem = error;
    if (!(error instanceof Error) || error.constructor !== Error) throw error;
  }
  let other: object | null = null;
  try {
    other = NODE.decode(input.slice());
  } catch {
    // Told by null.
  }
  if ((mine === null) !== (other === null)) {
    throw new Error(
      `the codec ${mine === null ? `refuses (${String(problem)})` : 'takes'} it, protobufjs does not`,
    );
  }
  if (mine === null || other === null) return;
  if (!isWellFormed(input)) throw new Error('octets that are no fields were decoded');
  const text = (message: object): string =>
    JSON.stringify(NODE.toObject(message as protobuf.Message));
  if (text(mine) !== text(other)) throw new Error('the codec decodes another message');
  // What was decoded can be sent on, and says the same again. NaN and the like are compared as text.
  const again = CODEC.decode(CODEC.encode(mine));
  if (text(again) !== text(mine))
    throw new Error('encoded and decoded again, it is another message');
  if (Object.hasOwn(Object.prototype, 'polluted')) throw new Error('Object.prototype was changed');
}
