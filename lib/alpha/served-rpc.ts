/**
 * Carries out one RPC on the server: connects a ServerCall with the behaviour of a method description, through the server's interceptors.
 * Deserializes requests, runs the behaviour, serializes and sends what it gives, and turns what goes wrong into a status and an abortion.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallAbortion, CallStatus, ServerCall, ServerCallListener } from '../call/call.ts';
import { keptRange } from '../call/message-range.ts';
import { EXPIRED } from '../call/request-refusal.ts';
import { type ErrorReporter, limitedReporter, reportSafely } from '../error-reporter.ts';
import type { MethodDescriptor } from '../method.ts';
import type { RangeDeserializer } from '../range-deserializer.ts';
import { Status } from '../status.ts';
import {
  ABORTION_OF_CALL,
  abortionMessage,
  rpcErrorOfAbortion,
  STATUS_OF_ABORTION,
} from './exceptions.ts';
import { NONE, type Outcome } from './interceptor-chain.ts';
import type { ServerInterceptor } from './interceptors.ts';
import {
  Abortion,
  type RequestIterator,
  type ResponseIterable,
  type RpcMethodServiceDescription,
} from './interfaces.ts';
import { isIterableSource, isThenable, MessagePump, type PumpReceiver } from './message-pump.ts';
import { RequestReader } from './request-reader.ts';
import { type ContextHost, ServiceContext } from './rpc-context.ts';
import { statusCarriedBy } from './rpc-fault.ts';
import {
  BEHAVIOR_RAISED,
  type InterceptedHandler,
  ServerInterception,
} from './server-interception.ts';
import { requestRangeDeserializer } from './utilities.ts';

/** One method as this server serves it. */
export class ServedMethod implements ContextHost {
  readonly descriptor: MethodDescriptor;
  readonly description: RpcMethodServiceDescription<unknown, unknown>;
  readonly clock: { now(): number };
  /** Null for none. */
  readonly interceptors: readonly ServerInterceptor[] | null;
  /** The request in a range, which may be lent. Throws what the deserializer throws. */
  readonly requestOf: RangeDeserializer<unknown>;
  readonly #report: ErrorReporter;
  /** For what clients cause: a program's own reporter may be as slow as stderr. */
  readonly #reportOfClient: ErrorReporter;

  constructor(
    descriptor: MethodDescriptor,
    description: RpcMethodServiceDescription<unknown, unknown>,
    clock: { now(): number },
    report: ErrorReporter,
    interceptors: readonly ServerInterceptor[] | null,
  ) {
    this.interceptors = interceptors;
    this.descriptor = descriptor;
    this.description = description;
    this.clock = clock;
    this.requestOf =
      requestRangeDeserializer(description) ??
      ((chunk, start, end) => description.deserializeRequest(keptRange(chunk, start, end)));
    this.#report = report;
    this.#reportOfClient = limitedReporter(report);
  }

