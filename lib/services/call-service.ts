/** How the client functions of this folder call: one stub for as long as they need it. */

import { STUB_OPTIONS, type StubOptions, stubOf } from '../alpha/implementations.ts';
import type { InvocationMethods, RpcOptions, Stub } from '../alpha/interfaces.ts';
import type { KnownOptions } from '../known-options.ts';

/** Where to call, and how; all have defaults. */
export interface ServiceCallOptions extends StubOptions {
  /** Seconds that the whole takes at most; 10 by default, without limit for what watches. */
  readonly timeout?: number | undefined;
  /** Ends it when it aborts, with a `CancellationError`. */
  readonly signal?: AbortSignal | undefined;
}

/** The names of `ServiceCallOptions`. */
export const SERVICE_CALL_OPTIONS: KnownOptions<ServiceCallOptions> = {
  ...STUB_OPTIONS,
  timeout: true,
  signal: true,
};

/** The options of each call. `seconds`: the timeout unless told otherwise. */
export function callOptions(options: ServiceCallOptions, seconds: number): RpcOptions {
  return { timeout: options.timeout ?? seconds, signal: options.signal };
}

/** Seconds that a call takes at most, unless told otherwise. */
export const DEFAULT_TIMEOUT_SECONDS = 10;

/** Runs `use` with an open stub of the service and closes it afterwards. Rejects as `use` and `stubOf` do. */
export async function withStub<Methods extends InvocationMethods, Result>(
  serviceName: string,
  methods: Methods,
  host: string,
  port: number | undefined,
  options: ServiceCallOptions,
  use: (open: Stub<Methods>) => Promise<Result>,
): Promise<Result> {
  const open = stubOf(serviceName, methods, host, port, options).open();
  try {
    return await use(open);
  } finally {
    await open.close();
  }
}
