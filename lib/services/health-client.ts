/** Asks the health service of a server (grpc/grpc doc/health-checking.md). */

import { stubOf } from '../alpha/implementations.ts';
import type { CancellableIterator } from '../alpha/interfaces.ts';
import { assertKnownOptions } from '../known-options.ts';
import { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import {
  callOptions,
  DEFAULT_TIMEOUT_SECONDS,
  SERVICE_CALL_OPTIONS,
  type ServiceCallOptions,
  withStub,
} from './call-service.ts';
import { healthDefinition, ServingStatus } from './health-definition.ts';

/**
 * The status of `service` ('': the server as a whole) on the server at `host` and `port`, as in `stub`. SERVICE_UNKNOWN when the server does
 * not know it; rejects with RpcError when the server cannot be asked, with code UNIMPLEMENTED when it has no health service.
 */
export async function healthCheck(
  host: string,
  port: number | undefined,
  service = '',
  options: ServiceCallOptions = {},
): Promise<ServingStatus> {
  assertKnownOptions(options, SERVICE_CALL_OPTIONS, 'healthCheck()');
  const definition = healthDefinition();
  const asked = callOptions(options, DEFAULT_TIMEOUT_SECONDS);
  return withStub(
    definition.name,
    definition.invocationDescriptions(),
    host,
    port,
    options,
    async (health) => {
      try {
        return (await health.Check({ service }, asked)).status;
      } catch (error) {
        if (error instanceof RpcError && error.code === Status.NOT_FOUND) {
          return ServingStatus.SERVICE_UNKNOWN;
        }
        throw error;
      }
    },
  );
}

/**
 * The status of `service` and each change of it, until the loop over it is left; a slow reader gets the latest. `next` throws RpcError when the
 * server ends the watch, or cannot be asked; UNIMPLEMENTED when it has no health service. Throws as `stub` does.
 */
export function watchHealth(
  host: string,
  port: number | undefined,
  service = '',
  options: ServiceCallOptions = {},
): HealthWatch {
  assertKnownOptions(options, SERVICE_CALL_OPTIONS, 'watchHealth()');
  const definition = healthDefinition();
  const methods = definition.invocationDescriptions();
  const health = stubOf(definition.name, methods, host, port, options);
  return new StatusWatcher(() => {
    const asked = callOptions(options, Number.POSITIVE_INFINITY);
    const opened = health.open();
    try {
      return { responses: opened.Watch({ service }, asked), close: () => health.close() };
    } catch (error) {
      // Of the options. It has no RPC, so that nothing of it goes on.
      void health.close();
      throw error;
    }
  });
}

/** The statuses of a service as they come. */
export interface HealthWatch extends AsyncIterable<ServingStatus>, AsyncDisposable {
  [Symbol.asyncIterator](): HealthWatch;
  next(): Promise<IteratorResult<ServingStatus, undefined>>;
  /** Ends the watch, also while `next` waits. */
  return(): Promise<IteratorResult<ServingStatus, undefined>>;
  /** As `return`, but rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<ServingStatus, undefined>>;
}

interface Watched {
  readonly responses: CancellableIterator<{ readonly status: ServingStatus }>;
  close(): Promise<void>;
}

/** No generator: `return()` of one waits for the `next()` before it, here for a change that may never come. */
class StatusWatcher implements HealthWatch {
  readonly #begin: () => Watched;
  #watched: Watched | null;
  #over: boolean;

  constructor(begin: () => Watched) {
    this.#begin = begin;
    this.#watched = null;
    this.#over = false;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<ServingStatus, undefined>> {
    if (this.#over) return { value: undefined, done: true };
    this.#watched ??= this.#begin();
    try {
      const { value, done } = await this.#watched.responses.next();
      if (done !== true) return { value: value.status };
    } catch (error) {
      await this.#end();
      throw error;
    }
    await this.#end();
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorResult<ServingStatus, undefined>> {
    await this.#end();
    return { value: undefined, done: true };
  }

  async throw(error?: unknown): Promise<IteratorResult<ServingStatus, undefined>> {
    await this.#end();
    throw error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  async #end(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    if (this.#watched === null) return;
    await this.#watched.responses.return();
    await this.#watched.close();
  }
}