  report(error: unknown, what: string): void {
    reportSafely(this.#report, error, `${this.descriptor.path}: ${what}`);
  }

  /** Of what a client sent, at most a few a second. */
  reportUnreadable(error: unknown): void {
    reportSafely(this.#reportOfClient, error, `${this.descriptor.path}: request deserializer`);
  }
}

const OK: CallStatus = { code: Status.OK, message: '', trailers: [], cause: undefined };

/** The token of the trip: a request that the deserializer cannot read. */
const UNREADABLE = 'message.unreadable';

/** One RPC. */
export class ServedRpc implements ServerCallListener, PumpReceiver<unknown>, InterceptedHandler {
  readonly #method: ServedMethod;
  readonly #call: ServerCall;
  readonly #context: ServiceContext;
  /** Null when there are none. */
  readonly #interception: ServerInterception | null;
  #requests: RequestReader<unknown> | null;
  #pump: MessagePump<unknown> | null;
  /** The behaviour has been called. */
  #begun: boolean;
  #settled: boolean;

  constructor(method: ServedMethod, call: ServerCall) {
    this.#method = method;
    this.#call = call;
    this.#context = new ServiceContext(call, method);
    this.#requests = null;
    this.#pump = null;
    this.#begun = false;
    this.#settled = false;
    const { interceptors } = method;
    if (interceptors === null) {
      this.#interception = null;
      this.admit();
    } else {
      this.#interception = new ServerInterception(interceptors, this.#context, this);
      // Those of a unary request wait for it, which is complete already: what they call next in is around the behaviour. Not if it is
      // compressed: what they refuse is not decompressed.
      if (method.descriptor.requestStreaming || call.holdsRequest) this.#interception.start();
    }
  }

  // ---- ServerCallListener ---------------------------------------------------------------------------------------------------------

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    if (!this.#context.isActive()) return;
    if (this.#interception === null || this.#method.descriptor.requestStreaming) {
      this.#receive(chunk, start, end);
    } else {
      this.#interception.startWith(chunk, start, end);
    }
  }

  #receive(chunk: Uint8Array, start: number, end: number): void {
    const interception = this.#interception;
    if (interception?.hasConcluded === true) return;
    let request: unknown;
    try {
      request = this.#method.requestOf(chunk, start, end);
    } catch (error) {
      this.#call.countTrip(UNREADABLE);
      this.#method.reportUnreadable(error);
      this.#fail(Status.INTERNAL, 'the request could not be deserialized', null, {
        abortion: Abortion.NETWORK_FAILURE,
        cause: error,
      });
      return;
    }
    if (interception !== null) {
      try {
        request = interception.inbound(request);
      } catch (error) {
        this.#refuse(error);
        return;
      }
    }
    if (this.#requests !== null) this.#requests.push(request, end - start);
    else this.#begin(request);
  }

