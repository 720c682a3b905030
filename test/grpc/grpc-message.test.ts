import fc from 'fast-check';
import { decodeGrpcMessage, encodeGrpcMessage } from '../../lib/protocol/grpc-message.ts';
import { t } from '../support/tap.ts';
import { checkProperty } from './property.ts';

await t.test(
  'Status-Message: printable ASCII passes, everything else and % are percent-encoded',
  async (t) => {
    for (const [text, encoded] of [
      ['', ''],
      ['plain text ~!', 'plain text ~!'],
      ['50%', '50%25'],
      ['a\r\nb', 'a%0D%0Ab'],
      ['é', '%C3%A9'],
      ['\u{1f600}', '%F0%9F%98%80'],
      ['\ud800', '%EF%BF%BD'],
      [' padded ', '%20padded%20'],
      ['\u007f\u0000', '%7F%00'],
    ] as const) {
      t.equal(encodeGrpcMessage(text, 4096), encoded, JSON.stringify(text));
    }
  },
);

await t.test(
  'C24 decoding never fails: bad escapes stand for themselves, bad UTF-8 becomes U+FFFD',
  async (t) => {
    for (const [value, text] of [
      ['%', '%'],
      ['%G1', '%G1'],
      ['%4', '%4'],
      ['%E0%A4', '\ufffd'],
      ['%00', '\u0000'],
      ['%2F%23', '/#'],
      ['%c3%a9', 'é'],
      ['100%25', '100%'],
      ['%EF%BB%BFx', '\ufeffx'],
      ['\u00ff', '\ufffd'],
    ] as const) {
      t.equal(decodeGrpcMessage(value), text, JSON.stringify(value));
    }
  },
);

await t.test(
  'S95 L24 long messages are cut at a character border and stay within the limit',
  async (t) => {
    t.equal(encodeGrpcMessage('x'.repeat(70_000), 4096), 'x'.repeat(4096));
    t.equal(encodeGrpcMessage('ééé', 13), '%C3%A9%C3%A9');
    t.equal(encodeGrpcMessage('ab\u{1f600}', 13), 'ab');
    t.equal(encodeGrpcMessage('ab\u{1f600}', 14), 'ab%F0%9F%98%80');
    t.equal(encodeGrpcMessage(`${'x'.repeat(4095)}\u{1f600}`, 4096), 'x'.repeat(4095));
    t.equal(encodeGrpcMessage(`${'x'.repeat(10)} %`, 11), 'x'.repeat(10), 'no blank at the end');
  },
);

await t.test(
  'P06 decode(encode(text)) is the text, within the limit, as a legal field value',
  async (t) => {
    checkProperty(
      t,
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const encoded = encodeGrpcMessage(text, 100_000);
        return /^(?:[!-~](?:[ -~]*[!-~])?)?$/.test(encoded) && decodeGrpcMessage(encoded) === text;
      }),
    );
    checkProperty(
      t,
      fc.property(fc.string({ unit: 'binary' }), fc.nat(60), (text, limit) => {
        const encoded = encodeGrpcMessage(text, limit);
        return encoded.length <= limit && text.startsWith(decodeGrpcMessage(encoded));
      }),
    );
  },
);

await t.test('P06 decodeGrpcMessage is total over latin1 text', async (t) => {
  checkProperty(
    t,
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      return typeof decodeGrpcMessage(String.fromCharCode(...octets)) === 'string';
    }),
  );
});
