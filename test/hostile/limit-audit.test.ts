/**
 * Every limit has a test that goes one beyond it, and what trips is counted under a token of its own, or is named here as something that
 * is not counted, with the reason. Ids are those of transport/limits.ts.
 */

import { type Limits, SERVER_LIMITS } from '../../transport/limits.ts';
import { projectFiles, readProjectFile } from '../support/project.ts';
import { t } from '../support/tap.ts';

/** How a limit shows itself when it trips: a token that `stats().trips` counts, or why there is none. */
interface Audit {
  /** Parts of test titles, or ids of attacks, that go beyond the limit. */
  readonly tests: readonly string[];
  readonly tokens?: readonly string[];
  readonly uncounted?: string;
}

const WAITS = 'back-pressure: something waits, nothing is refused';
const CUTS = 'what is too long is cut';
const PARTS = 'part of the limit above it';
const FULL_HANDSHAKE = 'the next handshake is a full one';

const AUDIT: Readonly<Record<keyof Limits, Audit>> = {
  maxConcurrentStreams: {
    tests: ['L1 the 101st stream is refused'],
    tokens: ['stream.too-many-concurrent'],
  },
  maxRunningHandlers: {
    tests: ['L2 calls that are reset while they wait', 'L2 a refused call is reset'],
    tokens: ['stream.too-many-waiting-handlers', 'too_many_early_resets'],
  },
  lingeringHandlerMs: { tests: ['lingeringHandlerMs: 20'], tokens: ['handler.lingers'] },
  peerResetBurst: { tests: ['L3 1,000 resets are borne'], tokens: ['too_many_resets'] },
  peerResetsPerSecond: { tests: ['L3 S02 30 resets a second'], uncounted: PARTS },
  ownResets: { tests: ['L4 200 resets of ours'], tokens: ['too_many_errors'] },
  ownResetWindowMs: { tests: ['L4 200 resets in any 30 seconds'], uncounted: PARTS },
  maxHeaderListOctets: { tests: ["id: 'S55'", "id: 'S59'"], tokens: ['headers.list-too-large'] },
  maxHeaderFields: { tests: ["id: 'S56'", "id: 'S57'"], tokens: ['headers.list-too-large'] },
  maxContinuationFrames: {
    tests: ["id: 'S50'", "id: 'F14'"],
    tokens: ['frame.continuation.too-many'],
  },
  maxEmptyContinuationFrames: {
    tests: ["id: 'S51'"],
    tokens: ['frame.continuation.too-many-empty'],
  },
  maxHeaderBlockOctets: {
    tests: ["id: 'S50'", "id: 'C37b'"],
    tokens: ['frame.header-block.too-large'],
  },
  headerBlockTimeoutMs: {
    tests: ['L7 the time of one header block'],
    tokens: ['headers.block-timeout'],
  },
  decoderTableOctets: { tests: ["id: 'S64'"], tokens: ['hpack.size-update-too-large'] },
  maxEncoderTableOctets: {
    tests: ["id: 'S14'"],
    uncounted: 'ours alone: the peer sees a smaller table',
  },
  maxTableSizeUpdates: { tests: ["id: 'S64'"], tokens: ['hpack.too-many-size-updates'] },
  controlPauseFrames: { tests: ['L9 replies that are not read'], uncounted: WAITS },
  controlPauseOctets: { tests: ['L9 replies that are not read'], uncounted: WAITS },
  controlCloseFrames: {
    tests: ['L9 the connection ends with 1,000 replies unread'],
    tokens: ['flooded'],
  },
  controlCloseOctets: {
    tests: ['L9 the connection ends with 256 KiB of replies unread'],
    tokens: ['flooded'],
  },
  glitchBurst: {
    tests: ['L10 the budget of frames that do nothing'],
    tokens: ['too_many_glitches'],
  },
  glitchesPerSecond: { tests: ['L10 330 glitches a second'], uncounted: PARTS },
  pingMinIntervalMs: { tests: ['L11 gRFC A8 the first PING is free'], tokens: ['too_many_pings'] },
  pingStrikes: { tests: ['L11 gRFC A8 the first PING is free'], tokens: ['too_many_pings'] },
  pingMinIntervalWithoutCallsMs: {
    tests: ['every two hours without, is fine'],
    tokens: ['too_many_pings'],
  },
  maxSettingsEntries: { tests: ["id: 'S25'"], tokens: ['frame.settings.too-many-entries'] },
  settingsBurst: { tests: ['L12 100 SETTINGS frames are borne'], tokens: ['too_many_settings'] },
  settingsPerSecond: { tests: ['L12 two SETTINGS frames a second'], uncounted: PARTS },
  maxEmptyDataInARow: {
    tests: ['L13 ten empty DATA frames in a row'],
    tokens: ['too_many_empty_data'],
  },
  maxEmptyData: { tests: ['L13 100 more empty DATA frames'], tokens: ['too_many_empty_data'] },
  smallDataBudgetOctets: {
    tests: ['L14 unread fragments of one octet'],
    tokens: ['too_much_small_data'],
  },
  smallDataOctets: { tests: ['L14 unread fragments of one octet'], uncounted: PARTS },
  windowUpdateBase: {
    tests: ['WINDOW_UPDATE beyond the allowance'],
    tokens: ['too_many_glitches'],
  },
  streamWindowOctets: {
    tests: ['flow.stream-window-exceeded'],
    tokens: ['flow.stream-window-exceeded'],
  },
  connectionWindowOctets: {
    tests: ['flow.connection-window-exceeded'],
    tokens: ['flow.connection-window-exceeded'],
  },
  streamWriteQuotaOctets: { tests: ['L17 back-pressure'], uncounted: WAITS },
  connectionWriteQuotaOctets: { tests: ["id: 'S40'"], uncounted: WAITS },
  maxReceiveMessageOctets: { tests: ["id: 'S80'", "id: 'S82'"], tokens: ['message.too-large'] },
  maxUndeliveredMessages: {
    tests: ["id: 'S85'", 'L18 messages ahead of their reader'],
    uncounted: WAITS,
  },
  maxConcurrentInflates: { tests: ['L19'], uncounted: WAITS },
  tlsHandshakeTimeoutMs: { tests: ["id: 'S100t'"], tokens: ['tls.handshake-timeout'] },
  firstSettingsTimeoutMs: {
    tests: ["id: 'S100'", "id: 'C31'"],
    tokens: ['connection.first-settings-timeout'],
  },
  settingsAckTimeoutMs: { tests: ["id: 'C31'"], tokens: ['connection.settings-ack-timeout'] },
  writeStallTimeoutMs: {
    tests: ['L20 a pipe that takes less'],
    tokens: ['connection.write-stalled'],
  },
  drainMinOctets: {
    tests: ['L21 1,023 octets in 20 seconds'],
    tokens: ['stream.drained-too-slowly'],
  },
  drainIntervalMs: { tests: ['L21 1,023 octets in 20 seconds'], uncounted: PARTS },
  drainStallMs: {
    tests: ['L21 a finished response that nobody takes'],
    tokens: ['stream.drained-too-slowly'],
  },
  keepaliveTimeMs: {
    tests: ['A8 a client with a call sends PING'],
    uncounted: 'a question, no offence',
  },
  keepaliveTimeoutMs: {
    tests: ["id: 'S105'", "id: 'C16'"],
    tokens: ['connection.keepalive-timeout'],
  },
  keepaliveFloorMs: {
    tests: ['keepaliveFloorMs'],
    uncounted: 'of our own side: a shorter time is raised',
  },
  verifyAfterQuietMs: { tests: ['verifyAfterQuietMs'], uncounted: 'a question, no offence' },
  verifyAfterGivenUpCalls: {
    tests: ['L22 C17 a hundred calls given up'],
    uncounted: 'a question, no offence',
  },
  framesPerTurn: { tests: ['L23 1,000 frames are read in one turn'], uncounted: WAITS },
  turnTimeMs: { tests: ['L23 a turn ends after ten milliseconds'], uncounted: WAITS },
  newStreamsPerTurnFactor: { tests: ['L23 a turn ends with 200 new streams'], uncounted: WAITS },
  maxStatusMessageOctets: { tests: ['L24'], uncounted: CUTS },
  retryBufferOctets: { tests: ['L25'], uncounted: 'the call commits' },
  channelRetryBufferOctets: { tests: ['L25'], uncounted: 'the call commits' },
  maxGoAwayDebugOctets: { tests: ["id: 'C12'", 'L27'], uncounted: CUTS },
  maxConnectionIdleMs: {
    tests: ['L28 gRFC A9 a connection without calls'],
    uncounted: 'a normal end',
  },
  maxConnectionAgeMs: { tests: ['L28 gRFC A9 the age of a connection'], uncounted: 'a normal end' },
  maxConnectionAgeJitter: { tests: ['L28 gRFC A9 the age of a connection'], uncounted: PARTS },
  maxConnectionAgeGraceMs: {
    tests: ['L28 gRFC A9 the age of a connection'],
    tokens: ['connection.age-grace-over'],
  },
  maxConnectionsPerAddress: { tests: ["id: 'S101'"], tokens: ['connection.too-many-per-address'] },
  maxUnreadOctets: { tests: ['L29'], uncounted: WAITS },
  maxStreamWindowOctets: { tests: ['L30'], uncounted: 'windows stay as they are' },
  maxConnectionWindowOctets: { tests: ['L30'], uncounted: 'windows stay as they are' },
  maxWaitingCalls: {
    tests: ["id: 'C05'", 'L31 calls that wait'],
    tokens: ['too_many_waiting_calls'],
  },
  maxRememberedStreams: { tests: ['L32'], uncounted: 'a late frame is a glitch (L10)' },
  rememberedStreamMs: { tests: ['L32'], uncounted: 'a late frame is a glitch (L10)' },
  maxTlsSessions: {
    tests: ['L33 the oldest session makes room', 'L33 a connection brings 24 sessions'],
    tokens: ['tls.too-many-sessions'],
  },
  maxTlsSessionOctets: { tests: ['L33 a session that is too large'], uncounted: FULL_HANDSHAKE },
  maxTlsSessionAgeMs: { tests: ['§4.6.1 L33 an hour after'], uncounted: FULL_HANDSHAKE },
};

