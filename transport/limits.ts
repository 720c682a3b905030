/**
 * Every limit of purewire: name, unit, default and what happens beyond it. The one home of these numbers; the ids L1 … L33 are used in
 * SECURITY.md, in comments where a limit is enforced, and in test names. Parse-time caps are handed to framing as constructor values.
 */

/** All limits. Durations are in milliseconds, sizes in octets, the rest are counts. */
export interface Limits {
  /** L1: streams the peer may have open at once, advertised and enforced from the first octet (RFC 9113 §5.1.2). Beyond: RST REFUSED_STREAM. */
  readonly maxConcurrentStreams: number;
  /** L2: handlers running at once per connection; a slot is free when the handler settled and the stream closed. As many again may wait; beyond: REFUSED_STREAM. */
  readonly maxRunningHandlers: number;
  /**
   * L2: how long a handler may run on after its call has ended (cancelled, expired, client gone) before it is told of: it keeps its slot.
   * Beyond: a trip `handler.lingers` and, once a minute per method, a line for `reportError`; Infinity: neither.
   */
  readonly lingeringHandlerMs: number;
  /**
   * L3: RST_STREAM frames of unfinished calls: bucket size. Beyond: GOAWAY ENHANCE_YOUR_CALM `too_many_resets`. Calls with a timeout count
   * by what they cost (lib/call/reset-cost.ts), so that deadlines may pass by the thousand.
   */
  readonly peerResetBurst: number;
  /** L3: refill per second. */
  readonly peerResetsPerSecond: number;
  /** L4: resets, refusals and early errors we had to send per `ownResetWindowMs`. Beyond: GOAWAY ENHANCE_YOUR_CALM `too_many_errors`. */
  readonly ownResets: number;
  readonly ownResetWindowMs: number;
  /** L5: decoded header list, 32 octets added per field. Beyond: the call fails RESOURCE_EXHAUSTED; beyond four times that: GOAWAY ENHANCE_YOUR_CALM. */
  readonly maxHeaderListOctets: number;
  /** L6: fields per header list, trailers included. Beyond: as L5. */
  readonly maxHeaderFields: number;
  /** L7: CONTINUATION frames per header block. Beyond: GOAWAY ENHANCE_YOUR_CALM. */
  readonly maxContinuationFrames: number;
  /** L7: empty CONTINUATION frames per header block. */
  readonly maxEmptyContinuationFrames: number;
  /** L7: encoded octets per header block. */
  readonly maxHeaderBlockOctets: number;
  /** L7: time from HEADERS to END_HEADERS. */
  readonly headerBlockTimeoutMs: number;
  /** L8: our HPACK decoder's dynamic table (SETTINGS_HEADER_TABLE_SIZE). */
  readonly decoderTableOctets: number;
  /** L8: our HPACK encoder's dynamic table, whatever the peer offers. */
  readonly maxEncoderTableOctets: number;
  /** L8: dynamic table size updates at the start of one header block (RFC 7541 §4.2). Beyond: COMPRESSION_ERROR. */
  readonly maxTableSizeUpdates: number;
  /** L9: unsent replies to peer-made work: reading pauses here … */
  readonly controlPauseFrames: number;
  readonly controlPauseOctets: number;
  /** L9: … and the connection is closed here. */
  readonly controlCloseFrames: number;
  readonly controlCloseOctets: number;
  /** L10: frames that do no work (PING, SETTINGS, PRIORITY, unknown types, frames on closed streams): bucket size and refill. Beyond: GOAWAY ENHANCE_YOUR_CALM. */
  readonly glitchBurst: number;
  readonly glitchesPerSecond: number;
  /** L11: gRPC ping policy (gRFC A8): least time between PINGs without traffic of ours, strikes allowed, least time without calls. */
  readonly pingMinIntervalMs: number;
  readonly pingStrikes: number;
  readonly pingMinIntervalWithoutCallsMs: number;
  /** L12: parameters per SETTINGS frame; bucket and refill of SETTINGS frames. Beyond: GOAWAY ENHANCE_YOUR_CALM. */
  readonly maxSettingsEntries: number;
  readonly settingsBurst: number;
  readonly settingsPerSecond: number;
  /**
   * L13: empty DATA without END_STREAM, in a row per stream, and per connection beyond the number of DATA frames that carried something.
   * Beyond: GOAWAY ENHANCE_YOUR_CALM.
   */
  readonly maxEmptyDataInARow: number;
  readonly maxEmptyData: number;
  /**
   * L14: overhead budget for unread DATA fragments smaller than a message prefix, each charged `smallDataOctets` less its size; refilled
   * when the application consumes or waits for the message. Whole tiny messages are free: they are coalesced, so a slow reader is no
   * offence. Beyond: GOAWAY ENHANCE_YOUR_CALM.
   */
  readonly smallDataBudgetOctets: number;
  readonly smallDataOctets: number;
  /** L15: WINDOW_UPDATE allowance: base + 2 (streams + 10 x DATA frames sent). Beyond: one glitch each. */
  readonly windowUpdateBase: number;
  /** L16: receive window of a stream and of the connection at first (RFC 9113 §6.9). Beyond: FLOW_CONTROL_ERROR. */
  readonly streamWindowOctets: number;
  readonly connectionWindowOctets: number;
  /**
   * L17: unsent DATA per stream and per connection. Beyond: writers wait. Besides these the pipe holds the write that it has begun: 256 KiB,
   * or as much as the quota of the connection up to 1 MiB where the pipe took whole writes at once, and one frame more.
   */
  readonly streamWriteQuotaOctets: number;
  readonly connectionWriteQuotaOctets: number;
  /** L18: one received message, before and after decompression. Beyond: RESOURCE_EXHAUSTED. */
  readonly maxReceiveMessageOctets: number;
  /**
   * L18: messages that are kept deserialized ahead of their reader, per stream. Beyond: no more are cut out of the octets received, which
   * hold the stream's window and cost no more than themselves, however many tiny messages they are.
   */
  readonly maxUndeliveredMessages: number;
  /** L19: messages being decompressed at once per connection. Beyond: they wait. */
  readonly maxConcurrentInflates: number;
  /**
   * L20: TLS handshake, preface and first SETTINGS, SETTINGS ACK, socket write stall (less than `drainMinOctets` taken). Beyond: the
   * connection is destroyed.
   */
  readonly tlsHandshakeTimeoutMs: number;
  readonly firstSettingsTimeoutMs: number;
  readonly settingsAckTimeoutMs: number;
  readonly writeStallTimeoutMs: number;
  /** L21: drain of a finished handler's output: least octets per interval, and longest time without any. Beyond: RST CANCEL. */
  readonly drainMinOctets: number;
  readonly drainIntervalMs: number;
  readonly drainStallMs: number;
  /** L22: keepalive (gRFC A8): time without reads until a PING (Infinity: off), and time to wait for its ACK. Beyond: close. */
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  /** L22: smallest accepted keepalive time of a client. */
  readonly keepaliveFloorMs: number;
  /**
   * L22: a client connection silent for this long is asked (PING) when a call wants to use it (Infinity: it is trusted). No answer within
   * `keepaliveTimeoutMs`: close.
   */
  readonly verifyAfterQuietMs: number;
  /**
   * L22: calls that a client gives up (deadline, cancellation) with no octet received meanwhile: it asks (PING) whether the server is there,
   * at most once in `pingMinIntervalMs`, which no gRPC server counts as a strike. No answer within `keepaliveTimeoutMs`: close.
   */
  readonly verifyAfterGivenUpCalls: number;
  /** L23: frames and milliseconds handled per read turn; new streams per turn, as a multiple of L1. Beyond: the rest in the next turn. */
  readonly framesPerTurn: number;
  readonly turnTimeMs: number;
  readonly newStreamsPerTurnFactor: number;
  /** L24: outgoing grpc-message as it stands on the wire, percent-encoded. Beyond: cut at a character border. */
  readonly maxStatusMessageOctets: number;
  /**
   * L25: what is kept for transparent retries (gRFC A6), per call and per channel. Beyond: the call commits. There is no retry policy whose
   * attempts could be limited: a call that was refused is sent once more, one that never left waits for the next connection, and the
   * backoff sets how often there is one.
   */
  readonly retryBufferOctets: number;
  readonly channelRetryBufferOctets: number;
  /** L27: GOAWAY debug data read and kept. Beyond: cut. */
  readonly maxGoAwayDebugOctets: number;
  /** L28: connection idle time, age, jitter of the age as a fraction, grace after the age. Beyond: GOAWAY NO_ERROR. */
  readonly maxConnectionIdleMs: number;
  readonly maxConnectionAgeMs: number;
  readonly maxConnectionAgeJitter: number;
  readonly maxConnectionAgeGraceMs: number;
  /** L28: connections per peer address. Beyond: the newest is closed. */
  readonly maxConnectionsPerAddress: number;
  /** L29: octets a connection holds unread: room for L1 streams with full windows (L16), so that parked streams do not stop the others. Beyond: its window is credited on use, no longer on receipt. */
  readonly maxUnreadOctets: number;
  /** L30: growth of receive windows. Beyond: they stay. */
  readonly maxStreamWindowOctets: number;
  readonly maxConnectionWindowOctets: number;
  /** L31: client calls waiting for a connection or a stream slot, per channel. Beyond: RESOURCE_EXHAUSTED. */
  readonly maxWaitingCalls: number;
  /** L32: closed streams remembered per connection: ids and time. Beyond: a late frame is judged by its id alone. */
  readonly maxRememberedStreams: number;
  readonly rememberedStreamMs: number;
  /**
   * L33: TLS sessions that a client keeps for its next connections to a server (RFC 8446 §2.2), each used once (§C.4). 0: every handshake
   * is a full one. Beyond: the oldest is forgotten. A connection may bring twice as many and eight at once, and one a minute. Beyond: it
   * is ended.
   */
  readonly maxTlsSessions: number;
  /** L33: one session, the certificates in it included. Beyond: it is not kept. */
  readonly maxTlsSessionOctets: number;
  /**
   * L33: time from a full handshake, which checks the server's certificate, to the next one (RFC 8446 §4.6.1), less when the certificate
   * ends before. Beyond: its sessions, and those got by resuming them, are forgotten.
   */
  readonly maxTlsSessionAgeMs: number;
}

