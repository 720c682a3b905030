/** Property P01: whatever is encoded decodes to itself, tables agree after every block, and a plain second decoder sees the same. */

import fc from 'fast-check';
import { ConnectionError } from '../../framing/errors.ts';
import type { HeaderList } from '../../framing/frame-handler.ts';
import { HpackDecoder, type HpackDecoderLimits } from '../../framing/hpack/hpack-decoder.ts';
import { HpackEncoder } from '../../framing/hpack/hpack-encoder.ts';
import { testSeed } from '../support/chunkings.ts';
import { octets } from '../support/frame-factory.ts';
import {
  decodeBlock,
  encodeBlock,
  INDEXING,
  indexed,
  literal,
  literalNamed,
  NEVER_INDEXED,
  sizeUpdate,
  WITHOUT_INDEXING,
} from '../support/hpack.ts';
import { HpackModel } from '../support/hpack-model.ts';
import { t } from '../support/tap.ts';

const seed = testSeed() | 0;
t.comment(`seed ${seed >>> 0}`);

const LIMITS: HpackDecoderLimits = {
  maxTableOctets: 16_384,
  maxHeaderListOctets: 1_048_576,
  maxHeaderFields: 4096,
  maxTableSizeUpdates: 2,
};

const latin1 = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.integer({ min: 32, max: 126 }), fc.integer({ min: 0, max: 255 })), {
      maxLength,
    })
    .map((codes) => String.fromCharCode(...codes));

const name = fc.oneof(
  fc.constantFrom(':path', ':status', 'grpc-timeout', 'traceparent', 'authorization', 'cookie'),
  fc.constantFrom('content-type', 'x-a', 'x-b', 'x-c', 'user-agent', 'grpc-status'),
  latin1(30),
);
const value = fc.oneof(
  fc.constantFrom('', '0', '200', '/', 'application/grpc', 'trailers', '1S', 'a', 'b'),
  latin1(60),
  fc.integer({ min: 0, max: 1500 }).map((length) => 'v'.repeat(length)),
);
const fields = fc.array(fc.tuple(name, value), { maxLength: 12 }).map((list) => list.flat());

type Step =
  | { readonly kind: 'block'; readonly template: number; readonly extra: readonly string[] | null }
  | { readonly kind: 'setting'; readonly octets: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('block' as const),
      template: fc.nat(5),
      extra: fc.option(fields, { freq: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('setting' as const),
      octets: fc.oneof(fc.nat(300), fc.nat(16_384), fc.constantFrom(0, 31, 32, 4096, 16_384)),
    }),
  },
);

function modelList(list: HeaderList): string[] {
  return [...list];
}

function tableOf(model: HpackModel): string[] {
  return model.table.flat();
}

await t.test(
  'P01 encoder, decoder and model agree under any lists, templates and table sizes',
  async (t) => {
    fc.assert(
      fc.property(
        fc.array(fields, { minLength: 6, maxLength: 6 }),
        fc.array(step, { maxLength: 60 }),
        fc.constantFrom(0, 200, 4096, 16_384),
        (templates, steps, ownTableOctets) => {
          const encoder = new HpackEncoder(ownTableOctets);
          const decoder = new HpackDecoder(LIMITS);
          const model = new HpackModel();
          model.settingOctets = LIMITS.maxTableOctets;
          for (const next of steps) {
            if (next.kind === 'setting') {
              encoder.setPeerMaxTableOctets(next.octets);
              decoder.setMaxTableOctets(next.octets);
              model.settingOctets = next.octets;
              continue;
            }
            const template = templates[next.template]!;
            const block = encodeBlock(encoder, template, next.extra);
            const wanted = [...template, ...(next.extra ?? [])];
            const list = decodeBlock(decoder, block);
            const ok =
              decoder.complete &&
              JSON.stringify(list) === JSON.stringify(wanted) &&
              JSON.stringify(model.decode(block)) === JSON.stringify(wanted) &&
              JSON.stringify(decoder.tableEntries()) === JSON.stringify(tableOf(model)) &&
              JSON.stringify(encoder.tableEntries()) === JSON.stringify(tableOf(model)) &&
              encoder.tableOctets === model.tableOctets &&
              decoder.tableOctets === model.tableOctets &&
              model.tableOctets <= ownTableOctets;
            if (!ok) return false;
          }
          return true;
        },
      ),
      { seed, numRuns: 300 },
    );
    t.pass();
  },
);

