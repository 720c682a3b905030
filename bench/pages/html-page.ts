import type { BenchResult } from '../results.ts';
export function reportPage(results: readonly BenchResult[]): string {
  return String(results.length);
}
