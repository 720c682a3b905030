/** A channel without a network: tests read what was asked of each call and play the engine's part by hand. */

import type { HeaderList } from '../../../framing/frame-handler.ts';
import type { BoundMethod, StubChannel } from '../../../lib/alpha/bound-method.ts';
import { Activation, BoundMethod as Bound } from '../../../lib/alpha/bound-method.ts';
import type { RpcMethodInvocationDescription } from '../../../lib/alpha/interfaces.ts';
import type {
  CallOptions,
  CallStatus,
  ClientCall,
  ClientCallListener,
} from '../../../lib/call/call.ts';
import { type MethodDescriptor, methodDescriptor } from '../../../lib/method.ts';
import { Status } from '../../../lib/status.ts';
import { CLIENT_LIMITS } from '../../../transport/limits.ts';

/** Status OK without trailers. */
export const OK: CallStatus = { code: Status.OK, message: '', trailers: [], cause: undefined };

/** A status with trailers and cause left empty. */
export function status(code: number, message = '', trailers: HeaderList = []): CallStatus {
  return { code, message, trailers, cause: undefined };
}

/** One call: `log` lists what the API did, in order; the other methods are the engine's events. */
export class FakeCall implements ClientCall {
  readonly peer: null = null;
  readonly method: MethodDescriptor;
  readonly options: CallOptions;
  readonly log: string[] = [];
  /** What `sendMessage` answers. */
  accepts = true;
  /** Messages asked for and not delivered. */
  demand = 0;
  listener: ClientCallListener | null = null;
  ended = false;

  constructor(method: MethodDescriptor, options: CallOptions) {
    this.method = method;
    this.options = options;
  }

  start(listener: ClientCallListener): void {
    this.listener = listener;
    this.log.push('start');
  }

  startUnary(listener: ClientCallListener, message: Uint8Array): void {
    this.listener = listener;
    this.log.push(`unary ${text(message)}`);
  }

  request(messages: number): void {
    this.demand += messages;
  }

  sendMessage(message: Uint8Array): boolean {
    if (this.ended) return true;
    this.log.push(`message ${text(message)}`);
    return this.accepts;
  }

  halfClose(): void {
    this.log.push('halfClose');
  }

  cancel(reason: string): void {
    this.fail(Status.CANCELLED, reason, undefined);
  }

  fail(code: number, message: string, cause: unknown): void {
    if (this.ended) return;
    this.log.push(`fail ${code}`);
    this.ended = true;
    // As in the engine: the end is never delivered inside the caller's frame.
    queueMicrotask(() => this.listener?.onStatus({ code, message, trailers: [], cause }));
  }

  /** Events of the engine. */
  metadata(headers: HeaderList): void {
    this.listener?.onMetadata(headers);
  }

  message(value: string): void {
    if (this.ended) return;
    this.demand--;
    const octets = octetsOf(`<${value}>`);
    this.listener?.onMessage(octets, 1, octets.length - 1);
  }

  ready(): void {
    this.accepts = true;
    this.listener?.onReady();
  }

  end(final: CallStatus): void {
    if (this.ended) return;
    this.ended = true;
    this.listener?.onStatus(final);
  }

  /** A unary response with status OK. */
  respond(value: string): void {
    this.message(value);
    this.end(OK);
  }
}

/** Gives out FakeCalls and remembers them. */
export class FakeChannel implements StubChannel {
  readonly clock: { now(): number } = { now: () => 5000 };
  readonly maxUndeliveredMessages: number;
  readonly calls: FakeCall[] = [];
  closes = 0;
  /** What `close` gives. */
  closed: Promise<void> = Promise.resolve();

  constructor(maxUndeliveredMessages: number = CLIENT_LIMITS.maxUndeliveredMessages) {
    this.maxUndeliveredMessages = maxUndeliveredMessages;
  }

  createCall(method: MethodDescriptor, options: CallOptions): FakeCall {
    const call = new FakeCall(method, options);
    this.calls.push(call);
    return call;
  }

  close(): Promise<void> {
    this.closes++;
    return this.closed;
  }

  /** The last call made. */
  get call(): FakeCall {
    return this.calls.at(-1)!;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** UTF-8 octets of `value`. */
export function octetsOf(value: string): Uint8Array {
  return encoder.encode(value);
}

/** The text in UTF-8 octets. */
export function text(octets: Uint8Array): string {
  return decoder.decode(octets);
}

/** A serializer and a deserializer of strings. Anything but a string makes the serializer raise. */
export function writeText(value: string): Uint8Array {
  if (typeof value !== 'string') throw new RangeError(`no text: ${String(value)}`);
  return octetsOf(value);
}
export const readText: (octets: Uint8Array) => string = text;

/** A method of `test.Echo` over `channel` in an activation of its own. */
export function boundMethod<Request, Response>(
  channel: StubChannel,
  description: RpcMethodInvocationDescription<Request, Response>,
  name = 'Say',
): BoundMethod<Request, Response> {
  const activation = new Activation('test.Echo', channel, null, (error) => {
    throw error;
  });
  return new Bound(
    activation,
    methodDescriptor('test.Echo', name, description.cardinality()),
    description,
  );
}

/** All microtasks that are due now, and one turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** The error that `promise` rejects with; throws when it does not. */
export async function rejection(promise: PromiseLike<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('the promise was fulfilled');
}

/** The error that `fn` throws; throws when it does not. */
export function thrown(fn: () => unknown): Error {
  try {
    fn();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}
