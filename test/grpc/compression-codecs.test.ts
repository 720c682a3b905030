/** The runtime's codecs: exact limits while inflating, and damage of every kind as a fault instead of an exception (security.md S82, S83). */

import type { CompressionCodec, Decompressed } from '../../lib/compression-codec.ts';
import { zlibCodecs } from '../../lib/platform/zlib.ts';
import {
  CompressionCodecs,
  compressionSettings,
  isAccepted,
  messageFlagsFault,
} from '../../lib/protocol/compression.ts';
import { type TestContext, t } from '../support/tap.ts';

const TEXT = new TextEncoder().encode('an egg is an egg is an egg. '.repeat(200));

function later(
  codec: CompressionCodec,
  octets: Uint8Array,
  maxOctets: number,
): Promise<Decompressed> {
  return new Promise((resolve) => codec.decompressLater(octets, maxOctets, resolve));
}

function compressedLater(codec: CompressionCodec, message: Uint8Array): Promise<Uint8Array | null> {
  return new Promise((resolve) => codec.compressLater(message, resolve));
}

/** In this turn and in the thread pool: both ways must come to the same. */
async function both(
  codec: CompressionCodec,
  octets: Uint8Array,
  maxOctets: number,
): Promise<Decompressed[]> {
  return [codec.decompress(octets, maxOctets), await later(codec, octets, maxOctets)];
}

function fault(t: TestContext, outcome: Decompressed, tooLarge: boolean, what: string): void {
  if (outcome instanceof Uint8Array) t.fail(`${what}: read as ${outcome.length} octets`);
  else t.equal(outcome.tooLarge, tooLarge, `${what}: ${outcome.message}`);
}

