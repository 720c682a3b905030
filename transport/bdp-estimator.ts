/**
 * How much can be under way to us: counts the octets that arrive during one round trip (measured by a PING of ours, while DATA flows) and
 * asks for larger windows when they fill most of what we offer. The windows themselves are changed by the connection.
 */

/** Octets received since the last sample before another round trip is worth measuring: small calls never cause a PING. */
export const SAMPLE_FROM_OCTETS = 65_536;

/** Each sample that changes nothing doubles the octets before the next, up to this: a steady stream is not worth a PING each round trip. */
const SAMPLE_AT_MOST_OCTETS = 16_777_216;

/** A round trip that carried this share of the window was probably limited by it (grpc-go's estimator uses the same). */
const FULL_SHARE = 0.66;

/** Estimates the bandwidth-delay product of the receiving direction. */
export class BdpEstimator {
  /** The window per stream that the estimate asks for, octets. */
  windowOctets: number;
  readonly #maxOctets: number;
  #received = 0;
  #sampleFrom = SAMPLE_FROM_OCTETS;
  #measuring = false;

  /** Starts at `windowOctets` and never asks for more than `maxOctets` (L30). */
  constructor(windowOctets: number, maxOctets: number) {
    this.windowOctets = windowOctets;
    this.#maxOctets = Math.max(windowOctets, maxOctets);
  }

  /** DATA of `octets` arrived. True when a PING should be sent to start a sample. */
  onData(octets: number): boolean {
    this.#received += octets;
    if (
      this.#measuring ||
      this.#received < this.#sampleFrom ||
      this.windowOctets >= this.#maxOctets
    ) {
      return false;
    }
    this.#measuring = true;
    this.#received = 0;
    return true;
  }

  /** The PING came back. True when `windowOctets` grew. */
  onRoundTrip(): boolean {
    if (!this.#measuring) return false;
    this.#measuring = false;
    const sample = this.#received;
    this.#received = 0;
    if (sample < FULL_SHARE * this.windowOctets) {
      this.#sampleFrom = Math.min(2 * this.#sampleFrom, SAMPLE_AT_MOST_OCTETS);
      return false;
    }
    this.#sampleFrom = SAMPLE_FROM_OCTETS;
    this.windowOctets = Math.min(this.#maxOctets, Math.max(2 * sample, 2 * this.windowOctets));
    return true;
  }
}
