import {
  allocateOctets,
  allocateSlab,
  cloneOctets,
  copyOctets,
  latin1Slice,
  latin1Write,
  NO_OCTETS,
  readUint16,
  readUint24,
  readUint31,
  readUint32,
  writeUint16,
  writeUint24,
  writeUint32,
} from '../../framing/bytes.ts';
import { octets } from '../support/frame-factory.ts';
import { t } from '../support/tap.ts';

await t.test('integers are big-endian, and 32 bits are unsigned', async (t) => {
  const input = octets([0xee, 0xfe, 0xdc, 0xba, 0x98]);
  t.equal(readUint16(input, 1), 0xfedc);
  t.equal(readUint24(input, 1), 0xfedcba);
  t.equal(readUint32(input, 1), 0xfedcba98);
  t.equal(readUint31(input, 1), 0x7edcba98);
  const target = new Uint8Array(11);
  writeUint16(target, 1, 0xfedc);
  writeUint24(target, 3, 0xfedcba);
  writeUint32(target, 6, 0xfedcba98);
  t.strictSame([...target], [0, 0xfe, 0xdc, 0xfe, 0xdc, 0xba, 0xfe, 0xdc, 0xba, 0x98, 0]);
});

await t.test('copies of every length land where they should', async (t) => {
  const source = octets(Array.from({ length: 100 }, (_, i) => i + 1));
  for (let length = 0; length <= 90; length++) {
    const target = new Uint8Array(100);
    copyOctets(target, 3, source, 5, 5 + length);
    const wanted = new Uint8Array(100);
    wanted.set(source.subarray(5, 5 + length), 3);
    if (target.join() !== wanted.join()) t.fail(`length ${length}`);
  }
  const target = new Uint8Array(102);
  copyOctets(target, 2, source, 0, 100);
  t.strictSame([...target.subarray(2)], [...source]);
});

await t.test('a clone shares nothing', async (t) => {
  for (const length of [0, 5, 60]) {
    const source = octets('x'.repeat(80));
    const clone = cloneOctets(source, 10, 10 + length);
    source.fill(0);
    t.equal(latin1Slice(clone, 0, clone.length), 'x'.repeat(length));
  }
});

await t.test('latin1 text is one character per octet, for Buffers and plain arrays', async (t) => {
  const all = octets(Array.from({ length: 256 }, (_, i) => i));
  const text = String.fromCharCode(...all);
  const slab = allocateSlab(300);
  t.equal(latin1Write(slab, 20, text), 276);
  t.equal(latin1Slice(slab, 20, 276), text);
  t.equal(latin1Slice(slab, 85, 87), 'AB');
  t.equal(latin1Slice(slab, 85, 85), '');
  const array = new Uint8Array(300);
  t.equal(latin1Write(array, 20, text), 276);
  t.equal(latin1Slice(array, 20, 276), text);
  t.equal(latin1Slice(array.subarray(20), 65, 67), 'AB');
  t.equal(latin1Write(array, 0, 'ab'), 2);
  t.equal(latin1Slice(array, 0, 2), 'ab');
});

await t.test('allocations have the size asked for; a slab is alone in its memory', async (t) => {
  t.equal(NO_OCTETS.length, 0);
  t.equal(allocateOctets(100).length, 100);
  t.equal(allocateSlab(100).length, 100);
  t.equal(allocateSlab(100).buffer.byteLength, 100);
});
