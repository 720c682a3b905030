import fc from 'fast-check';
import { timeLeftMs, timeoutMsOfSeconds } from '../../lib/deadline.ts';
import {
  decodeGrpcTimeout,
  encodeGrpcTimeout,
  MALFORMED_TIMEOUT,
} from '../../lib/protocol/grpc-timeout.ts';
import { requestFields } from '../../lib/protocol/request-headers.ts';
import { t } from '../support/tap.ts';
import { checkProperty } from './property.ts';

await t.test('Timeout: round values take the coarsest exact unit', async (t) => {
  const rows: [number, string][] = [
    [5000, '5S'],
    [1, '1m'],
    [1500, '1500m'],
    [60_000, '1M'],
    [90_000, '90S'],
    [3_600_000, '1H'],
    [86_400_000, '24H'],
    [0.5, '500u'],
    [0.000001, '1n'],
    [4999.7, '4999700u'],
    [99_999_999_000, '99999999S'],
    [100_000_000_000, '1666667M'],
  ];
  for (const [ms, text] of rows) t.equal(encodeGrpcTimeout(ms), text, `${ms} ms`);
});

await t.test(
  'Timeout: Infinity has no text, zero and less are the shortest, too long is clamped',
  async (t) => {
    t.equal(encodeGrpcTimeout(Number.POSITIVE_INFINITY), null);
    t.equal(encodeGrpcTimeout(0), '1n');
    t.equal(encodeGrpcTimeout(-5), '1n');
    t.equal(encodeGrpcTimeout(Number.MAX_VALUE), '99999999H');
  },
);

await t.test('S87 malformed grpc-timeout texts are told apart from every legal one', async (t) => {
  for (const text of [
    '',
    '1',
    'S',
    '-1S',
    '1.5S',
    '1 S',
    ' 1S',
    '1S ',
    '123456789S',
    '1x',
    '+1S',
    '1s',
    '0x1S',
    '१S',
  ]) {
    t.equal(decodeGrpcTimeout(text), MALFORMED_TIMEOUT, JSON.stringify(text));
  }
  for (const [text, ms] of [
    ['0S', 0],
    ['1n', 1e-6],
    ['7u', 7e-3],
    ['250m', 250],
    ['10S', 10_000],
    ['2M', 120_000],
    ['00000001H', 3_600_000],
  ] as const) {
    t.equal(decodeGrpcTimeout(text), ms, text);
  }
});

await t.test('S87 huge timeouts neither overflow nor turn negative', async (t) => {
  t.equal(decodeGrpcTimeout('99999999H'), 359_999_996_400_000);
  t.equal(decodeGrpcTimeout('99999999M'), 5_999_999_940_000);
  t.equal(decodeGrpcTimeout('3000000S'), 3_000_000_000);
});

await t.test('P06 decodeGrpcTimeout is total', async (t) => {
  checkProperty(
    t,
    fc.property(fc.string({ unit: 'binary', maxLength: 12 }), (text) => {
      const ms = decodeGrpcTimeout(text);
      const legal = /^[0-9]{1,8}[HMSmun]$/.test(text);
      return legal ? ms >= 0 && Number.isFinite(ms) : ms === MALFORMED_TIMEOUT;
    }),
  );
});

await t.test(
  'P06 a timeout survives the wire, rounded up by less than a hundred-thousandth',
  async (t) => {
    checkProperty(
      t,
      fc.property(fc.double({ min: 0.001, max: 3e13, noNaN: true }), (ms) => {
        const text = encodeGrpcTimeout(ms) as string;
        const back = decodeGrpcTimeout(text);
        return (
          /^[0-9]{1,8}[HMSmun]$/.test(text) &&
          back >= ms * (1 - 1e-12) &&
          back <= Math.max(ms + 1e-6, ms * (1 + 1e-4))
        );
      }),
    );
  },
);

await t.test(
  'requestFields: HEADERS written in the turn of the start carry the original timeout, the same array each time',
  async (t) => {
    const first = requestFields(4999.4, 5000, null);
    t.strictSame(first, ['grpc-timeout', '5S']);
    t.equal(requestFields(4999.9, 5000, null), first, 'identical array');
    t.strictSame(requestFields(4000, 5000, null), ['grpc-timeout', '4S']);
    t.strictSame(requestFields(4999.4, 5000, ['a', 'b']), ['grpc-timeout', '5S', 'a', 'b']);
    t.strictSame(requestFields(-3, 5000, null), ['grpc-timeout', '1n']);
    t.strictSame(requestFields(2000, Number.POSITIVE_INFINITY, []), ['grpc-timeout', '2S']);
    for (let ms = 10_000; ms < 10_200; ms++) requestFields(ms, ms, null);
    t.strictSame(
      requestFields(5000, 5000, null),
      ['grpc-timeout', '5S'],
      'after the cache was emptied',
    );
  },
);

await t.test(
  'C36 timeouts of callers: zero and negative expire, Infinity is none, NaN and non-numbers throw',
  async (t) => {
    t.equal(timeoutMsOfSeconds(1.5), 1500);
    t.equal(timeoutMsOfSeconds(0), 0);
    t.equal(timeoutMsOfSeconds(-1), 0);
    t.equal(timeoutMsOfSeconds(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
    for (const bad of [Number.NaN, '1', null, undefined, {}]) {
      t.throws(() => timeoutMsOfSeconds(bad as number), { name: 'TypeError' });
    }
    t.equal(timeLeftMs(1000, 400), 600);
    t.equal(timeLeftMs(1000, 1400), 0);
    t.equal(timeLeftMs(Number.POSITIVE_INFINITY, 1), Number.POSITIVE_INFINITY);
  },
);
