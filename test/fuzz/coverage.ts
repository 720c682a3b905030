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

  /** Whether anything ran since the last call that had not run before. */
  foundNew(): boolean {
    let found = false;
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      for (const script of (answer as { result: readonly ScriptCoverage[] }).result) {
        if (!OURS.test(script.url)) continue;
        for (const { ranges } of script.functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            if (count === 0) continue;
            // Powers of two: a loop run four times as often is news too.
            const key = `${script.url}:${startOffset}-${endOffset}:${Math.min(6, Math.floor(Math.log2(count) / 2))}`;
            if (this.#seen.has(key)) continue;
            this.#seen.add(key);
            found = true;
          }
        }
      }
    });
    return found;
  }

  stop(): void {
    this.#session.disconnect();
  }
}
