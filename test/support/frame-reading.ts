/**
 * Octets in, recorded handler calls out: the frame of nearly every test in test/framing.
 */

import { ConnectionError } from '../../framing/errors.ts';
import { FrameReader, type FrameReaderOptions } from '../../framing/frame-reader.ts';
import { chunkings } from './chunkings.ts';
import { BlockTextDecoder, EventRecorder, type RecordedEvent } from './event-recorder.ts';
import { type Octets, octets, PREFACE, settings } from './frame-factory.ts';
import type { TestContext } from './tap.ts';

/** Small limits, so that tests reach them. */
export const READER_OPTIONS: FrameReaderOptions = {
  role: 'server',
  maxSettingsEntries: 4,
  maxContinuationFrames: 3,
  maxEmptyContinuationFrames: 1,
  maxHeaderBlockOctets: 100,
  maxGoAwayDebugOctets: 10,
};

/** What the peer of a reader with these options sends first. */
export function connectionStart(role: 'client' | 'server'): Uint8Array {
  return role === 'server' ? octets(PREFACE, settings()) : settings();
}

/** A reader with what surrounds it. */
export interface Reading {
  readonly reader: FrameReader;
  readonly recorder: EventRecorder;
  readonly decoder: BlockTextDecoder;
}

/** Makes a reader; unless `fresh`, the start of the connection has been read already. */
export function startReading(overrides: Partial<FrameReaderOptions> = {}, fresh = false): Reading {
  const options = { ...READER_OPTIONS, ...overrides };
  const decoder = new BlockTextDecoder();
  const recorder = new EventRecorder();
  const reader = new FrameReader(options, decoder);
  if (!fresh) {
    const start = connectionStart(options.role);
    reader.read(start, 0, start.length, recorder);
    recorder.events.length = 0;
  }
  return { reader, recorder, decoder };
}

/** The event that `readAll` adds for a thrown ConnectionError. */
export function connectionError(errorCode: number, token: string, streamId = 0): RecordedEvent {
  return ['CONNECTION_ERROR', errorCode, token, streamId];
}

/** Reads all chunks and returns the events. A ConnectionError becomes the last event; any other error is thrown on. */
export function readAll(reading: Reading, chunks: readonly Uint8Array[]): readonly RecordedEvent[] {
  const { reader, recorder } = reading;
  for (const chunk of chunks) {
    try {
      const reached = reader.read(chunk, 0, chunk.length, recorder);
      if (reached !== chunk.length) throw new Error(`read stopped at ${reached} without pause`);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return [...recorder.events, connectionError(error.errorCode, error.token, error.streamId)];
    }
  }
  return recorder.events;
}

/**
 * Reads `input` in the three chunkings and compares events. Each time also: DATA handed over stays unchanged, a whole input
 * leaves nothing held, and after a connection error the reader is inert.
 */
export function expectEvents(
  t: TestContext,
  input: readonly Octets[],
  wanted: readonly RecordedEvent[],
  overrides: Partial<FrameReaderOptions> = {},
  fresh = false,
): void {
  for (const { name, chunks } of chunkings(octets(...input))) {
    const reading = startReading(overrides, fresh);
    t.strictSame(readAll(reading, chunks), wanted, `events, ${name}`);
    t.ok(reading.recorder.dataUnchanged, `DATA unchanged, ${name}`);
    t.equal(reading.reader.buffered, 0, `nothing held, ${name}`);
    if (wanted.at(-1)?.[0] === 'CONNECTION_ERROR') expectInert(t, reading, name);
  }
}

function expectInert(t: TestContext, reading: Reading, name: string): void {
  const before = reading.recorder.events.length;
  const errors: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    try {
      reading.reader.read(settings(), 0, 9, reading.recorder);
    } catch (error) {
      errors.push(error);
    }
  }
  t.equal(errors.length, 2, `throws again, ${name}`);
  t.equal(errors[0], errors[1], `the same error, ${name}`);
  t.equal(reading.recorder.events.length, before, `inert, ${name}`);
}
