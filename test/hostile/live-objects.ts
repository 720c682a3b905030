/** Which of a process's objects are still alive, as the garbage collector sees it. */

/** Objects that are watched without being held. */
export class LiveObjects {
  #refs: WeakRef<object>[] = [];

  /** Watches `object`. */
  add(object: object): void {
    this.#refs.push(new WeakRef(object));
  }

  /** How many of them have not been collected; look after garbage collection and in another turn than `add`. */
  count(): number {
    this.#refs = this.#refs.filter((ref) => ref.deref() !== undefined);
    return this.#refs.length;
  }
}
