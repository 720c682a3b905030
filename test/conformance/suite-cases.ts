/**
 * The cases of h2spec and h2specd, and our own test for each. The suites accept a mere hang-up for nearly every error (their verifiers read
 * until the end and take "closed" for any code); ours assert the code, the kind of error and what lives on.
 */

/** Cases `first` … `last` of a group, and the tests that prove them. */
export interface SuiteCases {
  readonly group: string;
  readonly first: number;
  readonly last: number;
  readonly tests: readonly string[];
}

const FILES: Readonly<Record<string, string>> = {
  START: 'transport/rfc9113-3.4-connection-start',
  FRAMES: 'transport/rfc9113-4-frames',
  STATES: 'transport/rfc9113-5.1-idle-and-closed',
  IDS: 'transport/rfc9113-5.1.1-identifiers',
  ERRORS: 'transport/rfc9113-5.4-errors',
  EACH: 'transport/rfc9113-6-frames',
  SETTINGS: 'transport/rfc9113-6.5-settings',
  GOAWAY: 'transport/rfc9113-6.8-goaway',
  FLOW: 'transport/rfc9113-6.9-flow-control',
  MESSAGES: 'transport/rfc9113-8.1-malformed-messages',
  FIELDS: 'transport/rfc9113-8.3-fields',
  EXAMPLES: 'framing/rfc7541-C-examples',
  TABLE: 'framing/rfc7541-4-dynamic-table',
  ROUNDTRIP: 'framing/hpack-roundtrip.property',
};

/** One line per row: group/first-last, file, title. Lines of the same cases are one row. */
function parse(table: string): SuiteCases[] {
  const rows: SuiteCases[] = [];
  for (const line of table.trim().split('\n')) {
    const found = /^(\S+)\/(\d+)(?:-(\d+))? ([A-Z]+) (.+)$/.exec(line);
    if (found === null) throw new Error(`not a row: ${line}`);
    const [, group, first, last, file, title] = found as unknown as [string, ...string[]];
    const test = `${FILES[file!]} › ${title}`;
    const previous = rows.at(-1);
    if (previous?.group === group && previous?.first === Number(first)) {
      rows[rows.length - 1] = { ...previous, tests: [...previous.tests, test] };
    } else {
      rows.push({
        group: group!,
        first: Number(first),
        last: Number(last ?? first),
        tests: [test],
      });
    }
  }
  return rows;
}

