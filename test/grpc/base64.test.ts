import fc from 'fast-check';
import { decodeBase64, encodeBase64, isBase64 } from '../../lib/base64.ts';
import { t } from '../support/tap.ts';
import { checkProperty } from './property.ts';

function decode(text: string): number[] | null {
  const octets = decodeBase64(text, 0, text.length);
  return octets === null ? null : [...octets];
}

await t.test('RFC 4648 §10 test vectors, without padding', async (t) => {
  for (const [text, encoded] of [
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg'],
    ['fooba', 'Zm9vYmE'],
    ['foobar', 'Zm9vYmFy'],
  ] as const) {
    const octets = new TextEncoder().encode(text);
    t.equal(encodeBase64(octets), encoded);
    t.strictSame(decode(encoded), [...octets]);
    t.strictSame(decode(encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '=')), [...octets]);
  }
});

await t.test('S88 what is not base64 is refused, where Buffer.from would drop it', async (t) => {
  for (const bad of [
    '!!!',
    'a',
    '====',
    '=',
    'YQ=',
    'YQ===',
    'YWI==',
    'YWJj=',
    'Y=Q=',
    'YQ==YQ==',
    '_-8',
    'Y Q',
    'YQ\n',
    'é',
    'YWJjZ',
  ]) {
    t.equal(decode(bad), null, JSON.stringify(bad));
    t.equal(isBase64(bad, 0, bad.length), false);
  }
  t.strictSame(decode('YR'), [0x61], 'trailing bits are tolerated');
  t.strictSame(decode('+/+/'), [0xfb, 0xff, 0xbf]);
});

await t.test(
  'P06 the codec agrees with the runtime on all octets and is total on all text',
  async (t) => {
    checkProperty(
      t,
      fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
        const padded = btoa(String.fromCharCode(...octets));
        const text = encodeBase64(octets);
        return (
          text === padded.replaceAll('=', '') &&
          encodeBase64(decodeBase64(padded, 0, padded.length)!) === text &&
          encodeBase64(decodeBase64(text, 0, text.length)!) === text
        );
      }),
    );
    checkProperty(
      t,
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        return (decodeBase64(text, 0, text.length) !== null) === isBase64(text, 0, text.length);
      }),
    );
  },
);
