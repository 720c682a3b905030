/** Which connection a call goes to. A channel has one picker at a time and asks it for every attempt of every call. */

import type { ClientTransport } from '../../transport/stream-listener.ts';
import type { CallStatus } from '../call/call.ts';
import type { PendingCall } from '../call/client-call-host.ts';

/** The answer of a picker: a transport, or a failure, or neither: wait for the next picker. One object per answer, not per call. */
export interface PickResult {
  readonly transport: ClientTransport | null;
  /** Why there is no transport. Calls that wait for a connection go on waiting, unless `drop`. */
  readonly failure: CallStatus | null;
  /** The call fails even if it waits for a connection. */
  readonly drop: boolean;
}

/** Chooses. Must not throw, and must not give a transport that is draining or closed. */
export interface Picker {
  pick(call: PendingCall): PickResult;
}

/** Wait for the next picker. */
export const WAIT: PickResult = { transport: null, failure: null, drop: false };

/** Gives every call the same answer. */
export class FixedPicker implements Picker {
  readonly #result: PickResult;

  constructor(result: PickResult) {
    this.#result = result;
  }

  pick(): PickResult {
    return this.#result;
  }
}

/**
 * Gives out one connection. Streams may be opened before the server's SETTINGS are there, but some calls are not risked: one that waits for
 * a connection (wait-for-ready), because this one might lead nowhere, such as through a proxy without a server behind it; and one that could
 * not be sent again, because the server might allow fewer streams than there are calls and refuse it.
 */
export class ConnectionPicker implements Picker {
  readonly #transport: ClientTransport;
  readonly #result: PickResult;

  constructor(transport: ClientTransport) {
    this.#transport = transport;
    this.#result = { transport, failure: null, drop: false };
  }

  pick(call: PendingCall): PickResult {
    const { state } = this.#transport;
    if (state === 'ready') return this.#result;
    const waits = call.options.waitForReady || call.outgrowsRetry;
    return state === 'connecting' && !waits ? this.#result : WAIT;
  }
}

/**
 * Spreads calls over the connections to one address (gRFC A105): each goes to the first with a free stream slot. When none has one, the call
 * waits for another connection if `grow` says that one is coming, else at the connection where the fewest wait.
 */
export class ScalingPicker implements Picker {
  readonly #results: readonly PickResult[];
  readonly #grow: () => boolean;

  constructor(transports: readonly ClientTransport[], grow: () => boolean) {
    this.#results = transports.map((transport) => ({ transport, failure: null, drop: false }));
    this.#grow = grow;
  }

  pick(): PickResult {
    let best = WAIT;
    for (const result of this.#results) {
      const { transport } = result;
      if (transport === null || transport.state !== 'ready') continue;
      if (transport.hasFreeSlot) return result;
      if (best.transport === null || transport.waitingStreams < best.transport.waitingStreams) {
        best = result;
      }
    }
    return this.#grow() ? WAIT : best;
  }
}
