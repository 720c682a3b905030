/** The well-behaved client that goes on calling while others attack: invariant I2. */

import type { ClientCall } from '../../lib/call/call.ts';
import { Channel } from '../../lib/channel/channel.ts';
import { Status } from '../../lib/status.ts';
import { callOptions, startUnary, withTimeout } from '../support/client-calls.ts';
import { ECHO, ECHO_STREAM } from '../support/echo-service.ts';

/** How the bystander fared. */
export interface BystanderReport {
  readonly calls: number;
  /** What went wrong, in words. */
  readonly failures: readonly string[];
  readonly slowestMs: number;
  readonly p99Ms: number;
}

const CALL_INTERVAL_MS = 50;
/** Far beyond what any call may take: a bystander that hangs has failed. */
const CALL_TIMEOUT_MS = 10_000;

/** Twenty unary calls a second and one open stream, on a connection of its own. */
export class Bystander {
  readonly #channel: Channel;
  readonly #timer: NodeJS.Timeout;
  readonly #latencies: number[] = [];
  readonly #failures: string[] = [];
  readonly #pending: Set<Promise<void>> = new Set();
  #stream: ClientCall | null = null;
  #streamSent = 0;
  #streamReceived = 0;
  #stopping = false;

  constructor(port: number) {
    this.#channel = new Channel(`127.0.0.1:${port}`);
    this.#openStream();
    this.#timer = setInterval(() => this.#tick(), CALL_INTERVAL_MS);
  }

  /** Resolves when a call has been answered, or one has failed. */
  async served(): Promise<void> {
    while (this.#latencies.length + this.#failures.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends its calls and says how they went. */
  async stop(): Promise<BystanderReport> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    const endMs = Date.now() + CALL_TIMEOUT_MS;
    while (
      this.#streamReceived < this.#streamSent &&
      Date.now() < endMs &&
      !this.#failures.length
    ) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (this.#streamReceived < this.#streamSent) {
      this.#failures.push(`stream: ${this.#streamReceived} of ${this.#streamSent} came back`);
    }
    this.#stopping = true;
    await this.#channel.closeNow();
    const sorted = this.#latencies.sort((a, b) => a - b);
    return {
      calls: sorted.length,
      failures: this.#failures,
      slowestMs: sorted.at(-1) ?? 0,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    };
  }

  #tick(): void {
    const pending = this.#call().finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
    this.#streamSent += 1;
    this.#stream?.sendMessage(new Uint8Array(100));
  }

  async #call(): Promise<void> {
    const startMs = performance.now();
    const payload = new Uint8Array(64);
    const { outcome } = startUnary(this.#channel, ECHO, payload, withTimeout(CALL_TIMEOUT_MS));
    const { status, messages } = await outcome;
    this.#latencies.push(performance.now() - startMs);
    if (status.code !== Status.OK || messages[0]?.length !== payload.length) {
      this.#failures.push(`unary: ${status.code} ${status.message}`);
    }
  }

  #openStream(): void {
    const call = this.#channel.createCall(ECHO_STREAM, callOptions());
    this.#stream = call;
    call.start({
      onMetadata(): void {},
      onMessage: () => {
        this.#streamReceived += 1;
        call.request(1);
      },
      onStatus: (status) => {
        if (!this.#stopping) this.#failures.push(`stream: ${status.code} ${status.message}`);
      },
      onReady(): void {},
    });
    call.request(1);
  }
}
