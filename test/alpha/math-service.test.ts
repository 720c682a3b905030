/** The original's early_adopter implementations test (alpha-semantics 6.1), over a server of our own. */

import { stub } from '../../lib/index.ts';
import { t } from '../support/tap.ts';
import { collect, openStub, startServer } from './support/loopback.ts';
import { type DivArgs, MATH, MATH_METHODS, MATH_SERVICE } from './support/math-service.ts';

const TIMEOUT = 30;

await t.test('testUpAndDown: a stub can be entered and left with no RPC', async (t) => {
  const server = await startServer(t, MATH, MATH_SERVICE);
  const unused = stub(MATH, MATH_METHODS, 'localhost', server.port());
  t.equal(unused.open(), unused);
  await unused.close();
  await server.stop();
});

await t.test('testUnaryUnary: Div of 973 by 59', async (t) => {
  const server = await startServer(t, MATH, MATH_SERVICE);
  const math = openStub(t, MATH, MATH_METHODS, server);
  const reply = await math.Div({ dividend: 973, divisor: 59 }, TIMEOUT);
  t.strictSame(reply, { quotient: 16, remainder: 29 });
});

await t.test(
  'testUnaryStream: Fib gives exactly 43 values, each the sum of the two before',
  async (t) => {
    const server = await startServer(t, MATH, MATH_SERVICE);
    const math = openStub(t, MATH, MATH_METHODS, server);
    const values = await collect(math.Fib({ limit: 43 }, TIMEOUT));
    t.equal(values.length, 43);
    for (let i = 2; i < values.length; i++) t.equal(values[i], values[i - 1]! + values[i - 2]!);
  },
);

await t.test('testStreamUnary: Sum of 0 … 126 through async(…).result() is 8001', async (t) => {
  const server = await startServer(t, MATH, MATH_SERVICE);
  const math = openStub(t, MATH, MATH_METHODS, server);
  function* numbers(): Generator<number> {
    for (let i = 0; i < 127; i++) yield i;
  }
  t.equal(await math.Sum.async(numbers(), TIMEOUT).result(), 8001);
});

await t.test('testStreamStream: DivMany of 179 pairs, each right, in order', async (t) => {
  const server = await startServer(t, MATH, MATH_SERVICE);
  const math = openStub(t, MATH, MATH_METHODS, server);
  const pairs: DivArgs[] = Array.from({ length: 179 }, (_, i) => ({
    dividend: 1763 + i,
    divisor: 71 + i,
  }));
  const replies = await collect(
    math.DivMany(
      (function* () {
        yield* pairs;
      })(),
      TIMEOUT,
    ),
  );
  t.strictSame(
    replies,
    pairs.map(({ dividend, divisor }) => ({
      quotient: Math.floor(dividend / divisor),
      remainder: dividend % divisor,
    })),
  );
});
