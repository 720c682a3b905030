/**
 * Octets that a pipe lends for one read: its buffer is filled anew by the next. Whoever wants octets to stay copies them before the read
 * ends; who may not need them in the end borrows, and is told then. Reads are synchronous, so a process has one loan at a time.
 */

import { returnSlab } from './slab-pool.ts';

/** Who holds lent octets. */
export interface Borrower {
  /** The loan ends: copies what is still needed. Called once per `borrow`. */
  secure(): void;
}

let lent: Uint8Array | null = null;
/** What else is lent until the same end. */
const slabs: Uint8Array[] = [];
const borrowers: Borrower[] = [];

/** Lends `chunk` until `endLoan`. Called by a pipe around each call of its listener. */
export function lend(chunk: Uint8Array): void {
  lent = chunk;
}

/** Ends the loan: everybody who borrowed secures what is needed, then the buffer may be filled again. Never throws. */
export function endLoan(): void {
  if (borrowers.length > 0) {
    for (let i = 0; i < borrowers.length; i++) (borrowers[i] as Borrower).secure();
    borrowers.length = 0;
  }
  while (slabs.length > 0) returnSlab(slabs.pop() as Uint8Array);
  lent = null;
}

/** Lends `slab` too, until the loan under way ends; it goes back to the pool then. */
export function lendSlab(slab: Uint8Array): void {
  slabs.push(slab);
}

/** Whether ranges of `chunk` are valid only until the read ends. */
export function isLent(chunk: Uint8Array): boolean {
  return chunk === lent || (slabs.length > 0 && slabs.includes(chunk));
}

/** `borrower` holds ranges of the lent chunk. */
export function borrow(borrower: Borrower): void {
  borrowers.push(borrower);
}
