/**
 * What frames and messages cost without HPACK: reading, writing, deframing.
 * Run after a build: `node dist/bench/micro/frames.js`. Prints nanoseconds per frame or message, the best of several rounds.
 */

import type { FrameHandler, HeaderList } from '../../framing/frame-handler.ts';
import { FrameReader, type HeaderDecoder } from '../../framing/frame-reader.ts';
import { FrameWriter, type HeaderEncoder } from '../../framing/frame-writer.ts';
import { MessageDeframer, type MessageSink } from '../../framing/message/message-deframer.ts';
import { OutputBuffer } from '../../framing/output-buffer.ts';
import { CLIENT_LIMITS } from '../../transport/limits.ts';

const ROUNDS = 12;
const ROUND_MS = 100;
const READ_OCTETS = 65_536;
const BLOCK = '0123456789abcdef';
const NO_FIELDS: HeaderList = [];

/** Keeps results alive, so that the work cannot be optimised away. */
let sink = 0;

function measure(name: string, run: (times: number) => void): void {
  let times = 1000;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    run(times);
    const elapsedMs = performance.now() - start;
    best = Math.min(best, (elapsedMs * 1e6) / times);
    times = Math.max(1000, Math.ceil((times * ROUND_MS) / Math.max(elapsedMs, 0.01)));
  }
  console.log(`${name.padEnd(58)} ${best.toFixed(1).padStart(9)} ns`);
}

const decoder: HeaderDecoder = { complete: true, decode: () => NO_FIELDS };

const encoder: HeaderEncoder = {
  maxEncodedOctets: () => BLOCK.length,
  encode(_template, _extra, target, offset) {
    for (let i = 0; i < BLOCK.length; i++) target[offset + i] = 48;
    return offset + BLOCK.length;
  },
};

/** Looks at every argument once, and keeps nothing. */
class CountingHandler implements FrameHandler {
  frames = 0;

  onData(id: number, chunk: Uint8Array, start: number, end: number, flowLength: number): void {
    this.frames++;
    sink += id + end - start + flowLength + (start < end ? chunk[start]! : 0);
  }
  onHeaders(id: number, headers: HeaderList): void {
    this.frames++;
    sink += id + headers.length;
  }
  onRstStream(id: number, errorCode: number): void {
    this.frames++;
    sink += id + errorCode;
  }
  onSetting(id: number, value: number): void {
    sink += id + value;
  }
  onSettingsEnd(): void {
    this.frames++;
  }
  onPing(chunk: Uint8Array, start: number): void {
    this.frames++;
    sink += chunk[start]!;
  }
  onGoAway(): void {
    this.frames++;
  }
  onWindowUpdate(id: number, increment: number): void {
    this.frames++;
    sink += id + increment;
  }
  onStreamError(): void {
    this.frames++;
  }
  onIgnoredFrame(): void {
    this.frames++;
  }
}

/** `frames` written over and over into one read of about 64 KiB. */
function wireOf(write: (writer: FrameWriter) => void): Uint8Array {
  const output = new OutputBuffer();
  const writer = new FrameWriter(output, encoder);
  while (output.length < READ_OCTETS) write(writer);
  return Buffer.concat(output.takeChunks());
}

/** Reads `wire` in pieces of `pieceOctets`. */
function readBench(name: string, wire: Uint8Array, pieceOctets: number): void {
  const reader = new FrameReader({ role: 'client', ...CLIENT_LIMITS }, decoder);
  const handler = new CountingHandler();
  const start = wireOf((writer) => writer.settings([]));
  reader.read(start, 0, 9, handler);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < wire.length; at += pieceOctets) {
    pieces.push(wire.subarray(at, at + pieceOctets));
  }
  measure(name, (times) => {
    const until = handler.frames + times;
    while (handler.frames < until) {
      for (const piece of pieces) reader.read(piece, 0, piece.length, handler);
    }
  });
}

function writeBench(
  name: string,
  framesPerCall: number,
  write: (writer: FrameWriter) => void,
): void {
  const output = new OutputBuffer();
  const writer = new FrameWriter(output, encoder);
  measure(name, (times) => {
    for (let i = 0; i < times; i += framesPerCall) {
      write(writer);
      if (output.length >= 16_000) {
        sink += output.takeChunks().length;
        output.recycle();
      }
    }
  });
}

class CountingSink implements MessageSink {
  onDeframed(flags: number, chunk: Uint8Array, start: number, end: number): void {
    sink += flags + end - start + (start < end ? chunk[start]! : 0);
  }
}

function deframeBench(name: string, messageOctets: number, pieceOctets: number): void {
  const message = new Uint8Array(messageOctets + 5);
  new DataView(message.buffer).setUint32(1, messageOctets);
  const counting = new CountingSink();
  measure(name, (times) => {
    for (let i = 0; i < times; i++) {
      const deframer = new MessageDeframer(4_194_304);
      for (let at = 0; at < message.length; at += pieceOctets) {
        deframer.push(message, at, Math.min(at + pieceOctets, message.length));
        while (deframer.next(counting));
        deframer.compact();
      }
      sink += deframer.takeReleased();
    }
  });
}

const small = new Uint8Array(32);
const middle = new Uint8Array(1024);
const large = new Uint8Array(16_379);
const opaque = new Uint8Array(8);

const call = (writer: FrameWriter): void => {
  writer.headers(1, NO_FIELDS, null, false);
  writer.message(1, 0, small, false);
  writer.headers(1, NO_FIELDS, null, true);
};

readBench('read: HEADERS, DATA of 37, HEADERS', wireOf(call), READ_OCTETS * 2);
readBench('read: the same, reads of 1460 octets', wireOf(call), 1460);
readBench('read: the same, reads of 1 octet', wireOf(call), 1);
readBench(
  'read: DATA of 1029',
  wireOf((w) => w.message(1, 0, middle, false)),
  READ_OCTETS * 2,
);
readBench(
  'read: DATA of 16384, reads of 65536',
  wireOf((w) => w.message(1, 0, large, false)),
  65_536,
);
readBench(
  'read: WINDOW_UPDATE',
  wireOf((w) => w.windowUpdate(1, 5)),
  READ_OCTETS * 2,
);
readBench(
  'read: PING',
  wireOf((w) => w.ping(opaque, false)),
  READ_OCTETS * 2,
);
readBench(
  'read: SETTINGS of 3',
  wireOf((w) => w.settings([1, 1, 3, 3, 4, 4])),
  READ_OCTETS * 2,
);

writeBench('write: HEADERS, DATA of 37, HEADERS', 3, call);
writeBench('write: DATA of 37', 1, (w) => w.message(1, 0, small, false));
writeBench('write: DATA of 1029, copied', 1, (w) => w.message(1, 0, middle, false));
writeBench('write: DATA of 16384, by reference', 1, (w) => w.message(1, 0, large, false));
writeBench('write: WINDOW_UPDATE', 1, (w) => w.windowUpdate(1, 5));
writeBench('write: PING', 1, (w) => w.ping(opaque, true));
writeBench('write: SETTINGS of 3', 1, (w) => w.settings([1, 1, 3, 3, 4, 4]));

deframeBench('deframe: 32 octets in one range', 32, 100);
deframeBench('deframe: 32 octets, 1 octet each', 32, 1);
deframeBench('deframe: 65536 octets in ranges of 16384', 65_536, 16_384);
deframeBench('deframe: 4 MiB in ranges of 16384', 4_194_304, 16_384);

if (sink === 0) console.log('nothing was measured');
