/**
 * A client and a server connection of ours, joined by pipes that deliver what and when a random history says. A referee on the wire
 * (wire-checker.ts) holds every frame against RFC 9113; in the end everything must have arrived and nothing may be stuck.
 */

import fc from 'fast-check';
import type { HeaderList } from '../../framing/frame-handler.ts';
import type { ByteDuplex, ByteDuplexListener, PeerInfo } from '../../transport/byte-duplex.ts';
import { ClientConnection } from '../../transport/client-connection.ts';
import { CLIENT_LIMITS, type Limits, SERVER_LIMITS } from '../../transport/limits.ts';
import { ServerConnection } from '../../transport/server-connection.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { octets } from '../support/frame-factory.ts';
import { REQUEST, RecordedStream } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';
import { type Side, WireChecker } from '../support/wire-checker.ts';

const seed = Number(process.env['FC_SEED'] ?? Date.now() & 0x7fffffff);

/** One end of a pipe whose deliveries the test decides. */
class HeldPipe implements ByteDuplex {
  readonly peer: PeerInfo = { address: 'test:1', tlsCipher: null, certificate: null };
  /** The far end takes this many octets before writers must wait. */
  readonly capacity: number;
  paused = false;
  ended = false;
  destroyed = false;
  blocked = false;
  listener: ByteDuplexListener | null = null;
  readonly #side: Side;
  readonly #checker: WireChecker;
  #held: Uint8Array[] = [];
  #heldOctets = 0;

  constructor(side: Side, checker: WireChecker, capacity: number) {
    this.#side = side;
    this.#checker = checker;
    this.capacity = capacity;
  }

  get pendingOctets(): number {
    return Math.max(0, this.#heldOctets - this.capacity);
  }

  get heldOctets(): number {
    return this.#heldOctets;
  }

  start(listener: ByteDuplexListener): void {
    this.listener = listener;
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.ended || this.destroyed) return true;
    for (const chunk of chunks) {
      // Not `slice`, which on a Buffer is a view.
      const copy = new Uint8Array(chunk);
      this.#checker.onSent(this.#side, copy);
      this.#held.push(copy);
      this.#heldOctets += copy.length;
    }
    this.#checker.onFlushed(this.#side);
    this.blocked = this.pendingOctets > 0;
    return !this.blocked;
  }

  /** Takes up to `count` octets out of the pipe, for the other end. */
  take(count: number): Uint8Array {
    const parts: Uint8Array[] = [];
    let left = count;
    while (left > 0) {
      const first = this.#held[0];
      if (first === undefined) break;
      if (first.length <= left) {
        this.#held.shift();
        parts.push(first);
        left -= first.length;
      } else {
        parts.push(first.slice(0, left));
        this.#held[0] = first.slice(left);
        left = 0;
      }
    }
    const taken = parts.length === 1 ? parts[0]! : joined(parts);
    this.#heldOctets -= taken.length;
    return taken;
  }

  /** Tells the writer that there is room again. */
  drained(): void {
    if (!this.blocked || this.pendingOctets > 0) return;
    this.blocked = false;
    this.listener?.onWritable();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended = true;
  }

  destroy(reason?: Error): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.listener?.onClosed(reason);
  }

  setKeepsProcessAlive(): void {}
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A call as one end sees it. */
class Call extends RecordedStream {
  heard = 0;
  used = 0;
  sent = 0;
  done = false;
  wasReset = false;
  answered = false;
  lists: HeaderList[] = [];

  constructor() {
    super();
    this.usesAtOnce = false;
  }

  override onHeaders(headers: HeaderList, endStream: boolean, complete: boolean): void {
    this.lists.push(headers);
    super.onHeaders(headers, endStream, complete);
  }

  override onTrailers(headers: HeaderList): void {
    this.lists.push(headers);
    super.onTrailers(headers);
  }

  override onData(chunk: Uint8Array, start: number, end: number, endStream: boolean): number {
    this.heard += end - start;
    return super.onData(chunk, start, end, endStream);
  }
}