/** The defaults of both roles; what differs per role is in `SERVER_LIMITS` and `CLIENT_LIMITS`. */
const COMMON_LIMITS: Limits = {
  maxConcurrentStreams: 100,
  maxRunningHandlers: 100,
  lingeringHandlerMs: 10_000,
  peerResetBurst: 1000,
  peerResetsPerSecond: 33,
  ownResets: 200,
  ownResetWindowMs: 30_000,
  maxHeaderListOctets: 16_384,
  maxHeaderFields: 128,
  maxContinuationFrames: 8,
  maxEmptyContinuationFrames: 2,
  maxHeaderBlockOctets: 65_536,
  headerBlockTimeoutMs: 10_000,
  decoderTableOctets: 4096,
  maxEncoderTableOctets: 4096,
  maxTableSizeUpdates: 2,
  controlPauseFrames: 100,
  controlPauseOctets: 65_536,
  controlCloseFrames: 1000,
  controlCloseOctets: 262_144,
  glitchBurst: 10_000,
  glitchesPerSecond: 330,
  pingMinIntervalMs: 300_000,
  pingStrikes: 2,
  pingMinIntervalWithoutCallsMs: 7_200_000,
  maxSettingsEntries: 32,
  settingsBurst: 100,
  settingsPerSecond: 2,
  maxEmptyDataInARow: 10,
  maxEmptyData: 100,
  smallDataBudgetOctets: 25_600,
  smallDataOctets: 256,
  windowUpdateBase: 5,
  streamWindowOctets: 262_144,
  connectionWindowOctets: 1_048_576,
  streamWriteQuotaOctets: 409_600,
  connectionWriteQuotaOctets: 4_194_304,
  maxReceiveMessageOctets: 4_194_304,
  maxUndeliveredMessages: 128,
  maxConcurrentInflates: 4,
  tlsHandshakeTimeoutMs: 10_000,
  firstSettingsTimeoutMs: 10_000,
  settingsAckTimeoutMs: 20_000,
  writeStallTimeoutMs: 20_000,
  drainMinOctets: 1024,
  drainIntervalMs: 20_000,
  drainStallMs: 60_000,
  keepaliveTimeMs: Number.POSITIVE_INFINITY,
  keepaliveTimeoutMs: 20_000,
  keepaliveFloorMs: 10_000,
  verifyAfterQuietMs: 60_000,
  verifyAfterGivenUpCalls: 100,
  framesPerTurn: 1000,
  turnTimeMs: 10,
  newStreamsPerTurnFactor: 2,
  maxStatusMessageOctets: 4096,
  retryBufferOctets: 1_048_576,
  channelRetryBufferOctets: 16_777_216,
  maxGoAwayDebugOctets: 1024,
  maxConnectionIdleMs: Number.POSITIVE_INFINITY,
  maxConnectionAgeMs: Number.POSITIVE_INFINITY,
  maxConnectionAgeJitter: 0.1,
  maxConnectionAgeGraceMs: Number.POSITIVE_INFINITY,
  maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
  maxUnreadOctets: 33_554_432,
  maxStreamWindowOctets: 4_194_304,
  maxConnectionWindowOctets: 8_388_608,
  maxWaitingCalls: 10_000,
  maxRememberedStreams: 128,
  rememberedStreamMs: 2000,
  maxTlsSessions: 8,
  maxTlsSessionOctets: 32_768,
  maxTlsSessionAgeMs: 3_600_000,
};