const tests = projectFiles('test', /\.ts$/)
  .filter(({ path }) => !path.endsWith('limit-audit.test.ts'))
  .map(({ text }) => text)
  .join('\n');
const code = ['framing', 'transport', 'lib']
  .flatMap((folder) => projectFiles(folder, /\.ts$/))
  .map(({ text }) => text)
  .join('\n');

await t.test('each limit has its test and its token', async (t) => {
  t.strictSame(Object.keys(AUDIT).sort(), Object.keys(SERVER_LIMITS).sort());
  for (const [name, { tests: wanted, tokens = [], uncounted }] of Object.entries(AUDIT)) {
    for (const title of wanted) t.ok(tests.includes(title), `${name}: a test "${title}"`);
    for (const token of tokens) t.ok(code.includes(`'${token}'`), `${name}: ${token} in the code`);
    t.equal(tokens.length === 0, uncounted !== undefined, `${name} is counted, or has a reason`);
  }
});

await t.test('SECURITY.md lists the tokens', async (t) => {
  const text = readProjectFile('SECURITY.md');
  const refusals =
    readProjectFile('lib/call/request-refusal.ts').match(/'request\.[\w.-]+'/g) ?? [];
  t.ok(refusals.length >= 7, 'what the call engine refuses has tokens');
  for (const token of refusals) t.ok(text.includes(`\`${token.slice(1, -1)}\``), token);
  const tokens = new Set(Object.values(AUDIT).flatMap((audit) => audit.tokens ?? []));
  for (const token of tokens) t.ok(text.includes(`\`${token}\``), token);
});
