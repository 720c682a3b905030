/** Client calls on octets as promises, for tests of channel and server. */

import type { CallFactory, CallOptions, CallStatus, ClientCall } from '../../lib/call/call.ts';
import type { MethodDescriptor } from '../../lib/method.ts';
import { systemClock } from '../../transport/system-clock.ts';

/** Options of a call with defaults: no deadline, no metadata, no waiting for a connection. */
export function callOptions(options: Partial<CallOptions> = {}): CallOptions {
  return {
    deadlineMs: Number.POSITIVE_INFINITY,
    timeoutMs: Number.POSITIVE_INFINITY,
    metadata: null,
    waitForReady: false,
    ...options,
  };
}

/** Options with a deadline `timeoutMs` from now on the system clock. */
export function withTimeout(timeoutMs: number, options: Partial<CallOptions> = {}): CallOptions {
  return callOptions({ ...options, timeoutMs, deadlineMs: systemClock.now() + timeoutMs });
}

/** What a call came to. */
export interface CallOutcome {
  readonly messages: readonly Uint8Array[];
  readonly status: CallStatus;
}

/** A call that was started, and what it will come to. */
export interface StartedCall {
  readonly call: ClientCall;
  readonly outcome: Promise<CallOutcome>;
}

/** Starts a call with one request message and takes every response message. */
export function startUnary(
  factory: CallFactory,
  method: MethodDescriptor,
  message: Uint8Array,
  options: CallOptions = callOptions(),
): StartedCall {
  return start(factory, method, options, (call, listener) => call.startUnary(listener, message));
}

/** Starts a call, sends `messages` as fast as the call takes them, half-closes, and takes every response message. */
export function startStream(
  factory: CallFactory,
  method: MethodDescriptor,
  messages: readonly Uint8Array[],
  options: CallOptions = callOptions(),
): StartedCall {
  let next = 0;
  const send = (call: ClientCall): void => {
    while (next < messages.length) {
      const message = messages[next++] as Uint8Array;
      if (!call.sendMessage(message)) return;
    }
    call.halfClose();
  };
  return start(
    factory,
    method,
    options,
    (call, listener) => {
      call.start(listener);
      send(call);
    },
    send,
  );
}

function start(
  factory: CallFactory,
  method: MethodDescriptor,
  options: CallOptions,
  begin: (call: ClientCall, listener: Parameters<ClientCall['start']>[0]) => void,
  onReady: (call: ClientCall) => void = () => {},
): StartedCall {
  const call = factory.createCall(method, options);
  const received: Uint8Array[] = [];
  const outcome = new Promise<CallOutcome>((resolve) => {
    begin(call, {
      onMetadata(): void {},
      onMessage(chunk, from, to) {
        // A copy: `slice` of a Buffer is none.
        received.push(new Uint8Array(chunk.subarray(from, to)));
        call.request(1);
      },
      onStatus: (status) => resolve({ messages: received, status }),
      onReady: () => onReady(call),
    });
    call.request(1);
  });
  return { call, outcome };
}
