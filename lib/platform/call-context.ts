/**
 * The async context that carries scopes of served calls (lib/call-scope.ts). It is on only while this process both serves calls and has a
 * channel whose calls may inherit from them, because it is not free: on Node 20 and 22 a process that uses AsyncLocalStorage pays for
 * every promise (measured: 0.1 us per await without, 0.7 us with), on Node 24 and later for every served call (0.5 us).
 */

import type { AsyncLocalStorage } from 'node:async_hooks';
import type { CallScope, ScopeStorage } from '../call-scope.ts';

/** Scopes in an AsyncLocalStorage. */
class AsyncScopes implements ScopeStorage {
  readonly #storage: AsyncLocalStorage<CallScope | null>;

  constructor() {
    // Loaded here, as most processes never need it.
    const hooks = process.getBuiltinModule('node:async_hooks');
    this.#storage = new hooks.AsyncLocalStorage();
  }

  current(): CallScope | null {
    return this.#storage.getStore() ?? null;
  }

  run<Argument>(
    scope: CallScope | null,
    fn: (argument: Argument) => void,
    argument: Argument,
  ): void {
    this.#storage.run(scope, fn, argument);
  }

  /** Takes the cost away until the next `run`. */
  disable(): void {
    this.#storage.disable();
  }
}

/** Who takes part: those who serve calls, and those who make calls that inherit. */
const users = { servers: 0, channels: 0 };
let scopes: AsyncScopes | null = null;
let active: AsyncScopes | null = null;

function update(): void {
  if (users.servers > 0 && users.channels > 0) {
    scopes ??= new AsyncScopes();
    active = scopes;
  } else {
    active?.disable();
    active = null;
  }
}

/** The storage, or null while nothing can be inherited in this process. */
export function scopeStorage(): ScopeStorage | null {
  return active;
}

/** Takes part from now on; the function returned ends it, once. */
export function joinCallContext(role: keyof typeof users): () => void {
  users[role] += 1;
  update();
  let joined = true;
  return () => {
    if (!joined) return;
    joined = false;
    users[role] -= 1;
    update();
  };
}