/** Server cases: 147 in h2spec's newest code. */
export const H2SPEC_CASES: readonly SuiteCases[] = parse(`
generic/1/1 START §3.4 §6.5 the first frame of a server is SETTINGS, before it heard anything
generic/2/1 STATES §5.1 PRIORITY on an idle stream does not open it
generic/2/2-4 STATES §5.1 §6.9 WINDOW_UPDATE, PRIORITY and RST_STREAM on a half-closed (remote) stream are no errors
generic/2/5 STATES §5.1 §5.3.2 PRIORITY is taken in every state: idle, open and closed
generic/3.1/1-3 EACH §6.1 DATA, with and without padding, is delivered without it
generic/3.2/1-3 EACH §6.2 HEADERS with padding, with priority, and with both, are taken
generic/3.3/1-4 STATES §5.1 §5.3.2 PRIORITY is taken in every state: idle, open and closed
generic/3.3/5 STATES §5.1 PRIORITY on an idle stream does not open it
generic/3.4/1 EACH §6.4 RST_STREAM ends a stream at once, and nothing more is sent on it
generic/3.5/1 SETTINGS §6.5.3 SETTINGS are acknowledged at once, each frame once and in order
generic/3.7/1 EACH §6.7 PING is answered with ACK and the same payload, at once
generic/3.8/1 GOAWAY §6.8 a client’s GOAWAY lets its calls end and closes an idle connection
generic/3.9/1-2 FLOW §6.9.1 DATA never exceeds the stream window nor the connection window
generic/3.10/1-2 EACH §6.10 a field block over HEADERS and several CONTINUATION frames is one block
generic/4/1-2 FIELDS §8.3.1 GET is a request like any other for the transport
generic/4/3-4 MESSAGES §8.1 headers, DATA and trailers arrive in their order
generic/5/1-13 EXAMPLES C.2 single literals and an index
generic/5/1-13 ROUNDTRIP any representations: decoder and model agree on lists, tables and faults
generic/5/14-15 TABLE §4.2 L8: two size updates are taken, a third is COMPRESSION_ERROR
http2/3.5/1 START §3.4 §6.5 the first frame of a server is SETTINGS, before it heard anything
http2/3.5/2 START §3.4 an invalid client preface ends the connection, PROTOCOL_ERROR
http2/4.1/1 FRAMES §4.1 §5.5 frames of unknown types are discarded
http2/4.1/2 FRAMES §4.1 flags that a type does not define are ignored
http2/4.1/3 FRAMES §4.1 the reserved bit is ignored
http2/4.2/1 FRAMES §4.2 DATA of 2^14 octets is taken
http2/4.2/2 FRAMES §4.2 DATA above our MAX_FRAME_SIZE ends the connection at its header, FRAME_SIZE_ERROR
http2/4.2/3 FRAMES §4.2 HEADERS above our MAX_FRAME_SIZE end the connection, FRAME_SIZE_ERROR
http2/4.3/1 FRAMES §4.3 a block that ends inside a field ends the connection, COMPRESSION_ERROR
http2/4.3/2 FRAMES §4.3 §6.2 PRIORITY inside a field block ends the connection, PROTOCOL_ERROR
http2/4.3/3 FRAMES §4.3 §6.2 HEADERS of another stream inside a field block end the connection, PROTOCOL_ERROR
http2/5.1/1 STATES §5.1 DATA on an idle stream ends the connection, PROTOCOL_ERROR
http2/5.1/2 STATES §5.1 §6.4 RST_STREAM on an idle stream ends the connection, PROTOCOL_ERROR
http2/5.1/3 STATES §5.1 WINDOW_UPDATE on an idle stream ends the connection, PROTOCOL_ERROR
http2/5.1/4 STATES §5.1 §6.10 CONTINUATION on an idle stream ends the connection, PROTOCOL_ERROR
http2/5.1/5 STATES §5.1 §6.1 DATA on a half-closed (remote) stream is a stream error STREAM_CLOSED
http2/5.1/6 STATES §5.1 HEADERS on a half-closed (remote) stream are a stream error STREAM_CLOSED
http2/5.1/7 STATES §5.1 CONTINUATION on a half-closed (remote) stream ends the connection, PROTOCOL_ERROR
http2/5.1/8 STATES §5.1 §6.1 DATA behind the peer’s own RST_STREAM is a stream error STREAM_CLOSED, once
http2/5.1/9 STATES §5.1 HEADERS behind the peer’s own RST_STREAM end the connection, STREAM_CLOSED
http2/5.1/10 STATES §5.1 CONTINUATION behind the peer’s own RST_STREAM ends the connection, PROTOCOL_ERROR
http2/5.1/11 STATES §5.1 DATA behind END_STREAM on a closed stream ends the connection, STREAM_CLOSED
http2/5.1/12 STATES §5.1 HEADERS behind END_STREAM on a closed stream end the connection, STREAM_CLOSED
http2/5.1/13 STATES §5.1 CONTINUATION on a closed stream ends the connection, PROTOCOL_ERROR
http2/5.1.1/1 IDS §5.1.1 an even stream id from a client ends the connection, PROTOCOL_ERROR
http2/5.1.1/2 IDS §5.1.1 a stream id below one already opened ends the connection, PROTOCOL_ERROR
http2/5.1.2/1 IDS §5.1.2 a request above MAX_CONCURRENT_STREAMS is a stream error REFUSED_STREAM
http2/5.3.1/1 EACH RFC 7540 §5.3.1 HEADERS that depend on themselves are an error PROTOCOL_ERROR; with no stream yet, of the connection
http2/5.3.1/2 EACH RFC 7540 §5.3.1 PRIORITY that depends on itself is a stream error PROTOCOL_ERROR
http2/5.4.1/1-2 ERRORS §5.4.1 a connection error sends GOAWAY with its code and closes the connection
http2/5.5/1 FRAMES §4.1 §5.5 frames of unknown types are discarded
http2/5.5/2 FRAMES §5.5 a frame of unknown type inside a field block ends the connection, PROTOCOL_ERROR
http2/6.1/1 EACH §6.1 DATA on stream 0 ends the connection, PROTOCOL_ERROR
http2/6.1/2 STATES §5.1 §6.1 DATA on a half-closed (remote) stream is a stream error STREAM_CLOSED
http2/6.1/3 EACH §6.1 DATA whose padding is as long as its payload ends the connection, PROTOCOL_ERROR
http2/6.2/1 FRAMES §4.3 §6.2 PRIORITY inside a field block ends the connection, PROTOCOL_ERROR
http2/6.2/2 FRAMES §4.3 §6.2 HEADERS of another stream inside a field block end the connection, PROTOCOL_ERROR
http2/6.2/3 EACH §6.2 HEADERS on stream 0 end the connection, PROTOCOL_ERROR
http2/6.2/4 EACH §6.2 HEADERS whose padding is as long as their payload end the connection, PROTOCOL_ERROR
http2/6.3/1 EACH §6.3 PRIORITY on stream 0 ends the connection, PROTOCOL_ERROR
http2/6.3/2 EACH §6.3 PRIORITY of another length than 5 is a stream error FRAME_SIZE_ERROR
http2/6.4/1 EACH §6.4 RST_STREAM on stream 0 ends the connection, PROTOCOL_ERROR
http2/6.4/2 STATES §5.1 §6.4 RST_STREAM on an idle stream ends the connection, PROTOCOL_ERROR
http2/6.4/3 EACH §6.4 RST_STREAM of another length than 4 ends the connection, FRAME_SIZE_ERROR
http2/6.5/1 EACH §6.5 an acknowledgement with payload ends the connection, FRAME_SIZE_ERROR
http2/6.5/2 EACH §6.5 SETTINGS on a stream end the connection, PROTOCOL_ERROR
http2/6.5/3 EACH §6.5 SETTINGS whose length is no multiple of 6 end the connection, FRAME_SIZE_ERROR
http2/6.5.2/1 EACH §6.5.2 ENABLE_PUSH of 2 ends the connection, PROTOCOL_ERROR
http2/6.5.2/2 EACH §6.5.2 INITIAL_WINDOW_SIZE above 2^31-1 ends the connection, FLOW_CONTROL_ERROR
http2/6.5.2/3 EACH §6.5.2 MAX_FRAME_SIZE below 2^14 ends the connection, PROTOCOL_ERROR
http2/6.5.2/4 EACH §6.5.2 MAX_FRAME_SIZE above 2^24-1 ends the connection, PROTOCOL_ERROR
http2/6.5.2/5 SETTINGS §6.5.2 §6.5.3 unknown settings are ignored and the frame acknowledged
http2/6.5.3/1 SETTINGS §6.5 §6.5.3 of a repeated setting the last value counts, applied before the acknowledgement
http2/6.5.3/2 SETTINGS §6.5.3 SETTINGS are acknowledged at once, each frame once and in order
http2/6.7/1 EACH §6.7 PING is answered with ACK and the same payload, at once
http2/6.7/2 EACH §6.7 PING with ACK is never answered
http2/6.7/3 EACH §6.7 PING on a stream ends the connection, PROTOCOL_ERROR
http2/6.7/4 EACH §6.7 PING of another length than 8 ends the connection, FRAME_SIZE_ERROR
http2/6.8/1 EACH §6.8 GOAWAY on a stream ends the connection, PROTOCOL_ERROR
http2/6.9/1 EACH §6.9 a zero increment of the connection window ends the connection, PROTOCOL_ERROR
http2/6.9/2 FLOW §6.9 a zero increment on a stream is a stream error PROTOCOL_ERROR
http2/6.9/3 EACH §6.9 WINDOW_UPDATE of another length than 4 ends the connection, FRAME_SIZE_ERROR
http2/6.9.1/1 FLOW §6.9.1 the first DATA frame under a window of 1 has one octet
http2/6.9.1/2 EACH §6.9.1 a connection window above 2^31-1 ends the connection, FLOW_CONTROL_ERROR
http2/6.9.1/3 FLOW §6.9.1 a stream window above 2^31-1 is a stream error FLOW_CONTROL_ERROR
http2/6.9.2/1 SETTINGS §6.9.2 a change moves the windows of all streams by the difference, open and waiting
http2/6.9.2/2 FLOW §6.9.2 a negative window sends nothing until it is positive again
http2/6.9.2/3 EACH §6.5.2 INITIAL_WINDOW_SIZE above 2^31-1 ends the connection, FLOW_CONTROL_ERROR
http2/6.10/1 EACH §6.10 a field block over HEADERS and several CONTINUATION frames is one block
http2/6.10/2 FRAMES §4.3 §6.2 DATA inside a field block ends the connection, PROTOCOL_ERROR
http2/6.10/3 EACH §6.10 CONTINUATION on stream 0 ends the connection, PROTOCOL_ERROR
http2/6.10/4 EACH §6.10 CONTINUATION behind HEADERS with END_HEADERS ends the connection, PROTOCOL_ERROR
http2/6.10/5 EACH §6.10 CONTINUATION behind CONTINUATION with END_HEADERS ends the connection, PROTOCOL_ERROR
http2/6.10/6 EACH §6.10 CONTINUATION behind DATA ends the connection, PROTOCOL_ERROR
http2/7/1 EACH §7 §6.8 GOAWAY with an unknown error code is a GOAWAY
http2/7/2 EACH §7 an unknown error code has no special effect
http2/8.1/1 MESSAGES §8.1 a second HEADERS frame without END_STREAM is a stream error PROTOCOL_ERROR
http2/8.1.2/1 FIELDS §8.2.1 an upper-case field name in a request is a stream error PROTOCOL_ERROR
http2/8.1.2.1/1 FIELDS §8.3 an unknown pseudo-header field in a request is a stream error PROTOCOL_ERROR
http2/8.1.2.1/2 FIELDS §8.3 :status in a request is a stream error PROTOCOL_ERROR
http2/8.1.2.1/3 MESSAGES §8.1 §8.3 a pseudo-header field in trailers is a stream error PROTOCOL_ERROR
http2/8.1.2.1/4 FIELDS §8.3 a pseudo-header field behind a regular one in a request is a stream error PROTOCOL_ERROR
http2/8.1.2.2/1 FIELDS §8.2.2 connection in a request is a stream error PROTOCOL_ERROR
http2/8.1.2.2/2 FIELDS §8.2.2 te other than trailers in a request is a stream error PROTOCOL_ERROR
http2/8.1.2.3/1 FIELDS §8.3.1 an empty :path is a stream error PROTOCOL_ERROR
http2/8.1.2.3/2 FIELDS §8.3.1 a request without :method is a stream error PROTOCOL_ERROR
http2/8.1.2.3/3 FIELDS §8.3.1 a request without :scheme is a stream error PROTOCOL_ERROR
http2/8.1.2.3/4 FIELDS §8.3.1 a request without :path is a stream error PROTOCOL_ERROR
http2/8.1.2.3/5 FIELDS §8.3 :method twice is a stream error PROTOCOL_ERROR
http2/8.1.2.3/6 FIELDS §8.3 :scheme twice is a stream error PROTOCOL_ERROR
http2/8.1.2.3/7 FIELDS §8.3 :path twice is a stream error PROTOCOL_ERROR
http2/8.1.2.6/1-2 MESSAGES §8.1.1 content-length that DATA exceeds is a stream error PROTOCOL_ERROR
http2/8.2/1 STATES §5.1 §6.6 PUSH_PROMISE in any state ends the connection, PROTOCOL_ERROR
hpack/2.3.3/1 FRAMES §4.3 RFC 7541 §2.3.3 an index beyond both tables ends the connection, COMPRESSION_ERROR
hpack/2.3.3/2 FRAMES §4.3 RFC 7541 §2.3.3 a literal whose name index is beyond both tables ends the connection, COMPRESSION_ERROR
hpack/4.2/1 FRAMES §4.3 RFC 7541 §4.2 a size update behind a field ends the connection, COMPRESSION_ERROR
hpack/5.2/1 FRAMES §4.3 RFC 7541 §5.2 Huffman padding longer than 7 bits ends the connection, COMPRESSION_ERROR
hpack/5.2/2 FRAMES §4.3 RFC 7541 §5.2 Huffman padding with a zero ends the connection, COMPRESSION_ERROR
hpack/5.2/3 FRAMES §4.3 RFC 7541 §5.2 EOS in a Huffman string ends the connection, COMPRESSION_ERROR
hpack/6.1/1 FRAMES §4.3 RFC 7541 §6.1 index 0 ends the connection, COMPRESSION_ERROR
hpack/6.3/1 FRAMES §4.3 RFC 7541 §6.3 a size update above our HEADER_TABLE_SIZE ends the connection, COMPRESSION_ERROR
`);

