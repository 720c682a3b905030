/** The response side of a `PeerCall`: collects what comes, and settles its outcome once. */

import type { Outcome, Pairs, PeerCall } from './peer.ts';

/** What an adapter gives of the request side. */
interface Sender {
  send(message: Uint8Array): void;
  end(): void;
  cancel(): void;
}

const NOTHING = (): void => {};

/** Filled by an adapter as its library reports. */
export class CollectedCall implements PeerCall {
  readonly outcome: Promise<Outcome>;
  readonly messages: Uint8Array[] = [];
  /** Set once the adapter has begun the call. */
  sender: Sender = { send: NOTHING, end: NOTHING, cancel: NOTHING };
  trailing: Pairs = [];
  onInitial: ((initial: Pairs) => void) | null = null;
  onMessage: ((message: Uint8Array) => void) | null = null;
  #initial: Pairs = [];
  #settle: (outcome: Outcome) => void = () => {};
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor() {
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  send(message: Uint8Array): void {
    this.sender.send(message);
  }

  end(): void {
    this.sender.end();
  }

  cancel(): void {
    this.sender.cancel();
  }

  /** Response headers. */
  setInitial(initial: Pairs): void {
    this.#initial = initial;
    this.onInitial?.(initial);
  }

  /** A response message; its octets are copied. */
  push(message: Uint8Array): void {
    const copy = Uint8Array.from(message);
    this.messages.push(copy);
    this.onMessage?.(copy);
    for (const { count, resolve } of this.#waiting) {
      if (this.messages.length >= count) resolve();
    }
  }

  /** As `PeerCall.received`. */
  received(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.messages.length >= count) resolve();
      else this.#waiting.push({ count, resolve });
    });
  }

  /** The call has ended; only the first end counts. */
  finish(code: number, details: string): void {
    const { trailing, messages } = this;
    this.#settle({ code, details, initial: this.#initial, trailing, messages: [...messages] });
  }
}
