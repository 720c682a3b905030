/** Asks the health service of a server (grpc/grpc doc/health-checking.md). */

import { stub } from '../alpha/implementations.ts';
import { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import { DEFAULT_TIMEOUT_SECONDS, type ServiceCallOptions, withStub } from './call-service.ts';
import { healthDefinition, ServingStatus } from './health-definition.ts';

/**
 * The status of `service` ('': the server as a whole) on the server at `host` and `port`, as in `stub`. SERVICE_UNKNOWN when the server does
 * not know it; rejects with RpcError when the server cannot be asked, with code UNIMPLEMENTED when it has no health service.
 */
export function healthCheck(
  host: string,
  port: number | undefined,
  service = '',
  options: ServiceCallOptions = {},
): Promise<ServingStatus> {
  const definition = healthDefinition();
  const timeout = options.timeout ?? DEFAULT_TIMEOUT_SECONDS;
  return withStub(
    definition.name,
    definition.invocationDescriptions(),
    host,
    port,
    options,
    async (health) => {
      try {
        return (await health.Check({ service }, timeout)).status;
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
 * The status of `service` and each change of it, until the loop over it is left; a slow reader gets the latest. Throws RpcError when the
 * server ends the watch, or cannot be asked; UNIMPLEMENTED when it has no health service.
 */
export async function* watchHealth(
  host: string,
  port: number | undefined,
  service = '',
  options: ServiceCallOptions = {},
): AsyncGenerator<ServingStatus, void, undefined> {
  const definition = healthDefinition();
  const health = stub(
    definition.name,
    definition.invocationDescriptions(),
    host,
    port,
    options,
  ).open();
  try {
    const responses = health.Watch({ service }, options.timeout ?? Number.POSITIVE_INFINITY);
    for await (const { status } of responses) yield status;
  } finally {
    await health.close();
  }
}
