/**
 * A FrameWriter that can also write what RFC 9113 forbids or gRPC never sends: padding, priorities, open header blocks, wrong
 * lengths. For scripted peers; production code has no way to do this.
 */

import { FrameWriter, type HeaderEncoder } from '../../framing/frame-writer.ts';
import type { OutputBuffer } from '../../framing/output-buffer.ts';
import type { Octets } from './frame-factory.ts';
import * as make from './frame-factory.ts';

/** Writes legal frames like FrameWriter, and the others through the methods below. */
export class IllegalFrameWriter extends FrameWriter {
  readonly #target: OutputBuffer;

  constructor(output: OutputBuffer, encoder: HeaderEncoder) {
    super(output, encoder);
    this.#target = output;
  }

  /** Any octets, frames or not. */
  raw(...parts: readonly Octets[]): void {
    this.#target.append(make.octets(...parts));
  }

  /** A frame of any type, flags and stream; `declaredLength` may lie. */
  frame(
    type: number,
    flags: number,
    streamId: number,
    payload: Octets,
    declaredLength?: number,
  ): void {
    const content = make.octets(payload);
    this.raw(make.head(declaredLength ?? content.length, type, flags, streamId), content);
  }

  /** DATA with a pad length that need not be that of its padding. */
  paddedData(
    streamId: number,
    content: Octets,
    padLength: number,
    padding: number = padLength,
    endStream = false,
  ): void {
    const flags = endStream ? make.END_STREAM : 0;
    this.raw(make.paddedData(streamId, content, padLength, padding, flags));
  }

  /** HEADERS with a ready fragment and any flags. */
  headersFragment(streamId: number, fragment: Octets, flags: number): void {
    this.raw(make.headers(streamId, fragment, flags));
  }

  /** CONTINUATION with a ready fragment and any flags. */
  continuation(streamId: number, fragment: Octets, flags: number): void {
    this.raw(make.continuation(streamId, fragment, flags));
  }

  /** PRIORITY, self-dependent ones included. */
  priority(streamId: number, dependency: number): void {
    this.raw(make.priority(streamId, dependency));
  }

  /** PUSH_PROMISE. */
  pushPromise(streamId: number, promisedId: number, fragment: Octets): void {
    this.raw(make.pushPromise(streamId, promisedId, fragment));
  }

  /** SETTINGS on any stream, with any payload. */
  rawSettings(flags: number, streamId: number, payload: Octets): void {
    this.frame(4, flags, streamId, payload);
  }
}
