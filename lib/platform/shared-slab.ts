/**
 * Memory that is handed out in parts to several owners, who need not know of each other: each part is a view, and `.buffer` of it leads to
 * all of them.
 */

/** Keeps `memory` from being moved to another thread, where the runtime can. */
type Pin = (memory: ArrayBufferLike) => void;

let pin: Pin | null = null;

/** `node:worker_threads` is loaded at the first slab: a program that only imports this library does not pay for it. */
function findPin(): Pin {
  try {
    const { markAsUntransferable } = process.getBuiltinModule('node:worker_threads');
    return (memory) => markAsUntransferable(memory);
  } catch {
    return leaveAsItIs;
  }
}

function leaveAsItIs(): void {}

/**
 * A new slab of `octets` zeros, so that what has not been written yet shows nothing of the process. Where the runtime can, no owner of a part
 * can take it from the others by transferring `.buffer` to another thread.
 */
export function sharedSlab(octets: number): Uint8Array {
  const slab = new Uint8Array(octets);
  pin ??= findPin();
  try {
    pin(slab.buffer);
  } catch {
    // Runtimes that have the function in name only.
    pin = leaveAsItIs;
  }
  return slab;
}