/** Two endpoints and what lies between them. */
class Pair {
  readonly checker = new WireChecker();
  readonly clock = new FakeClock();
  readonly pipes: Record<Side, HeldPipe>;
  readonly calls: Record<Side, Call[]> = { client: [], server: [] };
  readonly client: ClientConnection;
  readonly server: ServerConnection;
  readonly closed: Record<Side, string | null> = { client: null, server: null };
  #deferred: (() => void)[] = [];
  #turns: (() => void)[] = [];

  constructor(capacity: number, clientLimits: Partial<Limits>, serverLimits: Partial<Limits>) {
    this.pipes = {
      client: new HeldPipe('client', this.checker, capacity),
      server: new HeldPipe('server', this.checker, capacity),
    };
    const hooks = {
      defer: (run: () => void): void => void this.#deferred.push(run),
      nextTurn: (run: () => void): void => void this.#turns.push(run),
    };
    // No budget of the abuse guard may end a history: that is another test's matter.
    const generous: Partial<Limits> = {
      peerResetBurst: 1e6,
      ownResets: 1e6,
      glitchBurst: 1e6,
      smallDataBudgetOctets: 1e9,
      settingsBurst: 1e6,
    };
    this.client = new ClientConnection(
      this.pipes.client,
      this.clock,
      { limits: { ...CLIENT_LIMITS, ...generous, ...clientLimits }, ...hooks },
      {
        onReady() {},
        onDraining() {},
        onClosed: (reason) => {
          this.closed.client = reason.message;
        },
        onReadEnd: () => false,
      },
    );
    this.server = new ServerConnection(
      this.pipes.server,
      this.clock,
      { limits: { ...SERVER_LIMITS, ...generous, ...serverLimits }, ...hooks },
      {
        onStream: (stream, headers) => {
          const call = new Call();
          call.stream = stream;
          call.lists.push(headers);
          this.calls.server.push(call);
          return call;
        },
        onReadEnd: () => false,
        onClosed: (reason) => {
          this.closed.server = reason.message;
        },
      },
    );
    this.tick();
  }

  tick(): void {
    for (let run = this.#deferred.shift(); run !== undefined; run = this.#deferred.shift()) run();
    this.#turns.shift()?.();
  }

  /** Up to `count` octets written by `from` arrive at the other end. */
  deliver(from: Side, count: number): void {
    const to: Side = from === 'client' ? 'server' : 'client';
    // What was written before leaves before, unless its pipe is blocked.
    this.tick();
    if (this.pipes[to].paused) {
      this.tick();
      return;
    }
    const chunk = this.pipes[from].take(count);
    if (chunk.length > 0) {
      this.checker.onDelivered(to, chunk);
      this.pipes[to].listener?.onOctets(chunk, chunk.length);
    }
    this.pipes[from].drained();
    this.tick();
    if (!this.pipes[to].blocked) this.checker.onFlushed(to);
  }

  open(template: HeaderList, extra: HeaderList | null): void {
    const call = new Call();
    call.extra = extra;
    call.stream = this.client.openStream(template, call);
    this.calls.client.push(call);
  }

  use(call: Call, octets: number): void {
    const used = Math.min(octets, call.heard - call.used);
    call.used += used;
    call.stream?.consume(used);
  }

  /** Lets everything arrive and be used, until nothing moves any more. */
  settle(): void {
    for (let quiet = 0; quiet < 3; ) {
      const before = JSON.stringify([
        this.pipes.client.heldOctets,
        this.pipes.server.heldOctets,
        this.checker.dataOctets,
        this.calls.server.length,
      ]);
      for (const side of ['client', 'server'] as const) this.deliver(side, 1 << 20);
      for (const call of [...this.calls.client, ...this.calls.server]) this.use(call, 1 << 30);
      this.tick();
      const after = JSON.stringify([
        this.pipes.client.heldOctets,
        this.pipes.server.heldOctets,
        this.checker.dataOctets,
        this.calls.server.length,
      ]);
      quiet = before === after ? quiet + 1 : 0;
    }
  }
}

const TEMPLATES: readonly HeaderList[] = [
  REQUEST.flat(),
  [...REQUEST.flat(), 'user-agent', 'a constant one'],
  [':method', 'POST', ':scheme', 'http', ':path', '/another/Method', ':authority', 'localhost'],
];
const EXTRAS: readonly (HeaderList | null)[] = [
  null,
  ['x-request-id', 'aaaaaaaa'],
  ['x-request-id', 'bbbbbbbbbbbbbbbbbbbbbb'],
  ['authorization', 'Bearer 1234'],
  ['x-large', 'é'.repeat(3000)],
];
const RESPONSE: HeaderList = [':status', '200', 'content-type', 'application/grpc'];

const index = fc.nat(30);
const side = fc.constantFrom<Side>('client', 'server');
const size = fc.oneof(
  { weight: 4, arbitrary: fc.nat(300) },
  { weight: 2, arbitrary: fc.nat(40_000) },
  { weight: 1, arbitrary: fc.nat(300_000) },
);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      template: fc.nat(2),
      extra: fc.nat(4),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      side,
      call: index,
      size,
      end: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), side, call: index }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reset' as const),
      side,
      call: index,
      code: fc.constantFrom(0, 8, 7),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('use' as const), side, call: index, octets: size }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('expect' as const), side, call: index, octets: size }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      side,
      octets: fc.oneof(fc.nat(40), fc.nat(70_000)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tick' as const) }) },
);

