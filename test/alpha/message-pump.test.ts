import {
  isIterableSource,
  MessagePump,
  type PumpReceiver,
  VALUES_PER_TURN,
} from '../../lib/alpha/message-pump.ts';
import { t } from '../support/tap.ts';
import { turn } from './support/fake-channel.ts';

class Recorder implements PumpReceiver<unknown> {
  readonly log: string[] = [];
  accept: (value: unknown) => boolean = () => true;

  onValue(value: unknown): boolean {
    this.log.push(`value ${String(value)}`);
    return this.accept(value);
  }
  onEnd(): void {
    this.log.push('end');
  }
  onError(error: unknown): void {
    this.log.push(`error ${(error as Error).message}`);
  }
  onCloseError(error: unknown): void {
    this.log.push(`close error ${(error as Error).message}`);
  }
  onSettled(): void {
    this.log.push('settled');
  }
}

function pump(source: unknown): { recorder: Recorder; pump: MessagePump<unknown> } {
  const recorder = new Recorder();
  return { recorder, pump: new MessagePump(source as Iterable<unknown>, recorder) };
}

await t.test('arrays, generators, async generators and hand-made iterators', async (t) => {
  const iterator = {
    left: 2,
    next(): IteratorResult<number> {
      return this.left-- > 0 ? { value: this.left, done: false } : { value: undefined, done: true };
    },
    [Symbol.iterator](): unknown {
      return this;
    },
  };
  const sources: [string, unknown, string[]][] = [
    ['array', ['a', 'b'], ['value a', 'value b', 'end', 'settled']],
    ['empty', [], ['end', 'settled']],
    ['hand-made', iterator, ['value 1', 'value 0', 'end', 'settled']],
    [
      'generator',
      (function* () {
        yield 'a';
      })(),
      ['value a', 'end', 'settled'],
    ],
    [
      'async generator',
      (async function* () {
        yield 'a';
        await turn();
        yield 'b';
      })(),
      ['value a', 'value b', 'end', 'settled'],
    ],
  ];
  for (const [name, source, wanted] of sources) {
    const { recorder, pump: one } = pump(source);
    one.start();
    await turn();
    await turn();
    t.strictSame(recorder.log, wanted, name);
  }
});

await t.test('nothing is pulled before start, nor while the receiver is full', async (t) => {
  let pulled = 0;
  const { recorder, pump: one } = pump(
    (function* () {
      for (;;) yield ++pulled;
    })(),
  );
  await turn();
  t.equal(pulled, 0);
  recorder.accept = (value) => value !== 3;
  one.start();
  await turn();
  t.equal(pulled, 3);
  recorder.accept = (value) => value !== 5;
  one.resume();
  t.equal(pulled, 5);
  one.stop();
});

await t.test('an endless source gives the event loop its turns', async (t) => {
  let pulled = 0;
  const { pump: one } = pump(
    (function* () {
      for (;;) yield ++pulled;
    })(),
  );
  one.start();
  t.equal(pulled, VALUES_PER_TURN);
  await turn();
  one.stop();
  const atStop = pulled;
  t.ok(atStop > VALUES_PER_TURN, 'it went on in a later turn');
  await turn();
  t.equal(pulled, atStop);
});

await t.test('stop closes a begun generator, so that its finally runs', async (t) => {
  const log: string[] = [];
  const { recorder, pump: one } = pump(
    (function* () {
      try {
        for (;;) yield 'a';
      } finally {
        log.push('finally');
      }
    })(),
  );
  recorder.accept = () => false;
  one.start();
  one.stop();
  one.stop();
  t.strictSame(log, ['finally']);
  t.strictSame(recorder.log, ['value a', 'settled']);
});

await t.test(
  'stop during a pending next(): return() is called at once, settled comes after both',
  async (t) => {
    const log: string[] = [];
    let resolveNext: (result: IteratorResult<string>) => void = () => {};
    let resolveReturn: () => void = () => {};
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<string>>((resolve) => (resolveNext = resolve)),
        return: () => {
          log.push('return');
          return new Promise<void>((resolve) => (resolveReturn = resolve));
        },
      }),
    };
    const { recorder, pump: one } = pump(source);
    one.start();
    one.stop();
    t.strictSame(log, ['return']);
    resolveReturn();
    await turn();
    t.strictSame(recorder.log, []);
    resolveNext({ value: 'late', done: false });
    await turn();
    t.strictSame(recorder.log, ['settled'], 'and the late value is dropped');
  },
);

await t.test('stop from inside the generator itself', async (t) => {
  const log: string[] = [];
  const holder: { one: MessagePump<unknown> | null } = { one: null };
  const { recorder, pump: one } = pump(
    (function* () {
      try {
        holder.one?.stop();
        yield 'a';
        log.push('went on');
      } finally {
        log.push('finally');
      }
    })(),
  );
  holder.one = one;
  one.start();
  t.strictSame(log, ['finally']);
  t.strictSame(recorder.log, ['settled']);
});

await t.test('stop from the receiver', async (t) => {
  const { recorder, pump: one } = pump(['a', 'b']);
  recorder.accept = () => {
    one.stop();
    return false;
  };
  one.start();
  t.strictSame(recorder.log, ['value a', 'settled']);
});

await t.test('stop before start: the source is never touched', async (t) => {
  let touched = false;
  const { recorder, pump: one } = pump({
    [Symbol.iterator]: () => {
      touched = true;
      return [][Symbol.iterator]();
    },
  });
  one.stop();
  one.start();
  t.notOk(touched);
  t.strictSame(recorder.log, ['settled']);
});

await t.test('exceptions of the source', async (t) => {
  const raise = (): never => {
    throw new Error('boom');
  };
  const sources: [string, unknown][] = [
    ['from [Symbol.iterator]', { [Symbol.iterator]: raise }],
    ['from next()', { [Symbol.iterator]: () => ({ next: raise }) }],
    [
      'as a rejection',
      { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('boom')) }) },
    ],
    [
      'from a generator',
      (function* () {
        yield raise();
      })(),
    ],
  ];
  for (const [name, source] of sources) {
    const { recorder, pump: one } = pump(source);
    one.start();
    await turn();
    t.strictSame(recorder.log, ['error boom', 'settled'], name);
  }
});

await t.test('exceptions after stop concern nobody; those of return() are reported', async (t) => {
  let reject: (error: Error) => void = () => {};
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise((_, no) => (reject = no)),
      return: () => {
        throw new Error('unclosable');
      },
    }),
  };
  const { recorder, pump: one } = pump(source);
  one.start();
  one.stop();
  reject(new Error('late'));
  await turn();
  t.strictSame(recorder.log, ['close error unclosable', 'settled']);
});

await t.test('a next() that gives no object is an error', async (t) => {
  const { recorder, pump: one } = pump({ [Symbol.iterator]: () => ({ next: () => 7 }) });
  one.start();
  t.strictSame(recorder.log, ['error next() of the iterator gave 7, not an object', 'settled']);
});

await t.test('isIterableSource', async (t) => {
  for (const source of [[], 'text', new Map(), (function* () {})(), (async function* () {})()]) {
    t.ok(isIterableSource(source));
  }
  for (const source of [null, undefined, 7, {}, { next: () => 1 }]) {
    t.notOk(isIterableSource(source));
  }
});
