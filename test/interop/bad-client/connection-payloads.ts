/** Payloads about the connection: its preface, its first SETTINGS, frames of wrong sizes and unknown types. */

import { Code } from '../../hostile/octets.ts';
import { data, frame, head, octets, PREFACE, uint32 } from '../../support/frame-factory.ts';
import { GREETING, open, openAndEnd, type Payload, type Verdict } from './payload.ts';

const PROTOCOL: Verdict = { goAway: [Code.PROTOCOL_ERROR] };
const FRAME_SIZE: Verdict = { goAway: [Code.FRAME_SIZE_ERROR] };
const SETTINGS = 4;

function connectionPrefix(): Payload[] {
  return Array.from({ length: PREFACE.length }, (_, length) => ({
    program: 'connection_prefix',
    name: `${length} octets of the preface, then X`,
    octets: octets(PREFACE.subarray(0, length), 'X'),
    verdict: PROTOCOL,
  }));
}

function initialSettings(): Payload[] {
  const after = (name: string, content: Uint8Array, verdict: Verdict): Payload => ({
    program: 'initial_settings_frame',
    name,
    octets: octets(PREFACE, content),
    verdict,
  });
  const whole = head(6, SETTINGS, 0, 0);
  const cut = Array.from({ length: 10 }, (_, length) =>
    after(`${length} octets of a SETTINGS header`, whole.subarray(0, length), { unfinished: true }),
  );
  const flagged = [0x01, 0xff].map((flags) =>
    after(
      `a SETTINGS header that ends behind flags ${flags}`,
      head(6, SETTINGS, flags, 0).subarray(0, 5),
      { unfinished: true },
    ),
  );
  const setting = (id: number, value: number): Uint8Array =>
    frame(SETTINGS, 0, 0, [id >> 8, id & 255], uint32(value));
  return [
    ...cut,
    ...flagged,
    after('a SETTINGS header and half its payload', octets(whole, [0, 3, 0]), { unfinished: true }),
    after('SETTINGS on stream 1', frame(SETTINGS, 0, 1), PROTOCOL),
    after('SETTINGS on stream 0x400000', frame(SETTINGS, 0, 0x40_0000), PROTOCOL),
    ...[1, 2, 3, 4, 5].map((length) =>
      after(
        `SETTINGS of ${length} octets`,
        frame(SETTINGS, 0, 0, new Uint8Array(length)),
        FRAME_SIZE,
      ),
    ),
    after('MAX_FRAME_SIZE 0', setting(5, 0), PROTOCOL),
    after('MAX_HEADER_LIST_SIZE 2^32 - 1', setting(6, 0xffff_ffff), { ignored: true }),
    after('INITIAL_WINDOW_SIZE 65536', setting(4, 65_536), { ignored: true }),
    // The first frame must be SETTINGS proper (RFC 9113 §3.4), and an acknowledgement is empty (§6.5).
    after('SETTINGS ACK of 1 octet', frame(SETTINGS, 1, 0, [0]), {
      goAway: [Code.FRAME_SIZE_ERROR, Code.PROTOCOL_ERROR],
    }),
    // RFC 9113 §4.1: undefined flags are ignored.
    after('SETTINGS with flag 0x10', frame(SETTINGS, 0x10, 0), { ignored: true }),
    after('an unknown setting', setting(0x99, 1), { ignored: true }),
  ];
}

function outOfBounds(): Payload[] {
  const after = (name: string, content: Uint8Array, verdict: Verdict): Payload => ({
    program: 'out_of_bounds',
    name,
    octets: octets(GREETING, content),
    verdict,
    starts: 'any',
  });
  return [
    // RFC 9113 §4.2 leaves a choice for DATA; the end of the connection spares reading what is too long.
    after('DATA of 65536 octets', octets(open(), data(1, new Uint8Array(65_536))), FRAME_SIZE),
    // RFC 9113 §6.3: a stream error.
    after('PRIORITY of 3 octets', octets(open(), frame(2, 0, 1, [0, 0, 0])), {
      reset: [1, Code.FRAME_SIZE_ERROR],
    }),
    after('RST_STREAM of 2 octets', octets(open(), frame(3, 0, 1, [0, 0])), FRAME_SIZE),
    after('SETTINGS of 5 octets', frame(SETTINGS, 0, 0, new Uint8Array(5)), FRAME_SIZE),
    after('PING of 5 octets', frame(6, 0, 0, new Uint8Array(5)), FRAME_SIZE),
    after('WINDOW_UPDATE of 1 octet', frame(8, 0, 0, [1]), FRAME_SIZE),
  ];
}

/** RFC 9113 §5.5: frames of unknown types are ignored. */
function unknownFrames(): Payload[] {
  return Array.from({ length: 246 }, (_, at) => ({
    program: 'unknown_frame',
    name: `type ${at + 10}`,
    octets: octets(GREETING, frame(at + 10, 0, 1)),
    verdict: { ignored: true },
  }));
}

function streamIds(): Payload[] {
  const after = (
    name: string,
    content: Uint8Array,
    verdict: Verdict,
    starts: number | 'any',
  ): Payload => ({
    program: 'bad_streaming_id',
    name,
    octets: octets(GREETING, content),
    verdict,
    starts,
  });
  return [
    after('HEADERS on stream 1', openAndEnd(1), { status: [1, 0] }, 1),
    after('HEADERS on stream 2', openAndEnd(2), PROTOCOL, 0),
    // RFC 9113 §5.1: half-closed by its END_STREAM, a stream takes no more HEADERS.
    after(
      'HEADERS on streams 1, 3 and 1 again',
      octets(openAndEnd(1), openAndEnd(3), openAndEnd(1)),
      { reset: [1, Code.STREAM_CLOSED] },
      'any',
    ),
  ];
}

export const CONNECTION_PAYLOADS: readonly Payload[] = [
  ...connectionPrefix(),
  ...initialSettings(),
  ...outOfBounds(),
  ...streamIds(),
];

export const UNKNOWN_FRAMES: readonly Payload[] = unknownFrames();
