/** The error of a call that did not end with OK, and what a handler throws to choose its status. */

import type { HeaderList } from '../framing/frame-handler.ts';
import type { CallEnd } from './call-end.ts';
import { Metadata, metadataOfHeaders } from './metadata.ts';
import { statusName } from './status.ts';

/** What `RpcError.fromStatus` reads of a final status; `CallStatus` fits. */
export interface RpcStatus {
  readonly code: number;
  readonly message: string;
  readonly trailers: HeaderList;
  readonly cause: unknown;
  readonly end?: CallEnd;
}

/**
 * A call's failure: status code, details (the status message) and trailing metadata. Thrown by a handler, it becomes the status the client
 * sees. `message` reads `NOT_FOUND: details`; `cause` is the local error behind it, if there was one.
 */
export class RpcError extends Error {
  /** A `Status` code, or another number that the peer sent. */
  readonly code: number;
  /** The status message; may be empty. */
  readonly details: string;
  /** Who ended the call, in which phase and after what time; null for an error that is not the end of a call made from here. */
  readonly end: CallEnd | null;
  #trailers: Metadata | HeaderList | null;

  /** `trailers`: trailing metadata, or the received header list it is made of when `metadata` is first asked for. */
  constructor(
    code: number,
    details = '',
    trailers: Metadata | HeaderList | null = null,
    cause: unknown = undefined,
    end: CallEnd | null = null,
  ) {
    super(
      details === '' ? statusName(code) : `${statusName(code)}: ${details}`,
      cause === undefined ? undefined : { cause },
    );
    this.code = code;
    this.details = details;
    this.end = end;
    this.#trailers = trailers;
  }

  /** The error of a final status. The caller chooses a subclass, if any, and calls its constructor with the same values. */
  static fromStatus(status: RpcStatus): RpcError {
    return errorOf(status);
  }

  /** Trailing metadata, made on first access; empty when none came. */
  get metadata(): Metadata {
    if (!(this.#trailers instanceof Metadata)) {
      this.#trailers = this.#trailers === null ? new Metadata() : metadataOfHeaders(this.#trailers);
    }
    return this.#trailers;
  }
}

/** Outside the class: the bundler renames a class that mentions itself, and `console.log` of an error would show that name. */
function errorOf({ code, message, trailers, cause, end }: RpcStatus): RpcError {
  return new RpcError(code, message, trailers, cause, end);
}

// On the prototype, as for built-in errors, so that subclasses can name themselves the same way.
Object.defineProperty(RpcError.prototype, 'name', {
  value: 'RpcError',
  writable: true,
  configurable: true,
});
