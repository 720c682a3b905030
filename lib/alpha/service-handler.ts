/** The methods of a service description as the entries of a server's method table. */

import type { ServerMethod } from '../call/call.ts';
import type { ErrorReporter } from '../error-reporter.ts';
import { methodDescriptor } from '../method.ts';
import type { ServerInterceptor } from './interceptors.ts';
import type { ServiceMethods } from './interfaces.ts';
import { ServedMethod, ServedRpc } from './served-rpc.ts';

/**
 * The methods of a service for a server's method table. Throws TypeError, naming the method, for a name that a path cannot carry and for a
 * value that is not a service description. `report` receives what behaviours raise without a status.
 */
export function serverMethods(
  serviceName: string,
  methods: ServiceMethods,
  clock: { now(): number },
  report: ErrorReporter,
  interceptors: readonly ServerInterceptor[] | null = null,
): ServerMethod[] {
  if (typeof methods !== 'object' || methods === null) {
    throw new TypeError(
      `methods of ${serviceName} must be an object of RPC names and service descriptions`,
    );
  }
  return Object.entries(methods).map(([name, description]) => {
    if (
      typeof description?.cardinality !== 'function' ||
      typeof description.deserializeRequest !== 'function' ||
      typeof description.serializeResponse !== 'function'
    ) {
      throw new TypeError(`${serviceName}: methods.${name} is not an RpcMethodServiceDescription`);
    }
    const descriptor = methodDescriptor(serviceName, name, description.cardinality());
    const method = new ServedMethod(descriptor, description, clock, report, interceptors);
    return {
      method: descriptor,
      handler: (call) => new ServedRpc(method, call),
      // What interceptors refuse costs no decompression.
      readsOnDemand: interceptors !== null,
    };
  });
}
