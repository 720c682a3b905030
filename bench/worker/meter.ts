/** Counts the completions of one slice and, where the workload asks for it, their latencies. */

import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks';
import type { LatencySummary, Load, RunParams, RunResult } from '../protocol.ts';

/** One slice: arms ask `stopped` before each call and report each completion. */
export class Meter {
  /** True once the slice is over: arms finish what is in flight and start nothing more. */
  stopped: boolean;
  completions: number;
  /** Calls or streams to keep going at once. */
  readonly inFlight: number;
  readonly runParams: RunParams;
  readonly #histogram: RecordableHistogram | null;
  readonly #startedAt: number;
  #windowStart: number;
  #windowEnd: number;
  #completionsAtStart: number;
  #completionsAtEnd: number;
  readonly #timers: NodeJS.Timeout[];

  constructor(params: RunParams, load: Load) {
    this.stopped = false;
    this.completions = 0;
    this.inFlight = params.inFlight === 0 ? load.inFlight : params.inFlight;
    this.runParams = params;
    this.#histogram = load.latency ? createHistogram({ figures: 3 }) : null;
    this.#startedAt = performance.now();
    this.#windowStart = this.#startedAt;
    this.#windowEnd = this.#startedAt;
    this.#completionsAtStart = 0;
    this.#completionsAtEnd = 0;
    this.#timers = [
      setTimeout(() => this.#openWindow(), params.rampMs),
      setTimeout(() => this.stop(), params.rampMs + params.durationMs),
    ];
  }

  /** Counts `count` completions; ends the slice when its limit is reached. */
  complete(count: number): void {
    this.completions += count;
    const limit = this.runParams.maxCompletions;
    if (limit !== 0 && this.completions >= limit && !this.stopped) this.stop();
  }

  /** Records the latency of a completion that began at `startedAt` (performance.now()). */
  record(startedAt: number): void {
    if (this.#histogram === null) return;
    const nanoseconds = Math.round((performance.now() - startedAt) * 1e6);
    this.#histogram.record(Math.max(nanoseconds, 1));
  }

  /** Ends the measured window. */
  stop(): void {
    if (this.stopped) return;
    for (const timer of this.#timers) clearTimeout(timer);
    this.stopped = true;
    this.#windowEnd = performance.now();
    this.#completionsAtEnd = this.completions;
  }

  /** Call once the arm has drained; `usage` comes from the process. */
  result(): Omit<RunResult, 'usage'> {
    this.stop();
    return {
      completions: this.#completionsAtEnd - this.#completionsAtStart,
      windowMs: this.#windowEnd - this.#windowStart,
      totalCompletions: this.completions,
      totalMs: performance.now() - this.#startedAt,
      latency: this.#histogram === null ? null : summarize(this.#histogram),
    };
  }

  #openWindow(): void {
    this.#windowStart = performance.now();
    this.#completionsAtStart = this.completions;
    // Latencies of the ramp are those of a process that was just idle.
    this.#histogram?.reset();
  }
}

function summarize(histogram: RecordableHistogram): LatencySummary {
  const micros = (nanoseconds: number): number => Math.round(nanoseconds / 10) / 100;
  if (histogram.count === 0) {
    return { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
  }
  return {
    count: histogram.count,
    mean: micros(histogram.mean),
    p50: micros(histogram.percentile(50)),
    p90: micros(histogram.percentile(90)),
    p99: micros(histogram.percentile(99)),
    p999: micros(histogram.percentile(99.9)),
    max: micros(histogram.max),
  };
}
