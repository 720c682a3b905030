/** The in-memory pipe behaves as a TCP connection does. */

import type { ByteDuplex, ByteDuplexListener } from '../../transport/byte-duplex.ts';
import { createMemoryDuplexPair, type MemoryDuplexOptions } from '../../transport/memory-duplex.ts';
import { t } from '../support/tap.ts';

/** Runs deferred deliveries by hand. */
class Pump {
  readonly queue: (() => void)[] = [];
  readonly defer: (deliver: () => void) => void = (deliver) => {
    this.queue.push(deliver);
  };

  /** Runs all, those that come up meanwhile included. */
  run(): void {
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) next();
  }
}

/** Records what a duplex tells. */
class Recorder implements ByteDuplexListener {
  readonly events: string[] = [];
  onWritableHook: (() => void) | null = null;

  onOctets(chunk: Uint8Array): void {
    this.events.push(`octets ${text(chunk)}`);
  }

  onWritable(): void {
    this.events.push('writable');
    this.onWritableHook?.();
  }

  onEnd(): void {
    this.events.push('end');
  }

  onClosed(reason: Error | undefined): void {
    this.events.push(reason === undefined ? 'closed' : `closed: ${reason.message}`);
  }

  /** The events since the last call. */
  take(): string[] {
    return this.events.splice(0);
  }
}