  /** As the engine's delivery does, but in the async context of the interceptors. */
  #receiveLate(request: Uint8Array): void {
    if (!this.#context.isActive()) return;
    try {
      this.#receive(request, 0, request.length);
    } catch (error) {
      this.#method.report(error, 'request');
      this.#fail(Status.INTERNAL, 'request message could not be read', null, {
        abortion: Abortion.NETWORK_FAILURE,
        cause: error,
      });
    }
  }

  onHalfClose(): void {
    if (this.#interception !== null) this.#interception.isHalfClosed = true;
    this.#requests?.end(); // Not if they have failed: that stands.
  }

  onCancel(abortion: CallAbortion): void {
    // Interceptors held it up for so long, or its decompression; before this listener was there the engine counts.
    if (abortion === 'expired' && !this.#begun) this.#call.countTrip(EXPIRED.token);
    this.#abort(ABORTION_OF_CALL[abortion], undefined);
  }

  onReady(): void {
    this.#pump?.resume();
  }

  onComplete(): void {
    if (!this.#begun) this.#settle();
  }

  // ---- InterceptedHandler ---------------------------------------------------------------------------------------------------------

  admit(): void {
    if (this.#method.descriptor.requestStreaming) {
      this.#requests = new RequestReader(this.#call);
      if (this.#interception?.isHalfClosed === true) this.#requests.end();
      this.#begin(this.#requests);
      return;
    }
    const interception = this.#interception;
    if (interception === null) return;
    const held = interception.takeHeld();
    if (held !== null) {
      this.#receive(held.chunk, held.start, held.end);
    } else if (this.#call.holdsRequest) {
      interception.awaitRequest((request) => this.#receiveLate(request));
      this.#call.request(1);
    }
  }

  giveUp(): void {
    this.#pump?.stop();
  }

  conclude(outcome: Outcome): void {
    const abortion = this.#interception?.abortion ?? Abortion.SERVICER_FAILURE;
    if (!this.#context.isActive()) {
      this.#settleUnbegun();
      return;
    }
    const { code, message, trailers, cause } = outcome.status;
    const set = ServiceContext.trailers(this.#context);
    const all = set === null ? trailers : [...set, ...trailers];
    const sent = all.length === 0 ? null : all;
    if (code === Status.OK && outcome.response !== NONE) {
      this.#call.sendUnaryAndClose(outcome.response as Uint8Array, sent);
      this.#complete();
    } else {
      this.#call.close(code, message, sent);
      if (code === Status.OK) this.#complete();
      else this.#abort(abortion, cause);
    }
    this.#settleUnbegun();
  }

  onInterceptorsSettled(): void {
    if (this.#interception?.isSettleDue === true) this.#settle();
    else this.#settleUnbegun();
  }

  report(error: unknown, what: string): void {
    this.#method.report(error, what);
  }

  /** A behaviour that was never called has nothing to settle. */
  #settleUnbegun(): void {
    if (!this.#begun) this.#settle();
  }

  /** An observer of the interceptors raised: ends the RPC with the status that the error carries. */
  #refuse(error: unknown): void {
    const carried = statusCarriedBy(error);
    if (carried === null) this.#method.report(error, 'interceptor');
    this.#fail(
      carried === null ? Status.INTERNAL : carried.code,
      carried === null ? 'an interceptor failed' : carried.details,
      carried === null ? null : carried.trailers,
      { abortion: Abortion.SERVICER_FAILURE, cause: error },
    );
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
    if (this.#interception !== null) {
      this.#interception.conclude(OK, message);
      return;
    }
    this.#call.sendUnaryAndClose(message, ServiceContext.trailers(this.#context));
    this.#complete();
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
    let sent: unknown = response;
    if (this.#interception !== null) {
      try {
        sent = this.#interception.outbound(response);
      } catch (error) {
        this.#refuse(error);
        return null;
      }
    }
    try {
      const message: unknown = this.#method.description.serializeResponse(sent);
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
    if (this.#interception !== null) {
      this.#interception.conclude(OK, null);
      return;
    }
    this.#call.close(code, details, ServiceContext.trailers(this.#context));
    this.#complete();
  }

  /** The RPC has ended normally. */
  #complete(): void {
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
    if (this.#interception !== null) {
      // The context's trailing metadata joins in when the status is sent.
      const status = { code, message: details, trailers: trailers ?? [], cause: why.cause };
      if (!this.#interception.hasConcluded) this.#interception.abortion = why.abortion;
      // At once, whatever interceptors wait for: no end of the stream may seem to come behind a request that was refused.
      this.#requests?.fail(() => rpcErrorOfAbortion(why.abortion, why.cause));
      this.#interception.conclude(status, null);
      return;
    }
    const own = ServiceContext.trailers(this.#context);
    const all = own !== null && trailers !== null ? [...own, ...trailers] : (own ?? trailers);
    this.#call.close(code, details, all);
    this.#abort(why.abortion, why.cause);
  }

  #abort(abortion: Abortion, cause: unknown): void {
    ServiceContext.abort(this.#context, abortion, cause);
    this.#requests?.fail(() => rpcErrorOfAbortion(abortion, cause));
    this.#pump?.stop();
    const { abortCode, abortReason } = this.#call;
    // Interceptors see the status that the client sees, if it was sent one.
    if (abortCode === null) {
      const message = abortionMessage(abortion, abortReason);
      this.#interception?.abort(STATUS_OF_ABORTION[abortion], message);
    } else {
      this.#interception?.abort(abortCode, abortReason);
    }
    if (!this.#begun) this.#settle();
  }

  /** No code of the behaviour runs any more: the handler slot is free once the stream is closed. */
  #settle(): void {
    if (this.#settled) return;
    if (this.#interception?.isBusy === true) {
      this.#interception.isSettleDue = true;
      return;
    }
    this.#settled = true;
    this.#call.settled();
  }
}