const world = fc.record({
  capacity: fc.constantFrom(1000, 65_536, 10_000_000),
  clientWindow: fc.constantFrom(100, 1000, 65_535, 262_144),
  serverWindow: fc.constantFrom(100, 1000, 65_535, 262_144),
  connectionWindow: fc.constantFrom(65_535, 200_000, 1_048_576),
  maxUnreadOctets: fc.constantFrom(0, 100_000, 4_194_304),
  maxConcurrentStreams: fc.constantFrom(1, 3, 100),
  tableOctets: fc.constantFrom(0, 100, 4096, 16_384),
  remembered: fc.constantFrom(0, 2, 128),
});

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function apply(pair: Pair, action: Step): void {
  const pick = (from: Side, at: number): Call | undefined => {
    const calls = pair.calls[from];
    return calls.length === 0 ? undefined : calls[at % calls.length];
  };
  switch (action.do) {
    case 'open':
      pair.open(TEMPLATES[action.template]!, EXTRAS[action.extra]!);
      break;
    case 'send': {
      const call = pick(action.side, action.call);
      if (call === undefined || call.done) break;
      if (action.side === 'server') answer(call);
      call.stream?.sendMessage(
        0,
        new Uint8Array(action.size),
        action.side === 'client' && action.end,
      );
      call.sent += action.size + 5;
      call.done = action.side === 'client' && action.end;
      break;
    }
    case 'end': {
      const call = pick(action.side, action.call);
      if (call !== undefined) end(call, action.side);
      break;
    }
    case 'reset': {
      const call = pick(action.side, action.call);
      if (call === undefined) break;
      call.wasReset = true;
      call.stream?.reset(action.code);
      break;
    }
    case 'use': {
      const call = pick(action.side, action.call);
      if (call !== undefined) pair.use(call, action.octets);
      break;
    }
    case 'expect':
      pick(action.side, action.call)?.stream?.expect(action.octets);
      break;
    case 'deliver':
      pair.deliver(action.side, action.octets);
      break;
    case 'tick':
      pair.tick();
      break;
  }
}

function end(call: Call, from: Side): void {
  if (call.done) return;
  call.done = true;
  if (from === 'client') call.stream?.sendEnd();
  else {
    answer(call);
    call.stream?.sendTrailers(['grpc-status', '0'], null);
  }
}

function answer(call: Call): void {
  if (call.answered) return;
  call.answered = true;
  call.stream?.sendHeaders(RESPONSE, null, false);
}

