/**
 * Budgets with a history, one guard per connection: it counts what the peer makes us do and returns a verdict; `connection.fail` acts.
 * Allocates nothing per frame. Ids are those of limits.ts.
 */

import { MESSAGE_PREFIX_OCTETS } from '../framing/message/message-framer.ts';
import type { Limits } from './limits.ts';

/** A verdict: null, or the stable token of the budget that is spent. */
export type Verdict = string | null;

/** Tokens that refill at a steady rate up to a burst. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #updatedMs: number;

  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#tokens = burst;
    this.#updatedMs = nowMs;
  }

  /** Puts tokens back, up to the burst. */
  give(tokens: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + tokens);
  }

  /** Takes `tokens`, of which less than none are put back; false when there are not so many. */
  take(nowMs: number, tokens = 1): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#updatedMs) * this.#perMs);
    this.#updatedMs = nowMs;
    if (this.#tokens < tokens) return false;
    this.#tokens = Math.min(this.#burst, this.#tokens - tokens);
    return true;
  }
}

/** A bucket from which one token was taken at `owedMs`, if that is not negative. */
function bucketOwing(owedMs: number, burst: number, perSecond: number, nowMs: number): TokenBucket {
  if (owedMs < 0) return new TokenBucket(burst, perSecond, nowMs);
  const bucket = new TokenBucket(burst, perSecond, owedMs);
  bucket.take(owedMs);
  return bucket;
}

/** Late frames that each stream accounts for, beyond those that are remembered with it. */
const GLITCHES_PER_STREAM = 4;

/** Counts of one connection, and what they may become. */
export class AbuseGuard {
  readonly #limits: Limits;
  readonly #enforcePingPolicy: boolean;
  /** Each made when something is first taken from it: until then it is full, and most peers never take anything. */
  #peerResets: TokenBucket | null = null;
  #timedResets: TokenBucket | null = null;
  #glitches: TokenBucket | null = null;
  #settings: TokenBucket | null = null;
  /** When the first SETTINGS frame came, which every connection has: taken from the buckets when they are made. Negative: nothing is owed. */
  #settingsOwedMs = -1;
  #glitchOwedMs = -1;
  /** Times of our latest resets, a ring made at the first one. */
  #ownResetTimes: Float64Array | null = null;
  #ownResetNext = 0;
  #emptyData = 0;
  #smallDataBudget: number;
  #windowUpdates = 0;
  #dataFramesSent = 0;
  #streamsSeen = 0;
  #pingStrikes = 0;
  /** Null before the first. */
  #lastPingMs: number | null = null;
  /** We sent HEADERS or DATA since the last PING. */
  #sentSincePing = false;

  constructor(limits: Limits, enforcePingPolicy: boolean) {
    this.#limits = limits;
    this.#enforcePingPolicy = enforcePingPolicy;
    this.#smallDataBudget = limits.smallDataBudgetOctets;
  }

  /**
   * L3: the peer reset a stream whose call was unfinished (Rapid Reset, CVE-2023-44487). `cost`: as `StreamListener.costOfReset`. Calls with
   * a timeout have a budget of their own, so that neither kind pays for the other, or uses up what the other needs.
   */
  onPeerReset(nowMs: number, cost: number | null): Verdict {
    const { peerResetBurst: burst, peerResetsPerSecond: rate } = this.#limits;
    if (cost === null) this.#peerResets ??= new TokenBucket(burst, rate, nowMs);
    else this.#timedResets ??= new TokenBucket(burst, rate, nowMs);
    const budget = cost === null ? this.#peerResets : this.#timedResets;
    return budget?.take(nowMs, cost ?? 1) === false ? 'too_many_resets' : null;
  }

  /** L4: we had to reset or refuse a stream because of the peer (MadeYouReset, CVE-2025-8671). */
  onOwnReset(nowMs: number): Verdict {
    const allowed = this.#limits.ownResets;
    if (allowed === 0) return 'too_many_errors';
    if (this.#ownResetTimes === null) {
      this.#ownResetTimes = new Float64Array(allowed).fill(Number.NEGATIVE_INFINITY);
    }
    const oldest = this.#ownResetTimes[this.#ownResetNext] ?? Number.NEGATIVE_INFINITY;
    this.#ownResetTimes[this.#ownResetNext] = nowMs;
    this.#ownResetNext = this.#ownResetNext + 1 === allowed ? 0 : this.#ownResetNext + 1;
    return nowMs - oldest < this.#limits.ownResetWindowMs ? 'too_many_errors' : null;
  }

  /** L10: a frame that did no work. */
  onGlitch(nowMs: number): Verdict {
    if (this.#glitches === null) {
      const { glitchBurst, glitchesPerSecond } = this.#limits;
      this.#glitches = bucketOwing(this.#glitchOwedMs, glitchBurst, glitchesPerSecond, nowMs);
    }
    return this.#glitches.take(nowMs) ? null : 'too_many_glitches';
  }

