/** The budget of octets that a channel's calls keep so that they can be sent again (L25, gRFC A6). */

/** Counts the retained octets of all calls of one channel. */
export class RetryBuffer {
  readonly #limitOctets: number;
  #octets: number;

  /** `limitOctets`: L25 `channelRetryBufferOctets`. */
  constructor(limitOctets: number) {
    this.#limitOctets = limitOctets;
    this.#octets = 0;
  }

  /** Octets reserved now. */
  get octets(): number {
    return this.#octets;
  }

  /** Reserves `octets`; false when the channel's budget is spent: the call then commits instead of keeping them. */
  reserve(octets: number): boolean {
    if (this.#octets + octets > this.#limitOctets) return false;
    this.#octets += octets;
    return true;
  }

  /** Gives back what was reserved. */
  release(octets: number): void {
    this.#octets -= octets;
  }
}