/** Defaults of a server connection. */
export const SERVER_LIMITS: Limits = { ...COMMON_LIMITS, keepaliveTimeMs: 7_200_000 };

/** Defaults of a client connection: keepalive is off, as in every gRPC client. */
export const CLIENT_LIMITS: Limits = COMMON_LIMITS;

/** The stricter preset for a server that faces the open internet: L28 is on, L29 as small as it was recommended, L18 a quarter. */
export const EDGE_LIMITS: Limits = {
  ...SERVER_LIMITS,
  maxConnectionIdleMs: 300_000,
  maxConnectionAgeMs: 1_800_000,
  maxConnectionAgeGraceMs: 300_000,
  maxConnectionsPerAddress: 100,
  maxUnreadOctets: 4_194_304,
  maxReceiveMessageOctets: 1_048_576,
};

/** Least and greatest value of a limit. */
type Bounds = readonly [least: number, most: number];

const ANY: Bounds = [0, Number.POSITIVE_INFINITY];
/** Nothing would ever pass, or every connection would end at once. */
const NOT_ZERO: Bounds = [Number.MIN_VALUE, Number.POSITIVE_INFINITY];
const AT_LEAST_ONE: Bounds = [1, Number.POSITIVE_INFINITY];
/** RFC 9113 §6.9.1: no window is larger. */
const WINDOW: Bounds = [1, 0x7fff_ffff];
/** What a ring of numbers is made for, per connection. */
const MAX_RING_ENTRIES = 1_000_000;

