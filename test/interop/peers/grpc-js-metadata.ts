/** Metadata of `@grpc/grpc-js` as pairs and back. */

import { Metadata } from '@grpc/grpc-js';
import type { Pairs } from './peer.ts';

/** grpc-js metadata with all pairs in their order. */
export function metadataOf(pairs: Pairs): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of pairs) {
    metadata.add(key, typeof value === 'string' ? value : Buffer.from(value));
  }
  return metadata;
}

/** The pairs of `metadata`. grpc-js joins the text values of one key, so they are one pair. */
export function pairsOf(metadata: Metadata): Pairs {
  return Object.keys(metadata.getMap()).flatMap((key) =>
    metadata
      .get(key)
      .map((value) => [key, typeof value === 'string' ? value : Uint8Array.from(value)] as const),
  );
}
