/** The form of a table of RFC sentences: each MUST or MUST NOT in our own short words, with the tests that prove it. */

/** One sentence, or a few that say the same thing. */
export interface RfcSentence {
  readonly section: string;
  /** How many capitalised MUST and MUST NOT of that section this row accounts for; 0 for a rule the RFC states without them. */
  readonly keywords: number;
  readonly rule: string;
  /** `folder/file › title` below test/, without suffix; empty when there is a `reason`. */
  readonly tests: readonly string[];
  /** Why there is no test: the sentence does not bind us. */
  readonly reason: string | null;
}

/** Sentences of one RFC, and how many such keywords each of its sections has. */
export interface RfcTable {
  readonly name: string;
  readonly keywords: Readonly<Record<string, number>>;
  readonly sentences: readonly RfcSentence[];
}

/** A sentence that binds an endpoint, and its tests. */
export function must(
  section: string,
  keywords: number,
  rule: string,
  ...tests: readonly string[]
): RfcSentence {
  return { section, keywords, rule, tests, reason: null };
}

/** A sentence that does not bind us, and why. */
export function notOurs(
  section: string,
  keywords: number,
  rule: string,
  reason: string,
): RfcSentence {
  return { section, keywords, rule, tests: [], reason };
}
