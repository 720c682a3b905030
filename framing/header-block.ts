/**
 * The header block that HEADERS without END_HEADERS leaves open until its last CONTINUATION (RFC 9113 §4.3, §6.10): joins the
 * fragments and keeps limit L7. One per FrameReader, which alone uses it.
 */

import { allocateSlab, copyOctets, NO_OCTETS } from './bytes.ts';
import { ErrorCode } from './constants.ts';
import { ConnectionError } from './errors.ts';

/** The caps of L7 on one block. */
export interface HeaderBlockLimits {
  /** L7: CONTINUATION frames in one header block. */
  readonly maxContinuationFrames: number;
  /** L7: those of them that carry nothing. */
  readonly maxEmptyContinuationFrames: number;
  /** L7: encoded octets of one header block, in one frame or many. */
  readonly maxHeaderBlockOctets: number;
}

/** First size of the joining buffer. */
const FIRST_BUFFER_OCTETS = 4096;

/** An open or closed header block; `streamId` tells which. */
export class HeaderBlock {
  /** Stream of the open block, or 0. */
  streamId: number;
  /** What its HEADERS frame said. */
  endStream: boolean;
  selfDependent: boolean;
  /** The fragments so far are the first `octets` octets of `bytes`. */
  bytes: Uint8Array;
  octets: number;
  readonly #limits: HeaderBlockLimits;
  #continuations: number;
  #emptyContinuations: number;

  constructor(limits: HeaderBlockLimits) {
    this.streamId = 0;
    this.endStream = false;
    this.selfDependent = false;
    this.bytes = NO_OCTETS;
    this.octets = 0;
    this.#limits = limits;
    this.#continuations = 0;
    this.#emptyContinuations = 0;
  }

  /** Opens the block with the fragment of a HEADERS frame, which has been checked against `maxHeaderBlockOctets`. */
  open(
    streamId: number,
    endStream: boolean,
    selfDependent: boolean,
    chunk: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.selfDependent = selfDependent;
    this.#append(chunk, start, end);
  }

  /** Adds the fragment of a CONTINUATION frame. Throws ConnectionError ENHANCE_YOUR_CALM beyond L7. */
  continue(chunk: Uint8Array, start: number, end: number): void {
    const limits = this.#limits;
    // RFC 9113 §10.5.1, L7: a block is neither endless (VU#421644) nor made of nothing (CVE-2026-33871).
    if (++this.#continuations > limits.maxContinuationFrames) {
      throw this.#excess('frame.continuation.too-many');
    }
    if (start === end && ++this.#emptyContinuations > limits.maxEmptyContinuationFrames) {
      throw this.#excess('frame.continuation.too-many-empty');
    }
    if (this.octets + end - start > limits.maxHeaderBlockOctets) {
      throw this.#excess('frame.header-block.too-large');
    }
    this.#append(chunk, start, end);
  }

  /** Closes the block and lets go of its octets. */
  close(): void {
    this.streamId = 0;
    this.endStream = false;
    this.selfDependent = false;
    this.bytes = NO_OCTETS;
    this.octets = 0;
    this.#continuations = 0;
    this.#emptyContinuations = 0;
  }

  #append(chunk: Uint8Array, start: number, end: number): void {
    const octets = this.octets + end - start;
    if (octets > this.bytes.length) {
      const bytes = allocateSlab(Math.max(octets, FIRST_BUFFER_OCTETS, 2 * this.bytes.length));
      copyOctets(bytes, 0, this.bytes, 0, this.octets);
      this.bytes = bytes;
    }
    copyOctets(this.bytes, this.octets, chunk, start, end);
    this.octets = octets;
  }

  #excess(token: string): ConnectionError {
    return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, token, this.streamId);
  }
}
