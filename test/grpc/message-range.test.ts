/** Copies of messages that share memory: nobody can take it from the others, see what was never written, or be moved off its alignment. */

import { MessageChannel } from 'node:worker_threads';
import { endLoan, lend } from '../../framing/lent-octets.ts';
import { copiedRange, keptRange } from '../../lib/call/message-range.ts';
import { loadService } from '../../lib/protobuf/index.ts';
import { onNode, t } from '../support/tap.ts';

const SLAB_OCTETS = 8192;
const SOIL = 0xee;
const TEXT = 'syntax = "proto3"; message M { string s = 1; } service S { rpc R (M) returns (M); }';

const codec = loadService({ text: TEXT }, 'S').message('M');

/** A copy of `octets` times `value` out of a read. */
function kept(octets: number, value: number): Uint8Array {
  const read = new Uint8Array(65_536).fill(value, 5, 5 + octets);
  lend(read);
  const copy = keptRange(read, 5, 5 + octets);
  endLoan();
  return copy;
}

/** Fills memory of slabs' size and lets go of it. */
function soil(): void {
  for (let i = 0; i < 2000; i++) Buffer.allocUnsafeSlow(SLAB_OCTETS).fill(SOIL);
}

/** What a program does that gives a message to another thread; whether it is let is the runtime's. */
function giveAway(octets: Uint8Array): void {
  const { port1, port2 } = new MessageChannel();
  const memory = octets.buffer as ArrayBuffer;
  try {
    port1.postMessage(memory, [memory]);
  } catch {
    // Newer ones say so, older ones copy.
  }
  port1.close();
  port2.close();
}

await t.test('a message given to another thread with its memory empties no other', async (t) => {
  const first = kept(1000, 1);
  const second = kept(1000, 2);
  t.equal(first.buffer, second.buffer, 'they share a slab');
  giveAway(second);
  if (!onNode) return;
  t.strictSame([first.length, first[999]], [1000, 1]);
  t.strictSame([second.length, second[0]], [1000, 2]);
});

await t.test('an encoded message given to another thread empties no other', async (t) => {
  const first = codec.encode({ s: 'first' });
  const second = codec.encode({ s: 'second' });
  t.equal(first.buffer, second.buffer, 'they share a slab');
  giveAway(second);
  if (onNode) t.equal(codec.decode(first)['s'], 'first');
  t.equal(codec.decode(codec.encode({ s: 'third' }))['s'], 'third', 'and the codec goes on');
});

await t.test('shared memory shows nothing that no message wrote', async (t) => {
  soil();
  let strange = 0;
  for (let round = 0; round < 200; round++) {
    for (const { buffer } of [kept(2041, 1), codec.encode({ s: ' '.repeat(500) })]) {
      if (new Uint8Array(buffer).includes(SOIL)) strange += 1;
    }
  }
  t.equal(strange, 0, 'slabs with what was there before');
});

await t.test('typed arrays fit over copies whatever length the one before has', async (t) => {
  for (let octets = 512; octets < 530; octets++) {
    const copy = kept(octets, 7);
    t.equal(copy.byteOffset % 8, 0, `behind a copy of ${octets - 1}`);
    t.equal(new Float64Array(copy.buffer, copy.byteOffset, 64).length, 64);
    const plain = copiedRange(new Uint8Array(octets), 0, octets - 500);
    t.equal(plain.byteOffset % 8, 0);
  }
});
