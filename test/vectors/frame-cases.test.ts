/**
 * The frame vectors of http2jp/http2-frame-test-case: 12 legal and 22 illegal frames. They are stateless: a CONTINUATION gets the
 * HEADERS before it that the reader insists on.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type InspectedFrame, inspectFrames } from '../../framing/frame-inspector.ts';
import { FrameWriter } from '../../framing/frame-writer.ts';
import { OutputBuffer } from '../../framing/output-buffer.ts';
import { chunkings } from '../support/chunkings.ts';
import type { RecordedEvent } from '../support/event-recorder.ts';
import { fromHex, headers, octets, toHex } from '../support/frame-factory.ts';
import { readAll, startReading } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';
import { vectorsFolder } from '../support/vectors-folder.ts';

/** One file of the collection. */
interface FrameCase {
  readonly description: string;
  readonly wire: string;
  readonly frame: {
    readonly length: number;
    readonly type: number;
    readonly flags: number;
    readonly stream_identifier: number;
    readonly frame_payload: Readonly<Record<string, unknown>>;
  } | null;
  readonly error: readonly number[] | null;
}

const TYPE_NUMBERS = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
  'CONTINUATION',
] as const;

function text(octets: Uint8Array): string {
  return String.fromCharCode(...octets);
}

/** The padding text of a frame's wire form, for the types that may have one. */
function padding(frame: { padOctets: number | null }, wire: Uint8Array): object {
  const { padOctets } = frame;
  return {
    padding_length: padOctets,
    padding: padOctets === null ? null : text(wire.subarray(wire.length - padOctets)),
  };
}

/** What the collection calls `frame_payload`, from what the inspector found. */
function payloadOf(frame: InspectedFrame, wire: Uint8Array): object {
  switch (frame.type) {
    case 'DATA':
      return { data: text(frame.data), ...padding(frame, wire) };
    case 'HEADERS':
      return {
        header_block_fragment: text(frame.fragment),
        stream_dependency: frame.priority?.dependency ?? null,
        weight: frame.priority?.weight ?? null,
        exclusive: frame.priority?.exclusive ?? null,
        ...padding(frame, wire),
      };
    case 'PRIORITY':
      return {
        stream_dependency: frame.priority.dependency,
        weight: frame.priority.weight,
        exclusive: frame.priority.exclusive,
        padding_length: null,
        padding: null,
      };
    case 'RST_STREAM':
      return { error_code: frame.errorCode };
    case 'SETTINGS':
      return { settings: frame.settings.map(({ id, value }) => [id, value]) };
    case 'PUSH_PROMISE':
      return {
        promised_stream_id: frame.promisedStreamId,
        header_block_fragment: text(frame.fragment),
        ...padding(frame, wire),
      };
    case 'PING':
      return { opaque_data: text(frame.payload) };
    case 'GOAWAY':
      return {
        last_stream_id: frame.lastStreamId,
        error_code: frame.errorCode,
        additional_debug_data: text(frame.debugData),
      };
    case 'WINDOW_UPDATE':
      return { window_size_increment: frame.increment };
    case 'CONTINUATION':
      return { header_block_fragment: text(frame.fragment) };
    default:
      return {};
  }
}

/** Writes the frame again with FrameWriter, or null for what FrameWriter never writes. */
function rewritten(frame: InspectedFrame): Uint8Array | null {
  const output = new OutputBuffer();
  const writer = new FrameWriter(output, {
    maxEncodedOctets: ([fragment]) => fragment!.length,
    encode([fragment], _, target, offset) {
      for (let i = 0; i < fragment!.length; i++) target[offset + i] = fragment!.charCodeAt(i);
      return offset + fragment!.length;
    },
  });
  switch (frame.type) {
    case 'HEADERS':
      if (frame.priority !== null || frame.padOctets !== null) return null;
      writer.headers(frame.streamId, [text(frame.fragment)], null, frame.endStream);
      break;
    case 'RST_STREAM':
      writer.rstStream(frame.streamId, frame.errorCode);
      break;
    case 'SETTINGS':
      writer.settings(frame.settings.flatMap(({ id, value }) => [id, value]));
      break;
    case 'PING':
      writer.ping(frame.payload, frame.ack);
      break;
    case 'GOAWAY':
      writer.goAway(frame.lastStreamId, frame.errorCode, text(frame.debugData));
      break;
    case 'WINDOW_UPDATE':
      writer.windowUpdate(frame.streamId, frame.increment);
      break;
    default:
      return null;
  }
  return octets(...output.takeChunks());
}

