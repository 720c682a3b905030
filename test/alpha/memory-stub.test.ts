/** `purewire/testing`: a stub and its service without sockets. */

import { RpcError, Status } from '../../lib/index.ts';
import { memoryStub } from '../../lib/testing/index.ts';
import { t } from '../support/tap.ts';
import { collect } from './support/loopback.ts';
import { MATH, MATH_METHODS, MATH_SERVICE } from './support/math-service.ts';

const TIMEOUT = 30;

await t.test('a stub calls the service beside it, streams included', async (t) => {
  const math = memoryStub(MATH, MATH_METHODS, MATH_SERVICE);
  math.open();
  t.strictSame(await math.Div({ dividend: 973, divisor: 59 }, TIMEOUT), {
    quotient: 16,
    remainder: 29,
  });
  t.equal((await collect(math.Fib({ limit: 10 }, TIMEOUT))).length, 10);
  t.equal(await math.Sum.async([1, 2, 3], TIMEOUT).result(), 6);
  await math.close();
});

await t.test('it can be opened again after it was closed', async (t) => {
  const math = memoryStub(MATH, MATH_METHODS, MATH_SERVICE);
  for (let i = 0; i < 2; i++) {
    math.open();
    t.equal(await math.Sum([1, i], TIMEOUT), 1 + i);
    await math.close();
  }
});

await t.test('errors come as over a socket', async (t) => {
  const { Div } = MATH_SERVICE;
  const math = memoryStub(MATH, MATH_METHODS, { Div } as never);
  math.open();
  const error = await math.Sum([1], TIMEOUT).then(
    () => null,
    (reason: unknown) => reason,
  );
  t.ok(error instanceof RpcError);
  t.equal((error as RpcError).code, Status.UNIMPLEMENTED);
  await math.close();
});
