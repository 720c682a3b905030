/**
 * The stub itself, whatever its RPCs look like: the only-in-context rule, RPCs as properties, and errors for every other name. RPCs are
 * getters of the object itself; an unknown name falls through to a prototype that throws, so that a call pays for no Proxy.
 *
 *   closed -- open() --> open -- close() --> closed …   each stay in `open` has a context of its own
 */

import type { ChannelStats } from '../channel/channel.ts';
import type { StubMemberName } from './interfaces.ts';

/** What a stub holds while it is open. */
export interface StubContext {
  /** One function per method, in the order of the names: a new callable at each call. */
  readonly makers: readonly (() => unknown)[];
  /** What the channel is doing; left out when it is in another thread. */
  readonly stats?: () => ChannelStats | null;
  /** No new RPCs from now on; fulfilled when those in flight have ended. */
  close(): Promise<void>;
}

/** RPCs of these names are reached through `rpc()` only: the members, and `then`, which would make a promise of a stub call that RPC. */
const MEMBER_NAMES: ReadonlySet<string> = new Set<StubMemberName>([
  'open',
  'close',
  'rpc',
  'stats',
  'then',
]);

/** Names that code outside asks any object for; as on every object, they are not errors. */
const UNIVERSAL_NAMES: ReadonlySet<string> = new Set([
  // `await` and `Promise.resolve` ask for `then`, JSON.stringify for `toJSON`.
  'then',
  'toJSON',
  ...Object.getOwnPropertyNames(Object.prototype),
]);

/** End of every stub's prototype chain: raises for each name that is neither a member nor an RPC. */
const strictPrototype: object = new Proxy(Object.create(Object.prototype) as object, {
  get(target: object, name: string | symbol, receiver: unknown): unknown {
    if (typeof name === 'string' && !UNIVERSAL_NAMES.has(name)) {
      StubObject.raiseFor(receiver, name);
    }
    return Reflect.get(target, name, receiver) as unknown;
  },
});

/** A stub without the types of its RPCs. */
export class StubObject {
  readonly #serviceName: string;
  readonly #names: readonly string[];
  readonly #enter: () => StubContext;
  #context: StubContext | null;
  /** The last `close()` in progress or done. */
  #closing: Promise<void> | null;

  /** `enter` makes the context of one stay; `names` are the RPCs. */
  constructor(serviceName: string, names: readonly string[], enter: () => StubContext) {
    this.#serviceName = serviceName;
    this.#names = names;
    this.#enter = enter;
    this.#context = null;
    this.#closing = null;
    names.forEach((name, index) => {
      if (MEMBER_NAMES.has(name)) return;
      Object.defineProperty(this, name, {
        get: () => this.#make(name, index),
        enumerable: false,
        configurable: true,
      });
    });
  }

  open(): this {
    if (this.#context !== null) {
      throw new Error(`the stub of ${this.#serviceName} is already open`);
    }
    this.#context = this.#enter();
    return this;
  }

  async close(): Promise<void> {
    const context = this.#context;
    if (context === null) throw new Error(`the stub of ${this.#serviceName} is not open`);
    this.#context = null;
    this.#closing = context.close();
    await this.#closing;
  }

  rpc(name: string): unknown {
    const index = this.#names.indexOf(name);
    if (index < 0) this.#raise(name);
    return this.#make(name, index);
  }

  stats(): ChannelStats | null {
    const context = this.#context;
    if (context === null) return null;
    if (context.stats === undefined) {
      throw new TypeError('a blocking stub has no stats(): its connection is in another thread');
    }
    return context.stats();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#context !== null) await this.close();
    else await this.#closing;
  }

  /** Service, state and RPC names of `stub` in one line. */
  static describe(stub: StubObject): string {
    const state = stub.#context === null ? 'not open' : 'open';
    return `Stub of ${stub.#serviceName} (${state}) { ${stub.#names.join(', ')} }`;
  }

  /** Raises for a property that `stub` does not have. @internal */
  static raiseFor(stub: unknown, name: string): void {
    if (typeof stub === 'object' && stub !== null && #names in stub) stub.#raise(name);
  }

  #make(name: string, index: number): unknown {
    const make = this.#context?.makers[index];
    if (make === undefined) this.#raise(name);
    return make();
  }

  #raise(name: string): never {
    if (this.#context === null) {
      throw new Error(
        `the stub of ${this.#serviceName} is not open: call open() before using ${JSON.stringify(name)}`,
      );
    }
    const known = this.#names.length === 0 ? 'none' : this.#names.join(', ');
    throw new TypeError(
      `the stub of ${this.#serviceName} has no RPC ${JSON.stringify(name)}; its RPCs are: ${known}`,
    );
  }
}

Object.setPrototypeOf(StubObject.prototype, strictPrototype);
// What consoles ask an object for to show it; without it they would look at properties and meet the strict prototype.
Object.defineProperty(StubObject.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(this: StubObject): string {
    return StubObject.describe(this);
  },
});