await t.test(`RFC 9113 over random histories of two endpoints (seed ${seed})`, async (t) => {
  let frames = 0;
  fc.assert(
    fc.property(world, fc.array(step, { minLength: 1, maxLength: 120 }), (setup, history) => {
      const shared: Partial<Limits> = {
        connectionWindowOctets: setup.connectionWindow,
        maxUnreadOctets: setup.maxUnreadOctets,
        decoderTableOctets: setup.tableOctets,
        maxRememberedStreams: setup.remembered,
      };
      const pair = new Pair(
        setup.capacity,
        { ...shared, streamWindowOctets: setup.clientWindow },
        {
          ...shared,
          streamWindowOctets: setup.serverWindow,
          maxConcurrentStreams: setup.maxConcurrentStreams,
        },
      );
      for (const action of history) apply(pair, action);
      // Whoever has not ended ends now, the servers as their requests arrive; large messages are expected.
      for (let round = 0; round < 200; round++) {
        for (const from of ['client', 'server'] as const) {
          for (const call of pair.calls[from]) end(call, from);
        }
        pair.settle();
        if (pair.client.activeStreams === 0 && pair.server.activeStreams === 0) break;
      }
      frames += pair.checker.sentLists.client.length;
      const { checker } = pair;
      if (checker.faults.length > 0) throw new Error(checker.faults.join('\n'));
      for (const from of ['client', 'server'] as const) {
        if (pair.closed[from] !== null) throw new Error(`${from} closed: ${pair.closed[from]}`);
      }
      if (pair.client.activeStreams !== 0) throw new Error('calls of the client are stuck');
      if (pair.server.activeStreams !== 0) throw new Error('calls of the server are stuck');
      checkLists(pair);
      checkWindows(pair, setup.connectionWindow);
      checkDelivery(pair);
    }),
    { seed, numRuns: 150 },
  );
  t.pass(`150 histories, ${frames} field blocks`);
});

/** HPACK in step: what the server's listeners heard is what the referee read on the wire. */
function checkLists(pair: Pair): void {
  const heard = pair.calls.server.map((call) => JSON.stringify(call.lists[0]));
  const sent = pair.checker.sentLists.client.map(([, list]) => JSON.stringify(list));
  let at = 0;
  for (const list of heard) {
    while (at < sent.length && sent[at] !== list) at += 1;
    if (at === sent.length) throw new Error(`heard but not sent: ${list}`);
    at += 1;
  }
}

/** §6.9.1: with everything used and every stream closed, no more than half of the connection window is owed. */
function checkWindows(pair: Pair, connectionWindow: number): void {
  for (const from of ['client', 'server'] as const) {
    const window = pair.checker.connectionWindow(from);
    if (window * 2 < connectionWindow)
      throw new Error(`${from} is left with a window of ${window}`);
    if (window > 2 ** 31 - 1) throw new Error(`${from} has a window of ${window}`);
  }
}

/** Calls that nobody reset or refused have heard every octet of each other. */
function checkDelivery(pair: Pair): void {
  const byId = new Map(pair.calls.server.map((call) => [call.stream?.id ?? 0, call]));
  for (const call of pair.calls.client) {
    const other = byId.get(call.stream?.id ?? 0);
    if (other === undefined || call.wasReset || other.wasReset) continue;
    if (call.heard !== other.sent) throw new Error(`sent ${other.sent}, heard ${call.heard}`);
    if (other.heard !== call.sent) throw new Error(`sent ${call.sent}, heard ${other.heard}`);
  }
}

await t.test('the referee finds what it is there for', async (t) => {
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['DATA on an idle stream', octets([0, 0, 1, 0, 0, 0, 0, 0, 1, 9]), /§5\.1 DATA on idle/],
    ['a flag', octets([0, 0, 8, 6, 0x10, 0, 0, 0, 0], new Uint8Array(8)), /§4\.1 undefined flags/],
    ['a zero increment', octets([0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]), /§6\.9 zero increment/],
    ['an ACK', octets([0, 0, 0, 4, 1, 0, 0, 0, 0]), /§6\.5\.3/],
  ];
  for (const [name, chunk, pattern] of cases) {
    const checker = new WireChecker();
    checker.onSent('server', chunk);
    t.match(checker.faults[0] ?? '', pattern, name);
  }
});
