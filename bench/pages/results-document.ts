import type { BenchResult } from '../results.ts';
export function writeDocuments(results: readonly BenchResult[], folder: string): string[] {
  return [folder + results.length];
}
