/**
 * Carries out RPCs on the server: connects a ServerCall with the behaviour of a method description. Deserializes requests, runs the
 * behaviour, serializes and sends what it gives, and turns what goes wrong into a status and an abortion.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallAbortion, ServerCall, ServerCallListener, ServerMethod } from '../call/call.ts';
import { keptRange } from '../call/message-range.ts';
import { type ErrorReporter, reportSafely } from '../error-reporter.ts';
import { Metadata } from '../metadata.ts';
import { type MethodDescriptor, methodDescriptor } from '../method.ts';
import type { RangeDeserializer } from '../range-deserializer.ts';
import type { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import { ABORTION_OF_CALL, rpcErrorOfAbortion } from './exceptions.ts';
import {
  Abortion,
  type RequestIterator,
  type ResponseIterable,
  type RpcMethodServiceDescription,
  type ServiceMethods,
} from './interfaces.ts';
import { isIterableSource, isThenable, MessagePump, type PumpReceiver } from './message-pump.ts';
import { RequestReader } from './request-reader.ts';
import { type ContextHost, ServiceContext } from './rpc-context.ts';
import { requestRangeDeserializer } from './utilities.ts';

/** What the client reads for an exception that carries no status: nothing of the exception itself. */
const BEHAVIOR_RAISED = 'the service raised an exception';

/**
 * The methods of a service for a server's method table. Throws TypeError, naming the method, for a name that a path cannot carry and for a
 * value that is not a service description. `report` receives what behaviours raise without a status.
 */
export function serverMethods(
  serviceName: string,
  methods: ServiceMethods,
  clock: { now(): number },
  report: ErrorReporter,
): ServerMethod[] {
  if (typeof methods !== 'object' || methods === null) {
    throw new TypeError(
      `methods of ${serviceName} must be an object of RPC names and service descriptions`,
    );
  }
  return Object.entries(methods).map(([name, description]) => {
    if (
      typeof description?.cardinality !== 'function' ||
      typeof description.deserializeRequest !== 'function' ||
      typeof description.serializeResponse !== 'function'
    ) {
      throw new TypeError(`${serviceName}: methods.${name} is not an RpcMethodServiceDescription`);
    }
    const descriptor = methodDescriptor(serviceName, name, description.cardinality());
    const method = new ServedMethod(descriptor, description, clock, report);
    return { method: descriptor, handler: (call) => new ServedRpc(method, call) };
  });
}

/** One method as this server serves it. */
class ServedMethod implements ContextHost {
  readonly descriptor: MethodDescriptor;
  readonly description: RpcMethodServiceDescription<unknown, unknown>;
  readonly clock: { now(): number };
  /** The request in a range, which may be lent. Throws what the deserializer throws. */
  readonly requestOf: RangeDeserializer<unknown>;
  readonly #report: ErrorReporter;

  constructor(
    descriptor: MethodDescriptor,
    description: RpcMethodServiceDescription<unknown, unknown>,
    clock: { now(): number },
    report: ErrorReporter,
  ) {
    this.descriptor = descriptor;
    this.description = description;
    this.clock = clock;
    this.requestOf =
      requestRangeDeserializer(description) ??
      ((chunk, start, end) => description.deserializeRequest(keptRange(chunk, start, end)));
    this.#report = report;
  }

  report(error: unknown, what: string): void {
    reportSafely(this.#report, error, `${this.descriptor.path}: ${what}`);
  }
}

/** One RPC. */
class ServedRpc implements ServerCallListener, PumpReceiver<unknown> {
  readonly #method: ServedMethod;
  readonly #call: ServerCall;
  readonly #context: ServiceContext;
  readonly #requests: RequestReader<unknown> | null;
  #pump: MessagePump<unknown> | null;
  /** The behaviour has been called. */
  #begun: boolean;
  #settled: boolean;

  constructor(method: ServedMethod, call: ServerCall) {
    this.#method = method;
    this.#call = call;
    this.#context = new ServiceContext(call, method);
    this.#requests = method.descriptor.requestStreaming ? new RequestReader(call) : null;
    this.#pump = null;
    this.#begun = false;
    this.#settled = false;
    if (this.#requests !== null) this.#begin(this.#requests);
  }

  // ---- ServerCallListener ---------------------------------------------------------------------------------------------------------

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    if (!this.#context.isActive()) return;
    let request: unknown;
    try {
      request = this.#method.requestOf(chunk, start, end);
    } catch (error) {
      this.#method.report(error, 'request deserializer');
      this.#fail(Status.INTERNAL, 'the request could not be deserialized', null, {
        abortion: Abortion.NETWORK_FAILURE,
        cause: error,
      });
      return;
    }
    if (this.#requests !== null) this.#requests.push(request, end - start);
    else this.#begin(request);
  }

  onHalfClose(): void {
    this.#requests?.end();
  }

  onCancel(abortion: CallAbortion): void {
    this.#abort(ABORTION_OF_CALL[abortion], undefined);
  }

  onReady(): void {
    this.#pump?.resume();
  }

  onComplete(): void {
    if (!this.#begun) this.#settle();
  }

  // ---- the behaviour --------------------------------------------------------------------------------------------------------------

  #begin(request: unknown): void {
    this.#begun = true;
    let result: unknown;
    try {
      result = this.#invoke(request);
    } catch (error) {
      this.#raised(error);
      return;
    }
    if (isThenable(result)) {
      result.then(
        (value) => this.#returned(value),
        (error: unknown) => this.#raised(error),
      );
    } else {
      this.#returned(result);
    }
  }