/** Client cases: 57. */
export const H2SPECD_CASES: readonly SuiteCases[] = parse(`
client/1/1 START §3.4 a client begins with the 24 octets of the preface and SETTINGS
client/4.1/1 FRAMES §4.1 §5.5 frames of unknown types are discarded
client/4.1/2 FRAMES §4.1 flags that a type does not define are ignored
client/4.1/3 FRAMES §4.1 the reserved bit is ignored
client/4.2/1 FRAMES §4.2 DATA of 2^14 octets is taken
client/4.2/2 FRAMES §4.2 DATA above our MAX_FRAME_SIZE ends the connection at its header, FRAME_SIZE_ERROR
client/4.2/3 FRAMES §4.2 HEADERS above our MAX_FRAME_SIZE end the connection, FRAME_SIZE_ERROR
client/4.3/1 FRAMES §4.3 a block that ends inside a field ends the connection, COMPRESSION_ERROR
client/5.1/1 STATES §5.1 DATA on an idle stream ends the connection, PROTOCOL_ERROR
client/5.1/2 STATES §5.1 §6.4 RST_STREAM on an idle stream ends the connection, PROTOCOL_ERROR
client/5.1/3 STATES §5.1 WINDOW_UPDATE on an idle stream ends the connection, PROTOCOL_ERROR
client/5.1/4 STATES §5.1 §6.10 CONTINUATION on an idle stream ends the connection, PROTOCOL_ERROR
client/5.1/5 STATES §5.1 §6.1 DATA behind the peer’s own RST_STREAM is a stream error STREAM_CLOSED, once
client/5.1/6 STATES §5.1 HEADERS behind the peer’s own RST_STREAM end the connection, STREAM_CLOSED
client/5.1/7 STATES §5.1 CONTINUATION behind the peer’s own RST_STREAM ends the connection, PROTOCOL_ERROR
client/5.1/8 STATES §5.1 DATA behind END_STREAM on a closed stream ends the connection, STREAM_CLOSED
client/5.1/9 STATES §5.1 HEADERS behind END_STREAM on a closed stream end the connection, STREAM_CLOSED
client/5.1/10 STATES §5.1 CONTINUATION on a closed stream ends the connection, PROTOCOL_ERROR
client/5.1.1/1 STATES §5.1 HEADERS on an idle stream end the connection of a client, PROTOCOL_ERROR
client/5.4.1/1-2 ERRORS §5.4.1 a connection error sends GOAWAY with its code and closes the connection
client/5.5/1 FRAMES §4.1 §5.5 frames of unknown types are discarded
client/6.1/1 EACH §6.1 DATA on stream 0 ends the connection, PROTOCOL_ERROR
client/6.1/2 STATES §5.1 §6.1 DATA on a half-closed (remote) stream is a stream error STREAM_CLOSED
client/6.1/3 EACH §6.1 DATA whose padding is as long as its payload ends the connection, PROTOCOL_ERROR
client/6.2/1 FRAMES §4.3 §6.2 PRIORITY inside a field block ends the connection, PROTOCOL_ERROR
client/6.2/2 EACH §6.2 HEADERS on stream 0 end the connection, PROTOCOL_ERROR
client/6.2/3 EACH §6.2 HEADERS whose padding is as long as their payload end the connection, PROTOCOL_ERROR
client/6.3/1 EACH §6.3 PRIORITY on stream 0 ends the connection, PROTOCOL_ERROR
client/6.3/2 EACH §6.3 PRIORITY of another length than 5 is a stream error FRAME_SIZE_ERROR
client/6.4/1 EACH §6.4 RST_STREAM on stream 0 ends the connection, PROTOCOL_ERROR
client/6.4/2 STATES §5.1 §6.4 RST_STREAM on an idle stream ends the connection, PROTOCOL_ERROR
client/6.4/3 EACH §6.4 RST_STREAM of another length than 4 ends the connection, FRAME_SIZE_ERROR
client/6.5/1 EACH §6.5 an acknowledgement with payload ends the connection, FRAME_SIZE_ERROR
client/6.5/2 EACH §6.5 SETTINGS on a stream end the connection, PROTOCOL_ERROR
client/6.5/3 EACH §6.5 SETTINGS whose length is no multiple of 6 end the connection, FRAME_SIZE_ERROR
client/6.5.2/1 EACH §6.5.2 INITIAL_WINDOW_SIZE above 2^31-1 ends the connection, FLOW_CONTROL_ERROR
client/6.5.2/2 EACH §6.5.2 MAX_FRAME_SIZE below 2^14 ends the connection, PROTOCOL_ERROR
client/6.5.2/3 EACH §6.5.2 MAX_FRAME_SIZE above 2^24-1 ends the connection, PROTOCOL_ERROR
client/6.5.2/4 SETTINGS §6.5.2 §6.5.3 unknown settings are ignored and the frame acknowledged
client/6.5.3/1 SETTINGS §6.5.3 SETTINGS are acknowledged at once, each frame once and in order
client/6.7/1 EACH §6.7 PING is answered with ACK and the same payload, at once
client/6.7/2 EACH §6.7 PING with ACK is never answered
client/6.7/3 EACH §6.7 PING on a stream ends the connection, PROTOCOL_ERROR
client/6.7/4 EACH §6.7 PING of another length than 8 ends the connection, FRAME_SIZE_ERROR
client/6.8/1 EACH §6.8 GOAWAY on a stream ends the connection, PROTOCOL_ERROR
client/6.9/1 EACH §6.9 a zero increment of the connection window ends the connection, PROTOCOL_ERROR
client/6.9/2 FLOW §6.9 a zero increment on a stream is a stream error PROTOCOL_ERROR
client/6.9/3 EACH §6.9 WINDOW_UPDATE of another length than 4 ends the connection, FRAME_SIZE_ERROR
client/6.9.1/1 EACH §6.9.1 a connection window above 2^31-1 ends the connection, FLOW_CONTROL_ERROR
client/6.9.1/2 FLOW §6.9.1 a stream window above 2^31-1 is a stream error FLOW_CONTROL_ERROR
client/6.10/1 EACH §6.10 a field block over HEADERS and several CONTINUATION frames is one block
client/6.10/2 FRAMES §4.3 §6.2 DATA inside a field block ends the connection, PROTOCOL_ERROR
client/6.10/3 EACH §6.10 CONTINUATION on stream 0 ends the connection, PROTOCOL_ERROR
client/6.10/4 EACH §6.10 CONTINUATION behind HEADERS with END_HEADERS ends the connection, PROTOCOL_ERROR
client/6.10/5 EACH §6.10 CONTINUATION behind CONTINUATION with END_HEADERS ends the connection, PROTOCOL_ERROR
client/6.10/6 EACH §6.10 CONTINUATION behind DATA ends the connection, PROTOCOL_ERROR
`);
