/** The methods a server serves. */

import type { ServerMethod } from '../call/call.ts';

/** Finds the method for a path that no entry of the table serves, or null; such as a proxy for everything. Must not throw. */
export type GenericMethod = (path: string) => ServerMethod | null;

/** From `:path` to method. A Map: a path such as `/__proto__/x` finds nothing. */
export class MethodTable {
  readonly #methods: Map<string, ServerMethod>;
  #generic: GenericMethod | null;

  constructor() {
    this.#methods = new Map();
    this.#generic = null;
  }

  /** Methods in the table. */
  get size(): number {
    return this.#methods.size;
  }

  /** Adds methods, of one service or of several; all or none. Throws TypeError naming the path when one is there already. */
  add(methods: Iterable<ServerMethod>): void {
    const added = new Map<string, ServerMethod>();
    for (const served of methods) {
      const { path } = served.method;
      if (this.#methods.has(path) || added.has(path)) {
        throw new TypeError(`method ${path} is served already`);
      }
      if (typeof served.handler !== 'function') {
        throw new TypeError(`the handler of method ${path} must be a function`);
      }
      added.set(path, served);
    }
    for (const [path, served] of added) this.#methods.set(path, served);
  }

  /** Sets what answers for all other paths. Throws TypeError when there is one already. */
  setGeneric(generic: GenericMethod): void {
    if (this.#generic !== null) throw new TypeError('the server has a generic method already');
    this.#generic = generic;
  }

  /** The method served at `path`, compared octet by octet as received (CVE-2026-33186), or null. */
  lookup(path: string): ServerMethod | null {
    return this.#methods.get(path) ?? this.#generic?.(path) ?? null;
  }
}
