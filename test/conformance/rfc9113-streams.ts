/** RFC 9113, sections 3 to 5 (start, frames, streams): every MUST and MUST NOT, and the tests that prove it. */

import { must, notOurs, type RfcTable } from './rfc-sentence.ts';

const START = 'transport/rfc9113-3.4-connection-start';
const FRAMES = 'transport/rfc9113-4-frames';
const HPACK = 'transport/rfc9113-4.3-hpack-state';
const IDS = 'transport/rfc9113-5.1.1-identifiers';
const STATES = 'transport/rfc9113-5.1-idle-and-closed';
const ERRORS = 'transport/rfc9113-5.4-errors';
const EACH = 'transport/rfc9113-6-frames';
const SETTINGS = 'transport/rfc9113-6.5-settings';
const FLOW = 'transport/rfc9113-6.9-flow-control';
const TLS = 'transport/rfc9113-9.2-tls';
/** A client and a server of ours under random histories, each frame judged by a referee that knows who may send what. */
const REFEREE =
  'transport/two-endpoints.property › RFC 9113 over random histories of two endpoints';
const NO_PUSH =
  'push is disabled (ENABLE_PUSH=0) and a PUSH_PROMISE ends the connection, so no stream is ever reserved';
const WE_NEVER_PUSH = 'our servers never push';
const NO_EXTENSIONS = 'binds those who define extensions; we define none';

