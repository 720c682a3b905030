/**
 * A slot is one chain of calls, or of messages on one stream: it hands out requests until the slice is over and checks every response.
 * Arms drive slots in whatever style their library has (callback, promise, iterable), so that no arm pays for another's style.
 */

import { performance } from 'node:perf_hooks';
import type { Load } from '../protocol.ts';
import { randomNumbers } from '../statistics.ts';
import {
  type DownloadRequest,
  type Message,
  patternedBody,
  type UploadSummary,
} from './messages.ts';
import type { Meter } from './meter.ts';

const empty: Message = {};

/** Unary calls one after another, or the messages of one ping-pong stream. */
export class EchoSlot {
  readonly #meter: Meter;
  readonly #body: Buffer | null;
  readonly #latency: boolean;
  #sequence: number;
  #startedAt: number;

  /** `body` null: the method Nothing. */
  constructor(meter: Meter, body: Buffer | null, latency: boolean) {
    this.#meter = meter;
    this.#body = body;
    this.#latency = latency;
    this.#sequence = 0;
    this.#startedAt = 0;
  }

  /** The next request, or null when the slice is over. */
  begin(): Message | null {
    if (this.#meter.stopped) return null;
    if (this.#latency) this.#startedAt = performance.now();
    if (this.#body === null) return empty;
    this.#sequence += 1;
    return { sequence: this.#sequence, body: this.#body };
  }

  /** Checks and counts the response to the request last begun; throws when it is wrong. */
  end(response: Message): void {
    if (this.#latency) this.#meter.record(this.#startedAt);
    if (this.#body !== null) checkMessage(response, this.#sequence, this.#body);
    else if (typeof response !== 'object' || response === null) throw wrong('no Empty', response);
    this.#meter.complete(1);
  }
}

/** The responses of one server-streaming call after another. */
export class DownloadSlot {
  readonly #meter: Meter;
  readonly #body: Buffer;
  readonly #messages: number;
  #received: number;

  constructor(meter: Meter, body: Buffer, messagesPerStream: number) {
    this.#meter = meter;
    this.#body = body;
    this.#messages = messagesPerStream;
    this.#received = 0;
  }

  begin(): DownloadRequest | null {
    if (this.#meter.stopped) return null;
    this.#received = 0;
    return { messages: this.#messages, bodyOctets: this.#body.length };
  }

  message(message: Message): void {
    checkMessage(message, this.#received, this.#body);
    this.#received += 1;
    this.#meter.complete(1);
  }

  /** Call at status OK. */
  end(): void {
    if (this.#received !== this.#messages) {
      throw new Error(`the stream ended OK after ${this.#received} of ${this.#messages} messages`);
    }
  }
}

/** The requests of one client-streaming call after another. */
export class UploadSlot {
  readonly #meter: Meter;
  readonly #body: Buffer;
  readonly #messages: number;
  #sent: number;

  constructor(meter: Meter, body: Buffer, messagesPerStream: number) {
    this.#meter = meter;
    this.#body = body;
    this.#messages = messagesPerStream;
    this.#sent = 0;
  }

  /** True when another stream is to be opened. */
  begin(): boolean {
    this.#sent = 0;
    return !this.#meter.stopped;
  }

  /** The next request message, null at the end of the stream. Counts it, so ask only when the transport takes more. */
  next(): Message | null {
    if (this.#meter.stopped || this.#sent === this.#messages) return null;
    const message = { sequence: this.#sent, body: this.#body };
    this.#sent += 1;
    this.#meter.complete(1);
    return message;
  }

  end(summary: UploadSummary): void {
    const octets = this.#sent * this.#body.length;
    if (summary.messages !== this.#sent || summary.octets !== octets) {
      throw new Error(
        `the server counted ${summary.messages} messages with ${summary.octets} octets; sent were ${this.#sent} with ${octets}`,
      );
    }
  }
}

/** Runs a load's slots: the functions an arm gives, each with a slot and the number of its connection (0 …). */
export interface SlotRunners {
  unary(slot: EchoSlot, connection: number): Promise<void>;
  download(slot: DownloadSlot, connection: number): Promise<void>;
  upload(slot: UploadSlot, connection: number): Promise<void>;
  pingPong(slot: EchoSlot, connection: number): Promise<void>;
  /** Opens a connection of its own for each request of the slot, and closes it after the response. */
  connect(slot: EchoSlot): Promise<void>;
}

/** Runs `load` with the arm's `runners` until the meter stops it. */
export async function runSlots(meter: Meter, load: Load, runners: SlotRunners): Promise<void> {
  if (load.kind === 'open-loop') return runOpenLoop(meter, load, runners);
  const body = bodyOf(load);
  const running: Promise<void>[] = [];
  for (let i = 0; i < meter.inFlight; i++) {
    const connection = i % load.connections;
    switch (load.kind) {
      case 'unary':
        running.push(runners.unary(new EchoSlot(meter, body, load.latency), connection));
        break;
      case 'server-stream':
        running.push(
          runners.download(new DownloadSlot(meter, body!, load.messagesPerStream), connection),
        );
        break;
      case 'client-stream':
        running.push(
          runners.upload(new UploadSlot(meter, body!, load.messagesPerStream), connection),
        );
        break;
      case 'ping-pong':
        running.push(runners.pingPong(new EchoSlot(meter, body, load.latency), connection));
        break;
      case 'connect':
        running.push(runners.connect(new EchoSlot(meter, body, load.latency)));
        break;
    }
  }
  await Promise.all(running);
}

/**
 * Poisson arrivals on a fixed schedule, whatever the server does: a call's latency counts from when it was due, so a stall is charged
 * to every call that it delays.
 */
async function runOpenLoop(meter: Meter, load: Load, runners: SlotRunners): Promise<void> {
  const { arrivalsPerSecond, seed } = meter.runParams;
  if (arrivalsPerSecond === 0) {
    // The coordinator is finding out the capacity: a closed loop at `inFlight`.
    return runSlots(meter, { ...load, kind: 'unary' }, runners);
  }
  const random = randomNumbers(seed);
  const meanGapMs = 1000 / arrivalsPerSecond;
  const running = new Set<Promise<void>>();
  let dueAt = performance.now();
  let failure: unknown = null;
  let calls = 0;
  while (!meter.stopped && failure === null) {
    const now = performance.now();
    while (dueAt <= now) {
      const slot = new OneCallSlot(meter, dueAt);
      const call = runners
        .unary(slot, calls++ % load.connections)
        .catch((error: unknown) => {
          failure = error;
        })
        .finally(() => running.delete(call));
      running.add(call);
      dueAt -= Math.log(1 - random()) * meanGapMs;
    }
    // Turning the loop without sleeping keeps the schedule exact; the client has its core to itself.
    await new Promise(setImmediate);
  }
  await Promise.all(running);
  if (failure !== null) throw failure;
}

/** A single empty call of the open loop. */
class OneCallSlot extends EchoSlot {
  readonly #dueAt: number;
  readonly #openMeter: Meter;
  #begun: boolean;

  constructor(meter: Meter, dueAt: number) {
    super(meter, null, false);
    this.#openMeter = meter;
    this.#dueAt = dueAt;
    this.#begun = false;
  }

  override begin(): Message | null {
    if (this.#begun) return null;
    this.#begun = true;
    return empty;
  }

  override end(response: Message): void {
    this.#openMeter.record(this.#dueAt);
    super.end(response);
  }
}

let cachedBody: Buffer | null = null;

function bodyOf(load: Load): Buffer | null {
  if (load.bodyOctets === 0) return null;
  if (cachedBody?.length !== load.bodyOctets) cachedBody = patternedBody(load.bodyOctets);
  return cachedBody;
}

function checkMessage(message: Message, sequence: number, body: Buffer): void {
  if (message.sequence !== sequence) {
    throw wrong(`message number ${sequence} expected`, message.sequence);
  }
  const received = message.body;
  if (received === undefined || received.length !== body.length || body.compare(received) !== 0) {
    throw wrong(`a body of ${body.length} octets expected`, received?.length);
  }
}

function wrong(what: string, found: unknown): Error {
  return new Error(`wrong response: ${what}, got ${String(found)}`);
}
