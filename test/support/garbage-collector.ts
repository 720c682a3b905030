/** A full garbage collection on demand, for tests that weigh what is held. */

/** Collects all garbage where the runtime offers that, else null. */
export async function garbageCollector(): Promise<(() => void) | null> {
  const global = globalThis as {
    gc?: () => void;
    Bun?: { readonly gc?: (wait: boolean) => void };
  };
  if (typeof global.gc === 'function') return global.gc;
  const bun = global.Bun;
  if (bun?.gc !== undefined) return () => bun.gc?.(true);
  try {
    const [v8, vm] = await Promise.all([import('node:v8'), import('node:vm')]);
    v8.setFlagsFromString('--expose-gc');
    const gc: unknown = vm.runInNewContext('gc');
    return typeof gc === 'function' ? (gc as () => void) : null;
  } catch {
    return null;
  }
}