/** What a limit may be set to, where that is not everything from 0 on. */
const BOUNDS: Partial<Record<keyof Limits, Bounds>> = {
  maxConcurrentStreams: AT_LEAST_ONE,
  maxRunningHandlers: AT_LEAST_ONE,
  ownResets: [0, MAX_RING_ENTRIES],
  maxHeaderListOctets: AT_LEAST_ONE,
  maxHeaderFields: AT_LEAST_ONE,
  maxHeaderBlockOctets: AT_LEAST_ONE,
  headerBlockTimeoutMs: NOT_ZERO,
  // RFC 9113 §6.5.1: the values of SETTINGS have 32 bits.
  decoderTableOctets: [0, 0xffff_ffff],
  // RFC 7541 §4.2: a peer must begin with one when the table of the settings is smaller than the initial one.
  maxTableSizeUpdates: AT_LEAST_ONE,
  controlCloseFrames: AT_LEAST_ONE,
  controlCloseOctets: AT_LEAST_ONE,
  // The SETTINGS frame that every connection begins with counts against these three.
  glitchBurst: AT_LEAST_ONE,
  maxSettingsEntries: AT_LEAST_ONE,
  settingsBurst: AT_LEAST_ONE,
  streamWindowOctets: WINDOW,
  connectionWindowOctets: WINDOW,
  streamWriteQuotaOctets: AT_LEAST_ONE,
  connectionWriteQuotaOctets: AT_LEAST_ONE,
  maxUndeliveredMessages: AT_LEAST_ONE,
  maxConcurrentInflates: AT_LEAST_ONE,
  tlsHandshakeTimeoutMs: NOT_ZERO,
  firstSettingsTimeoutMs: NOT_ZERO,
  settingsAckTimeoutMs: NOT_ZERO,
  writeStallTimeoutMs: NOT_ZERO,
  drainIntervalMs: NOT_ZERO,
  drainStallMs: NOT_ZERO,
  keepaliveTimeMs: NOT_ZERO,
  keepaliveTimeoutMs: NOT_ZERO,
  framesPerTurn: AT_LEAST_ONE,
  maxConnectionIdleMs: NOT_ZERO,
  maxConnectionAgeMs: NOT_ZERO,
  maxConnectionAgeJitter: [0, 1],
  maxConnectionsPerAddress: AT_LEAST_ONE,
  maxStreamWindowOctets: [0, 0x7fff_ffff],
  maxConnectionWindowOctets: [0, 0x7fff_ffff],
  maxWaitingCalls: AT_LEAST_ONE,
  maxRememberedStreams: [0, MAX_RING_ENTRIES],
  maxTlsSessions: [0, 1000],
  // RFC 8446 §4.6.1: no ticket is used for longer than seven days.
  maxTlsSessionAgeMs: [0, 604_800_000],
};