function octetsOf(outcome: Decompressed): Uint8Array {
  return outcome instanceof Uint8Array ? new Uint8Array(outcome) : new Uint8Array(0);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const codecs = zlibCodecs();

await t.test('gzip and deflate are there, identity is offered first', async (t) => {
  t.strictSame(
    codecs.slice(0, 2).map((codec) => codec.name),
    ['gzip', 'deflate'],
  );
  const { accepted } = new CompressionCodecs(codecs);
  t.match(accepted, /^identity,gzip,deflate(,br)?(,zstd)?$/);
  t.comment(`codecs of this runtime: ${accepted}`);
  t.equal(zlibCodecs(), codecs, 'the same array each time');
});

for (const codec of codecs) {
  await t.test(`${codec.name}: there and back, in this turn and in the thread pool`, async (t) => {
    for (const message of [TEXT, new Uint8Array(1), new Uint8Array(1_000_000)]) {
      const now = codec.compress(message)!;
      const then = (await compressedLater(codec, message))!;
      t.ok(message.length < 10 || now.length < message.length / 4, 'it is compressed');
      for (const compressed of [now, then]) {
        for (const outcome of await both(codec, compressed, message.length)) {
          t.ok(Buffer.from(octetsOf(outcome)).equals(message), `${message.length} octets`);
        }
      }
    }
  });

  await t.test(`S82 ${codec.name}: the limit is exact`, async (t) => {
    const compressed = codec.compress(TEXT)!;
    for (const [maxOctets, fits] of [
      [TEXT.length, true],
      [TEXT.length - 1, false],
      [1, false],
      [0, false],
    ] as const) {
      for (const outcome of await both(codec, compressed, maxOctets)) {
        if (fits) t.equal(octetsOf(outcome).length, TEXT.length);
        else fault(t, outcome, true, `limit ${maxOctets}`);
      }
    }
  });

  await t.test(`S82 ${codec.name}: a bomb stops at the limit, not at its end`, async (t) => {
    const bomb = (await compressedLater(codec, new Uint8Array(64 << 20)))!;
    t.comment(`${bomb.length} octets for 64 MiB`);
    const before = process.memoryUsage();
    const outcomes = Array.from({ length: 4 }, () => later(codec, bomb, 1 << 20));
    let peak = 0;
    const watch = setInterval(() => {
      const { external, arrayBuffers } = process.memoryUsage();
      peak = Math.max(peak, external + arrayBuffers - before.external - before.arrayBuffers);
    }, 1);
    for (const outcome of await Promise.all(outcomes)) fault(t, outcome, true, 'bomb');
    clearInterval(watch);
    fault(t, codec.decompress(bomb, 1 << 20), true, 'bomb at once');
    // Four times limit and chunk, counted twice by some runtimes, and room for the engine's own tables.
    t.ok(peak < 32 << 20, `peak of ${(peak / (1 << 20)).toFixed(1)} MiB for 256 MiB`);
  });

  await t.test(`S83 ${codec.name}: damage is a fault, never an exception`, async (t) => {
    const whole = codec.compress(TEXT)!;
    const damaged: [string, Uint8Array][] = [
      ['empty', new Uint8Array(0)],
      ['one octet', whole.subarray(0, 1)],
      ['half', whole.subarray(0, whole.length >> 1)],
      ['cut by one', whole.subarray(0, whole.length - 1)],
      ['not compressed at all', TEXT],
      ['garbage behind', concat(whole, Uint8Array.of(1, 2, 3))],
      ['zeros behind', concat(whole, new Uint8Array(3))],
    ];
    for (const [what, octets] of damaged) {
      for (const outcome of await both(codec, octets, 1 << 20)) fault(t, outcome, false, what);
    }
  });

  await t.test(`${codec.name}: what is given up is not heard of again`, async (t) => {
    const compressed = (await compressedLater(codec, new Uint8Array(8 << 20)))!;
    for (let i = 0; i < 8; i++) {
      let stopped = false;
      const stop = codec.decompressLater(compressed, 16 << 20, () => t.notOk(stopped));
      const giveUp = (): void => {
        stopped = true;
        stop();
      };
      if (i % 2 === 0) giveUp();
      else setTimeout(giveUp, 0);
    }
    t.equal(octetsOf(await later(codec, compressed, 16 << 20)).length, 8 << 20);
  });
}

await t.test('S83 gzip and deflate: a wrong checksum', async (t) => {
  for (const codec of codecs.slice(0, 2)) {
    const wrong = Uint8Array.from(codec.compress(TEXT)!);
    const at = codec.name === 'gzip' ? wrong.length - 8 : wrong.length - 4;
    wrong[at]! ^= 0xff;
    for (const outcome of await both(codec, wrong, 1 << 20)) fault(t, outcome, false, codec.name);
  }
});

await t.test('S83 gzip: two members are one message (RFC 1952 §2.2)', async (t) => {
  const gzip = codecs[0]!;
  const member = gzip.compress(TEXT)!;
  for (const outcome of await both(gzip, concat(member, member), 2 * TEXT.length)) {
    t.strictSame(octetsOf(outcome), concat(TEXT, TEXT));
  }
  for (const outcome of await both(gzip, concat(member, member), 2 * TEXT.length - 1)) {
    fault(t, outcome, true, 'the limit holds for both together');
  }
});

await t.test(
  'options: an encoding that the runtime does not have is refused by name',
  async (t) => {
    const all = new CompressionCodecs(codecs);
    t.throws(() => compressionSettings(all, 'snappy', undefined), /"snappy", only identity,gzip/);
    t.throws(() => compressionSettings(all, '__proto__', undefined), RangeError);
    for (const minOctets of [-1, Number.NaN, '1' as unknown as number]) {
      t.throws(() => compressionSettings(all, 'gzip', minOctets), /compressionMinOctets/);
    }
    const { codec, minOctets } = compressionSettings(all, 'gzip', undefined);
    t.equal(codec?.name, 'gzip');
    t.equal(minOctets, 1024);
    t.equal(compressionSettings(all, 'identity', 5).codec, null);
  },
);

await t.test('compression.md: what a peer accepts', async (t) => {
  t.ok(isAccepted('gzip', 'identity, deflate ,gzip', 'identity'));
  t.notOk(isAccepted('gzip', 'identity,gzipped', 'gzip'));
  t.ok(isAccepted('gzip', '', 'gzip'), 'without a list: what it writes itself');
  t.notOk(isAccepted('deflate', '', 'gzip'));
});

await t.test('S84 flag octets', async (t) => {
  const all = new CompressionCodecs(codecs);
  t.equal(messageFlagsFault(1, 'gzip', all), null);
  t.match(messageFlagsFault(1, 'identity', all)!, /without grpc-encoding/);
  for (const encoding of ['xyz', '__proto__', 'constructor', '']) {
    t.match(messageFlagsFault(1, encoding, all)!, /was not offered/);
  }
  for (const flags of [2, 3, 0x80, 255]) {
    t.match(messageFlagsFault(flags, 'gzip', all)!, `undefined flags 0x${flags.toString(16)}`);
  }
});
