import { ErrorCode } from '../../framing/constants.ts';
import type { RecordedEvent } from '../support/event-recorder.ts';
import {
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  octets,
  PADDED,
  PRIORITY_FLAG,
  ping,
  priority,
  priorityFields,
  pushPromise,
  rstStream,
  settings,
  windowUpdate,
} from '../support/frame-factory.ts';
import { connectionError, expectEvents, startReading } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { PROTOCOL_ERROR, ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR } = ErrorCode;

await t.test(
  '§6.10 fragments are joined and told once, with the END_STREAM of HEADERS',
  async (t) => {
    expectEvents(
      t,
      [
        headers(1, 'ab', END_STREAM),
        continuation(1, 'cd', 0),
        continuation(1, 'ef'),
        headers(3, '', 0),
        continuation(3, 'g', END_HEADERS | END_STREAM),
        headers(5, 'h'),
      ],
      [
        ['HEADERS', 1, ['block', 'abcdef'], true, true],
        ['HEADERS', 3, ['block', 'g'], false, true],
        ['HEADERS', 5, ['block', 'h'], false, true],
      ],
    );
  },
);

await t.test('§6.10 padding of HEADERS is no part of the joined block', async (t) => {
  expectEvents(
    t,
    [
      frame(1, PADDED | PRIORITY_FLAG, 1, [2], priorityFields(0), 'ab', 'xx'),
      continuation(1, 'cd', END_HEADERS | PADDED),
    ],
    [['HEADERS', 1, ['block', 'abcd'], false, true]],
  );
});

await t.test('RFC 7540 §5.3.1 self-dependency of a split block is told at its end', async (t) => {
  expectEvents(
    t,
    [frame(1, PRIORITY_FLAG, 1, priorityFields(1), 'ab'), continuation(1, 'cd'), headers(1, 'ef')],
    [
      ['STREAM_ERROR', 1, PROTOCOL_ERROR, 'frame.headers.self-dependency'],
      ['HEADERS', 1, ['block', 'ef'], false, true],
    ],
  );
});

await t.test('§6.10 S53 CONTINUATION without an open block is PROTOCOL_ERROR', async (t) => {
  const unexpected = (streamId: number): RecordedEvent =>
    connectionError(PROTOCOL_ERROR, 'frame.continuation.unexpected', streamId);
  const block = ['HEADERS', 1, ['block', 'a'], false, true];
  expectEvents(t, [continuation(1, 'a')], [unexpected(1)]);
  expectEvents(t, [continuation(0, 'a')], [unexpected(0)]);
  expectEvents(t, [headers(1, 'a'), continuation(1, 'b')], [block, unexpected(1)]);
  expectEvents(
    t,
    [headers(1, '', 0), continuation(1, 'a'), continuation(1, 'b')],
    [block, unexpected(1)],
  );
  expectEvents(
    t,
    [headers(1, 'a'), data(1, 'd'), continuation(1, 'b')],
    [block, ['DATA', 1, 'd', 1, false], unexpected(1)],
  );
});

await t.test('§6.10 S53 CONTINUATION on another stream is PROTOCOL_ERROR', async (t) => {
  for (const streamId of [0, 3]) {
    expectEvents(
      t,
      [headers(1, 'a', 0), continuation(streamId, 'b')],
      [connectionError(PROTOCOL_ERROR, 'frame.continuation.wrong-stream', streamId)],
    );
  }
});

await t.test('§4.3 §5.5 S53 any other frame inside a block is PROTOCOL_ERROR', async (t) => {
  const intruders: [string, Uint8Array, number][] = [
    ['DATA', data(1, 'x'), 1],
    ['HEADERS of the same stream', headers(1, 'x'), 1],
    ['HEADERS of another stream', headers(3, 'x'), 3],
    ['PRIORITY', priority(1, 3), 1],
    ['RST_STREAM', rstStream(1, 8), 1],
    ['SETTINGS', settings(), 0],
    ['PUSH_PROMISE', pushPromise(1, 2, ''), 1],
    ['PING', ping('12345678'), 0],
    ['GOAWAY', frame(7, 0, 0, new Uint8Array(8)), 0],
    ['WINDOW_UPDATE', windowUpdate(0, 1), 0],
    ['an unknown type', frame(0xbe, 0, 1, 'x'), 1],
  ];
  for (const [name, intruder, streamId] of intruders) {
    await t.test(name, async (t) => {
      const wanted = [connectionError(PROTOCOL_ERROR, 'frame.header-block.interrupted', streamId)];
      expectEvents(t, [headers(1, 'a', 0), intruder, continuation(1, 'b')], wanted);
      expectEvents(t, [headers(1, 'a', 0), continuation(1, 'b', 0), intruder], wanted);
    });
  }
});