/** What FrameReader must tell about a legal frame of the collection, or null for PUSH_PROMISE, which we refuse. */
function wantedEvents(frame: InspectedFrame): RecordedEvent[] | null {
  switch (frame.type) {
    case 'DATA':
      return [['DATA', frame.streamId, text(frame.data), frame.length, frame.endStream]];
    case 'HEADERS':
      return [['HEADERS', frame.streamId, ['block', text(frame.fragment)], frame.endStream, true]];
    case 'PRIORITY':
      return [['IGNORED', 2, frame.streamId, 5]];
    case 'RST_STREAM':
      return [['RST_STREAM', frame.streamId, frame.errorCode]];
    case 'SETTINGS':
      return [
        ...frame.settings.map(({ id, value }) => ['SETTING', id, value]),
        ['SETTINGS_END', false],
      ];
    case 'PING':
      return [['PING', toHex(frame.payload), frame.ack]];
    case 'GOAWAY':
      return [['GOAWAY', frame.lastStreamId, frame.errorCode, text(frame.debugData)]];
    case 'WINDOW_UPDATE':
      return [['WINDOW_UPDATE', frame.streamId, frame.increment]];
    default:
      // CONTINUATION here never ends its block.
      return frame.type === 'PUSH_PROMISE' ? null : [];
  }
}

/** Runs FrameReader in each chunking; each time the events must be the same. */
function readInChunkings(input: Uint8Array, overrides: object): (readonly RecordedEvent[])[] {
  return chunkings(input).map(({ chunks }) => readAll(startReading(overrides), chunks));
}

const folder = vectorsFolder();
if (folder === null) {
  t.skip('no test vectors: ../shared/vectors is not there');
} else {
  const root = join(folder, 'http2-frame-test-case');
  const names = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => readdirSync(join(root, name)).map((file) => `${name}/${file}`))
    .filter((name) => name.endsWith('.json'))
    .sort();
  let legal = 0;
  let illegal = 0;
  for (const name of names) {
    const { wire, frame, error } = JSON.parse(readFileSync(join(root, name), 'utf8')) as FrameCase;
    const input = fromHex(wire);
    if (frame !== null) {
      legal++;
      await t.test(`frame vector ${name} is read, told and written`, async (t) => {
        const [found, ...more] = inspectFrames(input);
        if (found === undefined || !('streamId' in found)) throw new Error('no frame found');
        t.equal(more.length, 0);
        t.strictSame(
          [found.length, TYPE_NUMBERS.indexOf(found.type as 'DATA'), found.flags, found.streamId],
          [frame.length, frame.type, frame.flags, frame.stream_identifier],
        );
        t.strictSame(payloadOf(found, input), frame.frame_payload);
        const again = rewritten(found);
        if (again !== null) t.equal(toHex(again), wire.toLowerCase());
        const before = found.type === 'CONTINUATION' ? headers(found.streamId, 'a', 0) : octets();
        const limits = { maxGoAwayDebugOctets: 100 };
        for (const events of readInChunkings(octets(before, input), limits)) {
          const refusal = [['CONNECTION_ERROR', 1, 'frame.push-promise.refused', 10]];
          t.strictSame(events, wantedEvents(found) ?? refusal);
        }
      });
    } else if (error !== null) {
      illegal++;
      await t.test(`frame vector ${name} is an error ${error.join(' or ')}`, async (t) => {
        for (const events of readInChunkings(input, { role: 'client' })) {
          t.equal(events.length, 1);
          const [kind, second, third] = events[0]!;
          const code = kind === 'CONNECTION_ERROR' ? second : kind === 'STREAM_ERROR' ? third : -1;
          t.ok(error.includes(code as number), `code ${String(code)}`);
        }
      });
    }
  }
  t.strictSame([legal, illegal], [12, 22]);
}
