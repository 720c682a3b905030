/** Raw methods on octets for tests of channel and server: no serializers, no API in between. */

import type { ServerCall, ServerCallListener, ServerMethod } from '../../lib/call/call.ts';
import { keptRange } from '../../lib/call/message-range.ts';
import { Cardinality, type MethodDescriptor, methodDescriptor } from '../../lib/method.ts';
import { Status } from '../../lib/status.ts';

/** Answers with the request message. */
export const ECHO: MethodDescriptor = methodDescriptor(
  'test.Echo',
  'Unary',
  Cardinality.UNARY_UNARY,
);
/** Answers each message with itself. */
export const ECHO_STREAM: MethodDescriptor = methodDescriptor(
  'test.Echo',
  'Stream',
  Cardinality.STREAM_STREAM,
);
/** Answers nothing; records its calls in `EchoService.held`. */
export const HOLD: MethodDescriptor = methodDescriptor(
  'test.Echo',
  'Hold',
  Cardinality.UNARY_UNARY,
);

/** A call of `HOLD` that waits for the test to end it. */
export interface HeldCall {
  readonly call: ServerCall;
  /** What `onCancel` was told, or null. */
  aborted: string | null;
  /** Answers with `octets` and lets go of the handler slot. */
  answer(octets: Uint8Array): void;
}

/** A service with the three methods. */
export class EchoService {
  readonly held: HeldCall[] = [];
  /** Called when a call of `HOLD` has arrived. */
  onHeld: (() => void) | null = null;

  get methods(): readonly ServerMethod[] {
    return [
      { method: ECHO, handler: (call) => echoUnary(call) },
      { method: ECHO_STREAM, handler: (call) => echoStream(call) },
      { method: HOLD, handler: (call) => this.#hold(call) },
    ];
  }

  /** Resolves once `count` calls of `HOLD` have arrived. */
  async heldCalls(count: number): Promise<readonly HeldCall[]> {
    while (this.held.length < count) {
      await new Promise<void>((resolve) => {
        this.onHeld = resolve;
      });
    }
    return this.held;
  }

  #hold(call: ServerCall): ServerCallListener {
    const held: HeldCall = {
      call,
      aborted: null,
      answer(octets) {
        call.sendUnaryAndClose(octets, null);
        call.settled();
      },
    };
    this.held.push(held);
    return listener({
      onMessage: () => this.onHeld?.(),
      onCancel: (abortion) => {
        held.aborted = abortion;
        call.settled();
      },
    });
  }
}

function echoUnary(call: ServerCall): ServerCallListener {
  return listener({
    onMessage(chunk, start, end) {
      call.sendUnaryAndClose(keptRange(chunk, start, end), null);
      call.settled();
    },
    onCancel: () => call.settled(),
  });
}

function echoStream(call: ServerCall): ServerCallListener {
  call.request(1);
  return listener({
    onMessage(chunk, start, end) {
      if (call.sendMessage(keptRange(chunk, start, end))) call.request(1);
    },
    onReady: () => call.request(1),
    onHalfClose() {
      call.close(Status.OK, '', null);
      call.settled();
    },
    onCancel: () => call.settled(),
  });
}

function listener(parts: Partial<ServerCallListener>): ServerCallListener {
  return {
    onMessage(): void {},
    onHalfClose(): void {},
    onCancel(): void {},
    onReady(): void {},
    onComplete(): void {},
    ...parts,
  };
}