await t.test('§10.5.1 L7 S50 CONTINUATION frames per block are limited', async (t) => {
  const three = [headers(1, 'a', 0), continuation(1, 'b', 0), continuation(1, 'c', 0)];
  expectEvents(
    t,
    [...three, continuation(1, 'd')],
    [['HEADERS', 1, ['block', 'abcd'], false, true]],
  );
  expectEvents(
    t,
    [...three, continuation(1, 'd', 0), continuation(1, 'e')],
    [connectionError(ENHANCE_YOUR_CALM, 'frame.continuation.too-many', 1)],
  );
});

await t.test('§10.5.1 L7 S51 empty CONTINUATION frames per block are limited', async (t) => {
  expectEvents(
    t,
    [headers(1, 'a', 0), continuation(1, '', 0), continuation(1, 'b')],
    [['HEADERS', 1, ['block', 'ab'], false, true]],
  );
  expectEvents(
    t,
    [headers(1, 'a', 0), continuation(1, '', 0), continuation(1, '')],
    [connectionError(ENHANCE_YOUR_CALM, 'frame.continuation.too-many-empty', 1)],
  );
});

await t.test('§10.5.1 L7 S50 the octets of a block are limited over all its frames', async (t) => {
  const start = [headers(1, 'x'.repeat(60), 0), continuation(1, 'y'.repeat(30), 0)];
  expectEvents(
    t,
    [...start, continuation(1, 'z'.repeat(10))],
    [['HEADERS', 1, ['block', `${'x'.repeat(60)}${'y'.repeat(30)}${'z'.repeat(10)}`], false, true]],
  );
  expectEvents(
    t,
    [...start, continuation(1, 'z'.repeat(11))],
    [connectionError(ENHANCE_YOUR_CALM, 'frame.header-block.too-large', 1)],
  );
});

await t.test('L7 the counts start again with each block', async (t) => {
  const block = (id: number): Uint8Array =>
    octets(
      headers(id, 'a', 0),
      continuation(id, '', 0),
      continuation(id, 'b', 0),
      continuation(id, 'c'),
    );
  expectEvents(
    t,
    [block(1), block(3), block(5)],
    [1, 3, 5].map((id) => ['HEADERS', id, ['block', 'abc'], false, true]),
  );
});

await t.test('§4.2 §6.10 an oversized CONTINUATION is FRAME_SIZE_ERROR', async (t) => {
  expectEvents(
    t,
    [headers(1, 'a', 0), [0, 0x40, 1, 9, 4, 0, 0, 0, 1]],
    [connectionError(FRAME_SIZE_ERROR, 'frame.too-large', 1)],
  );
});

await t.test('inHeaderBlock and buffered follow the block', async (t) => {
  const { reader, recorder } = startReading();
  const feed = (input: Uint8Array): void => void reader.read(input, 0, input.length, recorder);
  t.equal(reader.inHeaderBlock, false);
  feed(headers(1, 'abc', 0));
  t.equal(reader.inHeaderBlock, true);
  t.equal(reader.buffered, 3);
  feed(continuation(1, 'de', 0));
  t.equal(reader.buffered, 5);
  recorder.afterEvent = () => t.equal(reader.inHeaderBlock, false, 'closed when it is told');
  feed(continuation(1, 'f'));
  t.equal(reader.inHeaderBlock, false);
  t.equal(reader.buffered, 0);
  t.equal(recorder.events.length, 1);
});

await t.test('fragments of many sizes are joined in order', async (t) => {
  const text = (length: number, from: number): string =>
    Array.from({ length }, (_, i) => String.fromCharCode((from + i * 7) % 256)).join('');
  const parts = [text(3000, 1), text(5000, 2), text(1, 3), text(16_000, 4)];
  expectEvents(
    t,
    [
      headers(1, parts[0]!, 0),
      continuation(1, parts[1]!, 0),
      continuation(1, parts[2]!, 0),
      continuation(1, parts[3]!),
    ],
    [['HEADERS', 1, ['block', parts.join('')], false, true]],
    { maxHeaderBlockOctets: 30_000 },
  );
});