  /** L12: a SETTINGS frame without ACK. */
  onSettings(nowMs: number): Verdict {
    const { settingsBurst, settingsPerSecond, glitchBurst } = this.#limits;
    if (this.#settings === null) {
      if (this.#settingsOwedMs < 0 && settingsBurst >= 1 && glitchBurst >= 1) {
        // Whole, as a fraction would take an object of its own in each of the two.
        const owedMs = Math.floor(nowMs);
        this.#settingsOwedMs = owedMs;
        if (this.#glitches === null) {
          this.#glitchOwedMs = owedMs;
          return null;
        }
        return this.onGlitch(nowMs);
      }
      this.#settings = bucketOwing(this.#settingsOwedMs, settingsBurst, settingsPerSecond, nowMs);
    }
    return this.#settings.take(nowMs) ? this.onGlitch(nowMs) : 'too_many_settings';
  }

  /** L10 and, on servers, L11: a PING without ACK. `hasStreams`: whether any call is open. */
  onPing(nowMs: number, hasStreams: boolean): Verdict {
    if (this.#sentSincePing) {
      // gRFC A8: HEADERS or DATA of ours explain a PING: clients measure the bandwidth-delay product with one per round trip, on a fast
      // path thousands a second. It is as rare as our own frames, so it is no glitch either.
      this.#sentSincePing = false;
      this.#pingStrikes = 0;
      this.#lastPingMs = nowMs;
      return null;
    }
    if (this.#enforcePingPolicy) {
      const { pingMinIntervalMs, pingMinIntervalWithoutCallsMs, pingStrikes } = this.#limits;
      const least = hasStreams ? pingMinIntervalMs : pingMinIntervalWithoutCallsMs;
      // gRFC A8: the first ping is free; one that comes too soon after the last is a strike.
      if (this.#lastPingMs !== null && nowMs - this.#lastPingMs < least) {
        this.#pingStrikes += 1;
        if (this.#pingStrikes > pingStrikes) return 'too_many_pings';
      }
      this.#lastPingMs = nowMs;
    }
    return this.onGlitch(nowMs);
  }

  /** We sent HEADERS or DATA. */
  onTrafficSent(dataFrame: boolean): void {
    this.#sentSincePing = true;
    if (dataFrame) this.#dataFramesSent += 1;
  }

  onStreamOpened(): void {
    this.#streamsSeen += 1;
    // Streams that end early have frames under way, which may come when they are forgotten (L32): calls by the thousand explain some.
    if (this.#glitches !== null) this.#glitches.give(GLITCHES_PER_STREAM);
    else this.#glitchOwedMs = -1;
  }

  /** L13, L14: a DATA frame of `octets` payload. `emptyInARow`: how many empty ones the stream has had in a row, this one included. */
  onData(octets: number, endStream: boolean, emptyInARow: number): Verdict {
    if (octets > 0) {
      // Each frame that carries something pays for an empty one: a connection of any age may have both, a flood has one kind only.
      if (this.#emptyData > 0) this.#emptyData -= 1;
    }
    if (endStream) return null;
    if (octets === 0) {
      this.#emptyData += 1;
      return emptyInARow > this.#limits.maxEmptyDataInARow ||
        this.#emptyData > this.#limits.maxEmptyData
        ? 'too_many_empty_data'
        : null;
    }
    // A whole message has at least its prefix: what is smaller is a fragment that no honest sender cuts so small time and again.
    if (octets < MESSAGE_PREFIX_OCTETS) {
      this.#smallDataBudget -= this.#limits.smallDataOctets - octets;
    }
    return null;
  }

  /** L14: judged after the read's events were handled, when what the application wanted has earned its overhead back. */
  onReadEnd(): Verdict {
    return this.#smallDataBudget < 0 ? 'too_much_small_data' : null;
  }

  /** L14: the application consumed `octets`, or waits for the message they belong to. */
  onConsumed(octets: number): void {
    // A message of n octets may have come in frames as small as one octet; what is consumed is no longer held.
    this.#smallDataBudget = Math.min(
      this.#limits.smallDataBudgetOctets,
      this.#smallDataBudget + octets * this.#limits.smallDataOctets,
    );
  }

  /** L15: a WINDOW_UPDATE; beyond what our DATA explains it counts as a glitch. */
  onWindowUpdate(nowMs: number): Verdict {
    this.#windowUpdates += 1;
    const allowance =
      this.#limits.windowUpdateBase + 2 * (this.#streamsSeen + 10 * this.#dataFramesSent);
    return this.#windowUpdates > allowance ? this.onGlitch(nowMs) : null;
  }
}
