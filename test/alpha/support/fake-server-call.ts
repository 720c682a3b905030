/** A server call without a network: `log` lists what the API did; the test plays the engine's part. */

import type { HeaderList } from '../../../framing/frame-handler.ts';
import type { RpcMethodServiceDescription } from '../../../lib/alpha/interfaces.ts';
import { serverMethods } from '../../../lib/alpha/service-handler.ts';
import type { CallAbortion, ServerCall, ServerCallListener } from '../../../lib/call/call.ts';
import type { MethodDescriptor } from '../../../lib/method.ts';
import { SERVER_LIMITS } from '../../../transport/limits.ts';
import { octetsOf, text } from './fake-channel.ts';

export class FakeServerCall implements ServerCall {
  readonly method: MethodDescriptor;
  readonly peer: { address: string; tlsCipher: null; certificate: null } = {
    address: 'memory:1',
    tlsCipher: null,
    certificate: null,
  };
  readonly headers: HeaderList = [
    ':method',
    'POST',
    ':path',
    '/test.Echo/Say',
    'x-user',
    'ada',
    'grpc-timeout',
    '1S',
  ];
  readonly authority: string = 'example.test';
  deadlineMs: number = Number.POSITIVE_INFINITY;
  cancelled = false;
  readonly abortReason = '';
  readonly abortCode: number | null = null;
  holdsRequest = false;
  readonly maxUndeliveredMessages: number = SERVER_LIMITS.maxUndeliveredMessages;
  readonly log: string[] = [];
  readonly trips: string[] = [];
  accepts = true;
  demand = 0;
  #answered = false;
  listener: ServerCallListener | null = null;

  constructor(method: MethodDescriptor) {
    this.method = method;
  }

  request(messages: number): void {
    this.demand += messages;
  }

  sendMetadata(metadata: HeaderList | null): void {
    this.log.push(`metadata ${(metadata ?? []).join(',')}`);
  }

  setCompression(encoding: string): boolean {
    this.log.push(`compression ${encoding}`);
    return true;
  }

  sendMessage(message: Uint8Array): boolean {
    if (this.#answered) return true;
    this.log.push(`message ${text(message)}`);
    return this.accepts;
  }

  sendUnaryAndClose(message: Uint8Array, trailers: HeaderList | null): void {
    if (this.#answered) return;
    this.#answered = true;
    this.log.push(`response ${text(message)}${suffix(trailers)}`);
  }

  close(code: number, message: string, trailers: HeaderList | null): void {
    if (this.#answered) return;
    this.#answered = true;
    this.log.push(`close ${code} ${message}${suffix(trailers)}`.trim());
  }

  countTrip(token: string): void {
    this.trips.push(token);
  }

  settled(): void {
    this.log.push('settled');
  }

  /** Events of the engine. */
  message(value: string): void {
    this.demand--;
    const octets = octetsOf(value);
    this.listener?.onMessage(octets, 0, octets.length);
  }

  halfClose(): void {
    this.listener?.onHalfClose();
  }

  ready(): void {
    this.accepts = true;
    this.listener?.onReady();
  }

  abort(abortion: CallAbortion): void {
    if (this.#answered) return;
    this.#answered = true;
    this.cancelled = true;
    this.listener?.onCancel(abortion);
    this.listener?.onComplete();
  }
}

function suffix(trailers: HeaderList | null): string {
  return trailers === null ? '' : ` [${trailers.join(',')}]`;
}

/** What a served call reported beside its status. */
export interface Reported {
  readonly error: unknown;
  readonly where: string;
}

/** A call of `description`, as the server hands it to its handler. `prepare` may change the call before. */
export function serve<Request, Response>(
  description: RpcMethodServiceDescription<Request, Response>,
  prepare: (call: FakeServerCall) => void = () => {},
): { call: FakeServerCall; reported: Reported[]; clock: { nowMs: number } } {
  const reported: Reported[] = [];
  const clock = { nowMs: 5000 };
  const [served] = serverMethods(
    'test.Echo',
    { Say: description as RpcMethodServiceDescription<unknown, unknown> },
    { now: () => clock.nowMs },
    (error, where) => reported.push({ error, where }),
  );
  const call = new FakeServerCall(served!.method);
  prepare(call);
  call.listener = served!.handler(call);
  return { call, reported, clock };
}
