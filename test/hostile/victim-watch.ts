/** What a victim watches in its own process: memory, stalls of its event loop, and faults that no victim may have. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

/** What the parent is told. */
export interface ProcessReport {
  /** heapUsed + external now, after garbage collection when asked for. */
  readonly octets: number;
  /** The most of them since the last reset. */
  readonly peakOctets: number;
  /** Longest stall of the event loop since the last reset. */
  readonly stallMs: number;
  readonly cpuMs: number;
  /** uncaughtException, unhandledRejection, process warnings, lines on stderr: I1. */
  readonly faults: readonly string[];
  /** Open handles by kind. */
  readonly resources: number;
}

const SAMPLE_MS = 50;
const MAX_FAULTS = 20;

/** Watches this process from construction on. */
export class ProcessWatch {
  readonly #faults: string[] = [];
  readonly #delay = monitorEventLoopDelay({ resolution: 10 });
  #peakOctets = 0;
  #cpu: NodeJS.CpuUsage = process.cpuUsage();

  constructor() {
    const fault = (kind: string, error: unknown): void => {
      if (this.#faults.length >= MAX_FAULTS) return;
      this.#faults.push(`${kind}: ${error instanceof Error ? error.stack : String(error)}`);
    };
    process.on('uncaughtException', (error) => fault('uncaughtException', error));
    process.on('unhandledRejection', (error) => fault('unhandledRejection', error));
    process.on('warning', (warning) => fault('warning', warning));
    this.#delay.enable();
    setInterval(() => this.#sample(), SAMPLE_MS).unref();
  }

  /** Starts a new period. */
  reset(): void {
    collectGarbage();
    this.#peakOctets = 0;
    this.#delay.reset();
    this.#cpu = process.cpuUsage();
    this.#sample();
  }

  report(collect: boolean): ProcessReport {
    if (collect) collectGarbage();
    const octets = this.#sample();
    const { user, system } = process.cpuUsage(this.#cpu);
    return {
      octets,
      peakOctets: this.#peakOctets,
      stallMs: this.#delay.max / 1e6,
      cpuMs: (user + system) / 1000,
      faults: this.#faults,
      resources: process.getActiveResourcesInfo().length,
    };
  }

  #sample(): number {
    // Not process.memoryUsage(), which opens a file: a victim may have no descriptor left.
    const { used_heap_size: heapUsed, external_memory: external } = getHeapStatistics();
    const octets = heapUsed + external;
    this.#peakOctets = Math.max(this.#peakOctets, octets);
    return octets;
  }
}

function collectGarbage(): void {
  const { gc } = globalThis as { gc?: () => void };
  gc?.();
  gc?.();
}