function octets(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(chunk: Uint8Array): string {
  return new TextDecoder().decode(chunk);
}

function pair(options: MemoryDuplexOptions = {}): {
  a: ByteDuplex;
  b: ByteDuplex;
  heardA: Recorder;
  heardB: Recorder;
  pump: Pump;
} {
  const pump = new Pump();
  const [a, b] = createMemoryDuplexPair({ defer: pump.defer, ...options });
  const heardA = new Recorder();
  const heardB = new Recorder();
  a.start(heardA);
  b.start(heardB);
  return { a, b, heardA, heardB, pump };
}

await t.test('octets arrive later, in order, one write as one chunk', async (t) => {
  const { a, b, heardA, heardB, pump } = pair();
  t.equal(a.write([octets('one'), octets('two')]), true);
  t.equal(a.write([octets('three')]), true);
  b.write([octets('back')]);
  t.strictSame(heardB.take(), [], 'not within the call');
  pump.run();
  t.strictSame(heardB.take(), ['octets onetwo', 'octets three']);
  t.strictSame(heardA.take(), ['octets back']);
});

await t.test(
  'the receiver owns what it gets: later changes by the writer do not show',
  async (t) => {
    const { a, heardB, pump } = pair();
    const buffer = octets('before');
    a.write([buffer]);
    t.equal(a.pendingOctets, 0, 'the buffer may be used again');
    buffer.fill(0);
    pump.run();
    t.strictSame(heardB.take(), ['octets before']);
  },
);

await t.test('a full buffer makes the writer wait, and onWritable ends the wait', async (t) => {
  const { a, b, heardA, heardB, pump } = pair({ bufferOctets: 10 });
  b.pause();
  t.equal(a.write([octets('12345678')]), true);
  t.equal(a.write([octets('abcd')]), false);
  t.equal(a.pendingOctets, 2);
  pump.run();
  t.strictSame(heardB.take(), [], 'nothing reaches a paused end');
  b.resume();
  pump.run();
  t.strictSame(heardB.take(), ['octets 12345678', 'octets abcd']);
  t.strictSame(heardA.take(), ['writable']);
  t.equal(a.pendingOctets, 0);
});

await t.test('a chunk above the read size arrives in parts', async (t) => {
  const pump = new Pump();
  const [a, b] = createMemoryDuplexPair({ defer: pump.defer });
  const sizes: number[] = [];
  b.start({
    onOctets: (chunk) => sizes.push(chunk.length),
    onWritable(): void {},
    onEnd(): void {},
    onClosed(): void {},
  });
  a.write([new Uint8Array(150_000)]);
  pump.run();
  t.strictSame(sizes, [65_536, 65_536, 18_928]);
});

await t.test('a pause inside onOctets holds the next chunk back', async (t) => {
  const pump = new Pump();
  const [a, b] = createMemoryDuplexPair({ defer: pump.defer });
  const heard: string[] = [];
  b.start({
    onOctets(chunk) {
      heard.push(text(chunk));
      b.pause();
    },
    onWritable(): void {},
    onEnd: () => heard.push('end'),
    onClosed(): void {},
  });
  a.write([octets('1')]);
  a.write([octets('2')]);
  a.end();
  pump.run();
  t.strictSame(heard, ['1']);
  b.resume();
  pump.run();
  t.strictSame(heard, ['1', '2'], 'the end waits behind the pause too');
  b.resume();
  pump.run();
  t.strictSame(heard, ['1', '2', 'end']);
});

await t.test('each direction ends by itself, and both ended close the pair', async (t) => {
  const { a, b, heardA, heardB, pump } = pair();
  a.write([octets('last')]);
  a.end();
  t.equal(a.write([octets('too late')]), false);
  pump.run();
  t.strictSame(heardB.take(), ['octets last', 'end']);
  t.strictSame(heardA.take(), []);
  b.write([octets('answer')]);
  b.end();
  pump.run();
  t.strictSame(heardA.take(), ['octets answer', 'end', 'closed']);
  t.strictSame(heardB.take(), ['closed']);
});

await t.test(
  'destroy: the other end reads what had left, then the end, and a reset when it writes',
  async (t) => {
    const { a, b, heardA, heardB, pump } = pair({ bufferOctets: 4 });
    b.pause();
    a.write([octets('123456')]);
    b.write([octets('lost')]);
    a.destroy(new Error('for this test'));
    b.resume();
    pump.run();
    t.strictSame(heardA.take(), ['closed: for this test'], 'nothing but onClosed after destroy');
    t.strictSame(heardB.take(), ['octets 1234', 'end'], 'what found no room is dropped');
    t.equal(b.write([octets('x')]), false);
    pump.run();
    t.match(heardB.take().join(), /^closed: connection reset: memory:\d+ has closed its end$/);
    b.destroy();
    pump.run();
    t.strictSame(heardB.take(), [], 'onClosed comes once');
  },
);

await t.test('after destroy the other end closes by its own end()', async (t) => {
  const { a, b, heardB, pump } = pair();
  a.destroy();
  pump.run();
  t.strictSame(heardB.take(), ['end']);
  b.end();
  pump.run();
  t.strictSame(heardB.take(), ['closed']);
});

await t.test('octets written before start are kept', async (t) => {
  const pump = new Pump();
  const [a, b] = createMemoryDuplexPair({ defer: pump.defer });
  const heard = new Recorder();
  a.start(new Recorder());
  a.write([octets('early')]);
  pump.run();
  b.start(heard);
  pump.run();
  t.strictSame(heard.take(), ['octets early']);
});

await t.test('without a scheduler of the test octets arrive in a later turn', async (t) => {
  const [a, b] = createMemoryDuplexPair({ addresses: ['memory:left', 'memory:right'] });
  t.equal(a.peer.address, 'memory:right');
  t.equal(b.peer.address, 'memory:left');
  t.strictSame([a.peer.tlsCipher, a.peer.certificate], [null, null]);
  const closed: string[] = [];
  await new Promise<void>((resolve) => {
    const listener = (name: string, end: ByteDuplex): ByteDuplexListener => ({
      onOctets: () => end.end(),
      onWritable(): void {},
      onEnd: () => end.end(),
      onClosed() {
        closed.push(name);
        if (closed.length === 2) resolve();
      },
    });
    a.start(listener('a', a));
    b.start(listener('b', b));
    a.write([octets('x')]);
  });
  t.strictSame(closed.sort(), ['a', 'b']);
});

await t.test('a buffer size that is none is refused', async (t) => {
  t.throws(() => createMemoryDuplexPair({ bufferOctets: 0 }), RangeError);
  t.throws(() => createMemoryDuplexPair({ bufferOctets: Number.NaN }), RangeError);
});