const anyRepresentation = fc.oneof(
  fc.integer({ min: 1, max: 75 }).map((index) => indexed(index)),
  fc
    .tuple(
      fc.constantFrom(INDEXING, WITHOUT_INDEXING, NEVER_INDEXED),
      latin1(20),
      latin1(80),
      fc.boolean(),
    )
    .map(([pattern, n, v, huffman]) => literal(pattern, n, v, huffman)),
  fc
    .tuple(
      fc.constantFrom(INDEXING, WITHOUT_INDEXING, NEVER_INDEXED),
      fc.integer({ min: 1, max: 70 }),
      latin1(40),
    )
    .map(([pattern, index, v]) => literalNamed(pattern, index, v)),
);

const anyBlock = fc
  .tuple(
    fc.array(fc.constantFrom(0, 50, 100, 1000, 4096, 4097), { maxLength: 1 }),
    fc.array(anyRepresentation, { maxLength: 8 }),
  )
  .map(([updates, representations]) =>
    octets(...updates.map((update) => sizeUpdate(update)), ...representations),
  );

/** The list, or null for an error; any error but ConnectionError is a fault of the decoder. */
function outcome(decoder: HpackDecoder, block: Uint8Array): HeaderList | null {
  try {
    return decodeBlock(decoder, block);
  } catch (error) {
    if (error instanceof ConnectionError) return null;
    throw error;
  }
}

function modelOutcome(model: HpackModel, block: Uint8Array): HeaderList | null {
  try {
    return modelList(model.decode(block));
  } catch {
    return null;
  }
}

await t.test(
  'any representations: decoder and model agree on lists, tables and faults',
  async (t) => {
    fc.assert(
      fc.property(fc.array(anyBlock, { maxLength: 20 }), (blocks) => {
        const decoder = new HpackDecoder({ ...LIMITS, maxTableOctets: 4096 });
        const model = new HpackModel();
        // Each block twice, for the memo.
        for (const block of blocks.flatMap((one) => [one, one])) {
          const found = outcome(decoder, block);
          const wanted = modelOutcome(model, block);
          if (JSON.stringify(found) !== JSON.stringify(wanted)) return false;
          if (found === null) return true;
          if (JSON.stringify(decoder.tableEntries()) !== JSON.stringify(tableOf(model)))
            return false;
        }
        return true;
      }),
      { seed, numRuns: 1000 },
    );
    t.pass();
  },
);

await t.test(
  'any octets: decoder and model agree, and nothing but ConnectionError is thrown',
  async (t) => {
    const likely = fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(0x00, 0x40, 0x41, 0x82, 0xbe, 0xbf, 0x20, 0x3f, 0x7f, 0x0f, 0x01, 0x81, 0xff),
    );
    fc.assert(
      fc.property(fc.array(fc.array(likely, { maxLength: 60 }), { maxLength: 10 }), (blocks) => {
        const decoder = new HpackDecoder({ ...LIMITS, maxTableOctets: 4096 });
        const model = new HpackModel();
        for (const block of blocks) {
          const found = outcome(decoder, Uint8Array.from(block));
          const wanted = modelOutcome(model, Uint8Array.from(block));
          if (JSON.stringify(found) !== JSON.stringify(wanted)) return false;
          if (found === null) return true;
        }
        return true;
      }),
      { seed, numRuns: 5000 },
    );
    t.pass();
  },
);

await t.test('P01 a decoder with small limits keeps the table of one with none', async (t) => {
  fc.assert(
    fc.property(
      fc.array(anyBlock, { maxLength: 20 }),
      fc.integer({ min: 30, max: 400 }),
      fc.integer({ min: 0, max: 6 }),
      (blocks, maxHeaderListOctets, maxHeaderFields) => {
        const decoder = new HpackDecoder({
          ...LIMITS,
          maxTableOctets: 4096,
          maxHeaderListOctets,
          maxHeaderFields,
        });
        const model = new HpackModel();
        for (const block of blocks) {
          const found = outcome(decoder, block);
          const wanted = modelOutcome(model, block);
          if (found === null) {
            // A fault of the block, or a list beyond four times the limit.
            return wanted === null || listOctets(wanted) > 4 * maxHeaderListOctets;
          }
          if (wanted === null) return false;
          const fits =
            listOctets(wanted) <= maxHeaderListOctets && wanted.length / 2 <= maxHeaderFields;
          if (decoder.complete !== fits) return false;
          if (found.length / 2 > maxHeaderFields) return false;
          if (listOctets(found) > maxHeaderListOctets) return false;
          if (JSON.stringify(found) !== JSON.stringify(wanted.slice(0, found.length))) return false;
          if (fits && found.length !== wanted.length) return false;
          if (JSON.stringify(decoder.tableEntries()) !== JSON.stringify(tableOf(model))) {
            return false;
          }
        }
        return true;
      },
    ),
    { seed, numRuns: 1000 },
  );
  t.pass();
});

function listOctets(list: HeaderList): number {
  return list.reduce((sum, text) => sum + text.length, 0) + (list.length / 2) * 32;
}
