/** A response that is not gRPC, such as the error page of a proxy: its status, and as much of its body as the status message may quote. */

import type { CallStatus } from './call.ts';

/** Octets of the body that are read; more ends the call. */
const MAX_BODY_OCTETS = 1024;

/** Collects the body of one foreign response. */
export class ForeignResponse {
  readonly #fault: CallStatus;
  #body: string;

  /** `fault`: the status of the response by its headers (see `httpFault`). */
  constructor(fault: CallStatus) {
    this.#fault = fault;
    this.#body = '';
  }

  /** Adds body octets, unprintable ones as blanks. True when enough was read: the response need not be waited for any longer. */
  push(chunk: Uint8Array, start: number, end: number): boolean {
    const stop = Math.min(end, start + MAX_BODY_OCTETS - this.#body.length);
    for (let i = start; i < stop; i++) {
      const octet = chunk[i] as number;
      this.#body += octet > 0x20 && octet < 0x7f ? String.fromCharCode(octet) : ' ';
    }
    return this.#body.length >= MAX_BODY_OCTETS;
  }

  /** The final status of the call, unless the response still brings a grpc-status. */
  get status(): CallStatus {
    const body = this.#body.trim();
    return body === ''
      ? this.#fault
      : { ...this.#fault, message: `${this.#fault.message}: ${body}` };
  }
}