/** Names of limits that need not be whole numbers; all others are counts or octets. */
const FRACTIONS = /(?:Ms|PerSecond|Jitter|Factor)$/;

/** What `limits.name` may be set to, or null when `value` is that. */
function rangeFault(name: keyof Limits, value: unknown): string | null {
  const [least, most] = BOUNDS[name] ?? ANY;
  const whole = !FRACTIONS.test(name);
  const fits =
    typeof value === 'number' &&
    value >= least &&
    value <= most &&
    (!whole || value === Number.POSITIVE_INFINITY || Number.isInteger(value));
  if (fits) return null;
  const kind = whole ? 'whole number' : 'number';
  const from = least === Number.MIN_VALUE ? 'above 0' : `of ${least} or more`;
  return most === Number.POSITIVE_INFINITY ? `${kind} ${from}` : `${kind} of ${least} to ${most}`;
}

/**
 * `base` with `overrides` laid over it. Throws RangeError naming the limit and what it may be when a value is not in its range, which
 * leaves out what would make every connection unusable, such as 0 for a window; TypeError for a name that is no limit. Setting
 * `maxConcurrentStreams` alone also moves `maxRunningHandlers` (L2 = L1).
 */
export function resolveLimits(base: Limits, overrides: Partial<Limits> | undefined): Limits {
  if (overrides === undefined) return base;
  const resolved: Record<keyof Limits, number> = { ...base };
  for (const [name, value] of Object.entries(overrides) as [keyof Limits, number | undefined][]) {
    if (!Object.hasOwn(base, name)) {
      throw new TypeError(`limits.${name} is not a limit; SECURITY.md has the table of all`);
    }
    if (value === undefined) continue;
    const fault = rangeFault(name, value);
    if (fault !== null) {
      // The value of a program without types may be a string; '5' must not read as 5.
      const got = typeof value === 'number' ? value : `${typeof value} ${String(value)}`;
      throw new RangeError(`limits.${name} must be a ${fault}, got ${got}`);
    }
    resolved[name] = value;
  }
  if (overrides.maxConcurrentStreams !== undefined && overrides.maxRunningHandlers === undefined) {
    resolved.maxRunningHandlers = overrides.maxConcurrentStreams;
  }
  return resolved;
}