/** The sentences. */
export const RFC_9113_STREAMS: RfcTable = {
  name: 'RFC 9113 (HTTP/2), sections 3 – 5',
  keywords: {
    '3.2': 2,
    '3.3': 2,
    '3.4': 4,
    '4.1': 6,
    '4.2': 3,
    '4.3': 3,
    '4.3.1': 2,
    '5.1': 9,
    '5.1.1': 4,
    '5.1.2': 2,
    '5.2.1': 1,
    '5.2.2': 1,
    '5.4': 1,
    '5.4.1': 1,
    '5.4.2': 2,
    '5.5': 5,
  },
  sentences: [
    // ---- 3 ----
    must(
      '3.2',
      1,
      'h2c is neither offered nor chosen over TLS',
      `${TLS} › §3.2 §3.3 §9.2 a client offers TLS 1.2 or higher, ALPN h2 and nothing else, and the name`,
      `${TLS} › §3.2 §3.3 a server refuses a client that does not offer h2, or offers h2c`,
    ),
    must(
      '3.2',
      1,
      'after TLS both sides send their preface',
      `${TLS} › §3.2 §3.4 once TLS is done a server sends SETTINGS, a client the preface`,
    ),
    must(
      '3.3',
      1,
      'HTTP/2 over TLS is agreed on by ALPN',
      'transport/connect-listen › S103 a TLS client that does not offer h2 is refused, and the next one served',
      'transport/connect-listen › C32 a TLS server without h2 is refused by the client',
    ),
    must(
      '3.3',
      1,
      'a server with prior knowledge sends its preface',
      `${START} › §3.4 §6.5 the first frame of a server is SETTINGS, before it heard anything`,
    ),
    must(
      '3.4',
      1,
      'the client preface is followed by SETTINGS',
      `${START} › §3.4 a client begins with the 24 octets of the preface and SETTINGS`,
    ),
    must(
      '3.4',
      1,
      'the first frame of a server is SETTINGS',
      `${START} › §3.4 §6.5 the first frame of a server is SETTINGS, before it heard anything`,
    ),
    must(
      '3.4',
      1,
      'the SETTINGS of a preface are acknowledged, behind our own preface',
      `${START} › §3.4 the first SETTINGS of the peer are acknowledged, behind our own`,
    ),
    must(
      '3.4',
      1,
      'an invalid preface is a connection error PROTOCOL_ERROR',
      `${START} › §3.4 an invalid client preface ends the connection, PROTOCOL_ERROR`,
      `${START} › §3.4 an invalid server preface ends the connection, PROTOCOL_ERROR`,
      'framing/rfc9113-3.4-preface › §3.4 S41 each wrong preface octet is PROTOCOL_ERROR',
    ),
    // ---- 4 ----
    must(
      '4.1',
      1,
      'no frame above 2^14 unless the peer allows more',
      `${SETTINGS} › §4.1 §4.2 §6.5.2 our frames keep to the peer’s MAX_FRAME_SIZE, before and after it grows`,
      REFEREE,
    ),
    must(
      '4.1',
      1,
      'frames of unknown type are discarded',
      `${FRAMES} › §4.1 §5.5 frames of unknown types are discarded`,
    ),
    must(
      '4.1',
      2,
      'unused flags are ignored, and never set',
      `${FRAMES} › §4.1 flags that a type does not define are ignored`,
      REFEREE,
    ),
    must(
      '4.1',
      2,
      'the reserved bit is ignored, and never set',
      `${FRAMES} › §4.1 the reserved bit is ignored`,
      REFEREE,
    ),
    must(
      '4.2',
      1,
      'frames of 2^14 octets are taken',
      `${FRAMES} › §4.2 DATA of 2^14 octets is taken`,
    ),
    must(
      '4.2',
      2,
      'frames too large or too small are FRAME_SIZE_ERROR, of the connection when they could change it',
      `${FRAMES} › §4.2 DATA above our MAX_FRAME_SIZE ends the connection at its header, FRAME_SIZE_ERROR`,
      `${FRAMES} › §4.2 HEADERS above our MAX_FRAME_SIZE end the connection, FRAME_SIZE_ERROR`,
      `${FRAMES} › §4.2 a frame too small for its fields ends the connection when it could change it, FRAME_SIZE_ERROR`,
      'framing/rfc9113-6.10-continuation › §4.2 §6.10 an oversized CONTINUATION is FRAME_SIZE_ERROR',
    ),
    must(
      '4.3',
      1,
      'the frames of a field block are contiguous',
      `${EACH} › §6.2 §6.10 our own blocks above MAX_FRAME_SIZE are sent without a gap`,
      REFEREE,
    ),
    must(
      '4.3',
      1,
      'whoever does not decompress a block ends the connection: we decompress them all',
      `${HPACK} › §4.3 HPACK is in step behind a request refused for MAX_CONCURRENT_STREAMS`,
      `${HPACK} › §4.3 HPACK is in step behind a malformed request`,
      `${HPACK} › §4.3 HPACK is in step behind a request above our field limit`,
      `${HPACK} › §4.3 HPACK is in step behind malformed trailers`,
      `${HPACK} › §4.3 HPACK is in step behind a malformed response`,
      `${HPACK} › §4.3 HPACK is in step behind an interim response`,
    ),
    must(
      '4.3',
      1,
      'a decoding error is a connection error COMPRESSION_ERROR',
      `${FRAMES} › §4.3 a block that ends inside a field ends the connection, COMPRESSION_ERROR`,
      `${FRAMES} › §4.3 RFC 7541 §6.1 index 0 ends the connection, COMPRESSION_ERROR`,
    ),
    must(
      '4.3.1',
      1,
      'our next block after a smaller table begins with a size update',
      `${FRAMES} › §4.3.1 RFC 7541 §4.2 our next block after a smaller HEADER_TABLE_SIZE begins with a size update`,
    ),
    must(
      '4.3.1',
      1,
      'a block without the size update that is due is a connection error COMPRESSION_ERROR',
      `${FRAMES} › §4.3.1 a block without the size update that our smaller table demands ends the connection, COMPRESSION_ERROR`,
    ),
    // ---- 5 ----
    must(
      '5.1',
      1,
      'idle: anything but HEADERS and PRIORITY is a connection error PROTOCOL_ERROR',
      `${STATES} › §5.1 DATA on an idle stream ends the connection, PROTOCOL_ERROR`,
      `${STATES} › §5.1 §6.4 RST_STREAM on an idle stream ends the connection, PROTOCOL_ERROR`,
      `${STATES} › §5.1 WINDOW_UPDATE on an idle stream ends the connection, PROTOCOL_ERROR`,
      `${STATES} › §5.1 §6.10 CONTINUATION on an idle stream ends the connection, PROTOCOL_ERROR`,
      `${STATES} › §5.1 a frame on a stream of the other parity, which is idle for ever, ends the connection, PROTOCOL_ERROR`,
    ),
    must(
      '5.1',
      1,
      'idle: HEADERS on a stream of the server’s is a connection error PROTOCOL_ERROR',
      `${STATES} › §5.1 HEADERS on an idle stream end the connection of a client, PROTOCOL_ERROR`,
    ),
    notOurs(
      '5.1',
      4,
      'reserved (local) and reserved (remote): what may be sent and received',
      NO_PUSH,
    ),
    must(
      '5.1',
      1,
      'half-closed (remote): other frames are a stream error STREAM_CLOSED',
      `${STATES} › §5.1 §6.1 DATA on a half-closed (remote) stream is a stream error STREAM_CLOSED`,
      `${STATES} › §5.1 HEADERS on a half-closed (remote) stream are a stream error STREAM_CLOSED`,
    ),
    must(
      '5.1',
      1,
      'closed: nothing but PRIORITY is sent',
      `${EACH} › §6.4 RST_STREAM ends a stream at once, and nothing more is sent on it`,
      `${FLOW} › §5.1 §6.9 a stream that its peer has ended is sent no more credit`,
      REFEREE,
    ),
    must(
      '5.1',
      1,
      'closed by our RST_STREAM: what was under way is minimally processed and discarded',
      `${STATES} › §5.1 §5.4.2 §6.4 frames that cross our RST_STREAM are minimally processed and discarded`,
      `${STATES} › §5.1 a client that cancels many calls at once, or long ago, ignores what was under way`,
      `${STATES} › §5.1 §6.9 a server that forgot a stream it reset credits and discards its DATA`,
      `${HPACK} › §4.3 §5.1 HPACK is in step behind the response to a cancelled call`,
      `${HPACK} › §4.3 §5.1 HPACK is in step behind trailers of a stream we reset`,
    ),
    must(
      '5.1',
      0,
      'closed by END_STREAM or the peer’s RST_STREAM: late frames are errors (a MAY), but WINDOW_UPDATE, RST_STREAM and PRIORITY are not',
      `${STATES} › §5.1 DATA behind END_STREAM on a closed stream ends the connection, STREAM_CLOSED`,
      `${STATES} › §5.1 HEADERS behind END_STREAM on a closed stream end the connection, STREAM_CLOSED`,
      `${STATES} › §5.1 HEADERS behind the peer’s own RST_STREAM end the connection, STREAM_CLOSED`,
      `${STATES} › §5.1 §6.9 WINDOW_UPDATE and RST_STREAM that cross our END_STREAM are no errors`,
      `${STATES} › §5.1 §5.3.2 PRIORITY is taken in every state: idle, open and closed`,
    ),
    must(
      '5.1.1',
      1,
      'clients use odd ids',
      `${IDS} › §5.1.1 a client uses odd ids that grow by two`,
      REFEREE,
    ),
    notOurs('5.1.1', 1, 'servers use even ids', WE_NEVER_PUSH),
    must(
      '5.1.1',
      1,
      'the id of a new stream is above all before',
      `${IDS} › §5.1.1 a client uses odd ids that grow by two`,
      `${IDS} › §5.1.1 a client near the end of its ids opens no more streams, tells its owner, and ends those it has`,
    ),
    must(
      '5.1.1',
      1,
      'an unexpected id is a connection error PROTOCOL_ERROR',
      `${IDS} › §5.1.1 a stream id below one already opened ends the connection, PROTOCOL_ERROR`,
      `${IDS} › §5.1.1 an even stream id from a client ends the connection, PROTOCOL_ERROR`,
    ),
    must(
      '5.1.2',
      1,
      'we do not exceed the peer’s limit of streams',
      'transport/rfc9113-8.1-exchange › §5.1.2 streams beyond the peer’s limit wait in order and put nothing on the wire',
      REFEREE,
    ),
    must(
      '5.1.2',
      1,
      'a stream above our limit is a stream error PROTOCOL_ERROR or REFUSED_STREAM',
      `${IDS} › §5.1.2 a request above MAX_CONCURRENT_STREAMS is a stream error REFUSED_STREAM`,
      `${IDS} › §5.1.2 the limit holds from the first octet and is announced`,
    ),
    must(
      '5.2.1',
      1,
      'a sender respects the receiver’s flow control',
      `${FLOW} › §6.9.1 DATA never exceeds the stream window nor the connection window`,
      REFEREE,
    ),
    must(
      '5.2.2',
      1,
      'frames are read as soon as they are there',
      `${FLOW} › §5.2.2 frames are read while our own output is blocked by the peer’s windows`,
      `${EACH} › §6.7 PING is answered while the windows are closed`,
    ),
    must(
      '5.3.2',
      0,
      'priority signals are taken and ignored',
      `${STATES} › §5.1 §5.3.2 PRIORITY is taken in every state: idle, open and closed`,
      `${EACH} › §6.2 HEADERS with padding, with priority, and with both, are taken`,
    ),
    must(
      '5.4',
      1,
      'a connection error is reported',
      `${ERRORS} › §5.4 of several errors in one read only the first is reported`,
      `${ERRORS} › §5.4.1 a connection error sends GOAWAY with its code and closes the connection`,
    ),
    must(
      '5.4.1',
      1,
      'after GOAWAY for an error the connection is closed',
      `${ERRORS} › §5.4.1 a connection error sends GOAWAY with its code and closes the connection`,
      `${ERRORS} › §5.4.1 a pipe that takes nothing cannot hold up the end`,
    ),
    must(
      '5.4.2',
      1,
      'who sent RST_STREAM is prepared for what was under way',
      `${STATES} › §5.1 §5.4.2 §6.4 frames that cross our RST_STREAM are minimally processed and discarded`,
    ),
    must(
      '5.4.2',
      1,
      'RST_STREAM is not answered by RST_STREAM',
      `${ERRORS} › §5.4.2 RST_STREAM is never answered by RST_STREAM`,
    ),
    must(
      '5.4.2',
      0,
      'a stream is reset once (a SHOULD)',
      `${ERRORS} › §5.4.2 the first error of a stream is its only one`,
      `${STATES} › §5.1 §6.1 DATA behind the peer’s own RST_STREAM is a stream error STREAM_CLOSED, once`,
    ),
    must(
      '5.4.3',
      0,
      'calls on a connection that broke are not retried by themselves',
      `${ERRORS} › §5.4.3 §8.7 calls on a connection that breaks cannot be known to be unprocessed`,
    ),
    must(
      '5.5',
      2,
      'unknown values and frames of unknown types are ignored',
      `${FRAMES} › §4.1 §5.5 frames of unknown types are discarded`,
      `${SETTINGS} › §6.5.2 §6.5.3 unknown settings are ignored and the frame acknowledged`,
      `${EACH} › §7 an unknown error code has no special effect`,
    ),
    must(
      '5.5',
      1,
      'an extension frame inside a field block is a connection error PROTOCOL_ERROR',
      `${FRAMES} › §5.5 a frame of unknown type inside a field block ends the connection, PROTOCOL_ERROR`,
    ),
    notOurs(
      '5.5',
      2,
      'extensions that change the protocol are negotiated, and off at first',
      NO_EXTENSIONS,
    ),
  ],
};
