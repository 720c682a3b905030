/** The limits that framing keeps, cut to its interfaces: one object per `Limits`, shared by all connections that have them. */

import type { FrameReaderOptions } from '../framing/frame-reader.ts';
import type { HpackDecoderLimits } from '../framing/hpack/hpack-decoder.ts';
import type { Limits } from './limits.ts';

/** What a connection hands to its decoder and its reader. */
export interface FramingLimits {
  readonly decoder: HpackDecoderLimits;
  readonly clientReader: FrameReaderOptions;
  readonly serverReader: FrameReaderOptions;
}

const known = new WeakMap<Limits, FramingLimits>();

/** The part of `limits` that framing keeps. */
export function framingLimits(limits: Limits): FramingLimits {
  let found = known.get(limits);
  if (found === undefined) {
    const reader = {
      maxSettingsEntries: limits.maxSettingsEntries,
      maxContinuationFrames: limits.maxContinuationFrames,
      maxEmptyContinuationFrames: limits.maxEmptyContinuationFrames,
      maxHeaderBlockOctets: limits.maxHeaderBlockOctets,
      maxGoAwayDebugOctets: limits.maxGoAwayDebugOctets,
    };
    found = {
      decoder: {
        maxTableOctets: limits.decoderTableOctets,
        maxHeaderListOctets: limits.maxHeaderListOctets,
        maxHeaderFields: limits.maxHeaderFields,
        maxTableSizeUpdates: limits.maxTableSizeUpdates,
      },
      clientReader: { role: 'client', ...reader },
      serverReader: { role: 'server', ...reader },
    };
    known.set(limits, found);
  }
  return found;
}