  #invoke(request: unknown): unknown {
    const { description } = this.#method;
    const { requestStreaming, responseStreaming } = this.#method.descriptor;
    const context = this.#context;
    if (requestStreaming) {
      const requestIterator = request as RequestIterator<unknown>;
      return responseStreaming
        ? description.serviceStreamStream(requestIterator, context)
        : description.serviceStreamUnary(requestIterator, context);
    }
    return responseStreaming
      ? description.serviceUnaryStream(request, context)
      : description.serviceUnaryUnary(request, context);
  }

  /** The behaviour gave its response, or the iterable of its responses. */
  #returned(value: unknown): void {
    if (!this.#context.isActive()) {
      this.#settle();
    } else if (!this.#method.descriptor.responseStreaming) {
      this.#respond(value);
      this.#settle();
    } else if (isIterableSource(value)) {
      this.#pump = new MessagePump(value as ResponseIterable<unknown>, this);
      this.#pump.start();
    } else {
      this.#raised(
        new TypeError('the behavior of a response-streaming method returned no iterable'),
      );
    }
  }

  /** The behaviour raised, or failed its contract. */
  #raised(error: unknown): void {
    if (this.#context.isActive()) {
      const carried = statusCarriedBy(error);
      if (carried === null) this.#method.report(error, 'behavior');
      this.#fail(
        carried === null ? Status.UNKNOWN : carried.code,
        carried === null ? BEHAVIOR_RAISED : carried.details,
        carried === null ? null : carried.trailers,
        { abortion: Abortion.SERVICER_FAILURE, cause: error },
      );
    }
    this.#settle();
  }

  #respond(response: unknown): void {
    if (ServiceContext.code(this.#context) !== Status.OK) {
      this.#endWithStatus();
      return;
    }
    const message = this.#serialize(response);
    if (message === null) return;
    this.#call.sendUnaryAndClose(message, ServiceContext.trailers(this.#context));
    ServiceContext.complete(this.#context);
    this.#requests?.close();
  }

  // ---- PumpReceiver: the responses of a response-streaming behaviour ----------------------------------------------------------------

  onValue(response: unknown): boolean {
    const message = this.#serialize(response);
    return message !== null && this.#call.sendMessage(message);
  }

  onEnd(): void {
    if (this.#context.isActive()) this.#endWithStatus();
  }

  onError(error: unknown): void {
    this.#raised(error);
  }

  onCloseError(error: unknown): void {
    this.#method.report(error, 'return() of the response iterator');
  }

  onSettled(): void {
    this.#settle();
  }

  // ---- the end of the RPC -----------------------------------------------------------------------------------------------------------

  /** The octets of `response`; null when there are none, in which case the RPC has been ended. */
  #serialize(response: unknown): Uint8Array | null {
    if (response === null || response === undefined) {
      const fault = new TypeError(`the behavior gave ${String(response)} for a response`);
      this.#method.report(fault, 'behavior');
      this.#fail(Status.INTERNAL, 'the service gave no response', null, {
        abortion: Abortion.SERVICER_FAILURE,
        cause: fault,
      });
      return null;
    }
    try {
      const message: unknown = this.#method.description.serializeResponse(response);
      if (message instanceof Uint8Array) return message;
      throw new TypeError(`it must return a Uint8Array, got ${typeof message}`);
    } catch (error) {
      this.#method.report(error, 'response serializer');
      this.#fail(Status.INTERNAL, 'the response could not be serialized', null, {
        abortion: Abortion.NETWORK_FAILURE,
        cause: error,
      });
      return null;
    }
  }

  /** Ends with the status that the behaviour set, OK by default. */
  #endWithStatus(): void {
    const code = ServiceContext.code(this.#context);
    const details = ServiceContext.details(this.#context);
    if (code !== Status.OK) {
      this.#fail(code, details, null, { abortion: Abortion.SERVICER_FAILURE, cause: undefined });
      return;
    }
    this.#call.close(code, details, ServiceContext.trailers(this.#context));
    ServiceContext.complete(this.#context);
    this.#requests?.close();
  }

  /** Ends with a status other than OK, `trailers` behind those that the behaviour set. */
  #fail(
    code: number,
    details: string,
    trailers: HeaderList | null,
    why: { readonly abortion: Abortion; readonly cause: unknown },
  ): void {
    const own = ServiceContext.trailers(this.#context);
    const all = own !== null && trailers !== null ? [...own, ...trailers] : (own ?? trailers);
    this.#call.close(code, details, all);
    this.#abort(why.abortion, why.cause);
  }

  #abort(abortion: Abortion, cause: unknown): void {
    ServiceContext.abort(this.#context, abortion, cause);
    this.#requests?.fail(() => rpcErrorOfAbortion(abortion, cause));
    this.#pump?.stop();
    if (!this.#begun) this.#settle();
  }

  /** No code of the behaviour runs any more: the handler slot is free once the stream is closed. */
  #settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#call.settled();
  }
}

/** The status that a raised error chooses: an `RpcError`, or an object with an integer `code` of 1 … 16 and a string `details`. */
function statusCarriedBy(error: unknown): {
  readonly code: number;
  readonly details: string;
  readonly trailers: HeaderList | null;
} | null {
  if (typeof error !== 'object' || error === null) return null;
  const { code, details, metadata } = error as Partial<RpcError>;
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 1 || code > 16) return null;
  if (typeof details !== 'string') return null;
  return {
    code,
    details,
    trailers: metadata instanceof Metadata && metadata.size > 0 ? metadata.toHeaderList() : null,
  };
}
