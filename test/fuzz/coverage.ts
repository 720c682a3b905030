/** Which code has run: V8's precise block coverage of our own files, through the inspector of this process. */

import { Session } from 'node:inspector';

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

const OURS = /\/(framing|transport|lib)\//;

/** Tells inputs that reach new code from others. */
export class CoverageMeter {
  readonly #session: Session = new Session();
  readonly #seen: Set<string> = new Set();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Blocks seen so far. */
  get blocks(): number {
    return this.#seen.size;
  }

  /** What ran since the last look and had not run before; it counts as seen from now on. */
  takeNew(): ReadonlySet<string> {
    const found = new Set<string>();
    for (const key of this.#take()) {
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      found.add(key);
    }
    return found;
  }

  /** Whether one of `keys` ran since the last look. */
  reached(keys: ReadonlySet<string>): boolean {
    return this.#take().some((key) => keys.has(key));
  }

  #take(): string[] {
    const keys: string[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      for (const script of (answer as { result: readonly ScriptCoverage[] }).result) {
        if (!OURS.test(script.url)) continue;
        for (const { ranges } of script.functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            if (count === 0) continue;
            // Powers of two: a loop run four times as often is news too.
            const times = Math.min(6, Math.floor(Math.log2(count) / 2));
            keys.push(`${script.url}:${startOffset}-${endOffset}:${times}`);
          }
        }
      }
    });
    return keys;
  }

  stop(): void {
    this.#session.disconnect();
  }
}
