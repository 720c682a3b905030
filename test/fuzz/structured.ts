/** Sessions in the grammar of frames: healthy frames in unhealthy order, with hostile values. For fast-check. */

import fc from 'fast-check';
import { frame, octets, uint16, uint32 } from '../support/frame-factory.ts';
import { block, REQUEST, RESPONSE } from '../support/scripted-peer.ts';

const streamId = fc.constantFrom(0, 1, 1, 1, 3, 3, 5, 2, 7, 101, 0x7fffffff);
const small = fc.constantFrom(0, 1, 5, 100, 16_384, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1);
const flags = fc.constantFrom(0, 1, 4, 5, 5, 8, 0x20, 0x2c, 0xff);
const bytes = fc.uint8Array({ maxLength: 40 });

const field = fc.tuple(
  fc.constantFrom(
    'x',
    'te',
    'grpc-timeout',
    'content-length',
    ':path',
    'X',
    '',
    'x-bin',
    'grpc-status',
  ),
  fc.constantFrom('', '0', '1', 'trailers', '5S', '!!!', 'a\nb', '/test.Service/Method', 'YQ=='),
);

const headerBlock = fc
  .tuple(
    fc.constantFrom(REQUEST, RESPONSE, []),
    fc.array(field, { maxLength: 4 }),
    bytes,
    fc.boolean(),
  )
  .map(([base, more, rubbish, isRubbish]) =>
    octets(block(...base, ...more), isRubbish ? rubbish : new Uint8Array(0)),
  );

const messages = fc
  .array(fc.tuple(fc.constantFrom(0, 0, 0, 1, 255), fc.constantFrom(0, 1, 3, 3, 4_194_305)), {
    maxLength: 4,
  })
  .map((list) => octets(...list.map(([flag, length]) => octets([flag], uint32(length), 'abc'))));

const anyFrame = fc.oneof(
  fc.tuple(streamId, flags, headerBlock).map(([id, f, b]) => frame(1, f, id, b)),
  fc.tuple(streamId, flags, headerBlock).map(([id, f, b]) => frame(9, f, id, b)),
  fc.tuple(streamId, flags, messages).map(([id, f, b]) => frame(0, f, id, b)),
  fc.tuple(streamId, small).map(([id, n]) => frame(8, 0, id, uint32(n))),
  fc.tuple(streamId, small).map(([id, n]) => frame(3, 0, id, uint32(n))),
  fc
    .array(fc.tuple(fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 99), small), { maxLength: 4 })
    .map((list) => frame(4, 0, 0, ...list.map(([id, n]) => octets(uint16(id), uint32(n))))),
  fc.constant(frame(4, 1, 0)),
  fc
    .tuple(flags, bytes)
    .map(([f, b]) => frame(6, f, 0, octets(b, new Uint8Array(8)).subarray(0, 8))),
  fc.tuple(streamId, small, bytes).map(([id, n, b]) => frame(7, 0, 0, uint32(id), uint32(n), b)),
  fc.tuple(streamId, streamId).map(([id, on]) => frame(2, 0, id, uint32(on), [15])),
  fc.tuple(fc.nat(12), flags, streamId, bytes).map(([type, f, id, b]) => frame(type, f, id, b)),
);

/** Octets behind the greeting of either side. */
export const frameSequence: fc.Arbitrary<Uint8Array> = fc
  .array(anyFrame, { maxLength: 24 })
  .map((frames) => octets(...frames));
