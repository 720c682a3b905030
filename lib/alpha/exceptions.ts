/**
 * The exceptions of grpc.framework.alpha and the tables that connect them with status codes and abortions. `RpcError` itself is the core
 * class: code that catches it catches every failed RPC.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallAbortion, CallStatus } from '../call/call.ts';
import type { CallEnd } from '../call-end.ts';
import type { Metadata } from '../metadata.ts';
import { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import { Abortion } from './interfaces.ts';

export { RpcError } from '../rpc-error.ts';

/** Indicates that an RPC has been cancelled: status CANCELLED, by whichever side. */
export class CancellationError extends RpcError {
  /** `trailers`: trailing metadata or the header list it is made of; `cause`: the local error behind the cancellation. */
  constructor(
    details = '',
    trailers: Metadata | HeaderList | null = null,
    cause: unknown = undefined,
    end: CallEnd | null = null,
  ) {
    super(Status.CANCELLED, details, trailers, cause, end);
  }
}

/** Indicates that an RPC has expired ("timed out"): status DEADLINE_EXCEEDED. */
export class ExpirationError extends RpcError {
  /** `trailers`: trailing metadata or the header list it is made of; `cause`: the local error behind the expiry. */
  constructor(
    details = '',
    trailers: Metadata | HeaderList | null = null,
    cause: unknown = undefined,
    end: CallEnd | null = null,
  ) {
    super(Status.DEADLINE_EXCEEDED, details, trailers, cause, end);
  }
}

/** Gives instances of `errorClass` its name: on the prototype, as for built-in errors, so that subclasses can do the same. */
export function nameInstances(errorClass: {
  readonly name: string;
  readonly prototype: Error;
}): void {
  Object.defineProperty(errorClass.prototype, 'name', {
    value: errorClass.name,
    writable: true,
    configurable: true,
  });
}

nameInstances(CancellationError);
nameInstances(ExpirationError);

/** The status codes that have an exception class of their own; every other code is a plain `RpcError`. */
export const ERROR_OF_STATUS: ReadonlyMap<
  number,
  new (
    details: string,
    trailers: HeaderList,
    cause: unknown,
    end: CallEnd | null,
  ) => RpcError
> = new Map([
  [Status.CANCELLED, CancellationError],
  [Status.DEADLINE_EXCEEDED, ExpirationError],
]);

/** The error of a final status that is not OK. A new object each time, as the original's futures gave. */
export function rpcErrorOfStatus(status: CallStatus): RpcError {
  const errorClass = ERROR_OF_STATUS.get(status.code);
  return errorClass === undefined
    ? RpcError.fromStatus(status)
    : new errorClass(status.message, status.trailers, status.cause, status.end ?? null);
}

/** What an abortion reported by the call engine is called here. */
export const ABORTION_OF_CALL: Readonly<Record<CallAbortion, Abortion>> = {
  cancelled: Abortion.CANCELLED,
  expired: Abortion.EXPIRED,
  network: Abortion.NETWORK_FAILURE,
};

/** The status that an abortion stands for where a handler meets it as an exception, such as in its request iterator. */
export const STATUS_OF_ABORTION: Readonly<Record<Abortion, Status>> = {
  [Abortion.CANCELLED]: Status.CANCELLED,
  [Abortion.EXPIRED]: Status.DEADLINE_EXCEEDED,
  [Abortion.NETWORK_FAILURE]: Status.INTERNAL,
  [Abortion.SERVICED_FAILURE]: Status.UNKNOWN,
  [Abortion.SERVICER_FAILURE]: Status.UNKNOWN,
};

/** What is said of an abortion. `reason`: what ended the RPC, in words, or empty. */
export function abortionMessage(abortion: Abortion, reason: string): string {
  const text = `the RPC was aborted: ${abortion}`;
  return reason === '' ? text : `${text}: ${reason}`;
}

/** The error by which a handler learns of an abortion; `reason` as for `abortionMessage`. */
export function rpcErrorOfAbortion(abortion: Abortion, cause: unknown, reason = ''): RpcError {
  const status = {
    code: STATUS_OF_ABORTION[abortion],
    message: abortionMessage(abortion, reason),
    trailers: [],
    cause,
  };
  return rpcErrorOfStatus(status);
}
