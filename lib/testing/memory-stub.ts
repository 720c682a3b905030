/** A stub of grpc.framework.alpha whose service lives beside it: the whole protocol stack, but no socket, port or certificate. */

import { CLIENT_LIMITS, type Limits, SERVER_LIMITS } from '../../transport/limits.ts';
import type { MetadataTransformer } from '../alpha/bound-method.ts';
import {
  type ClientInterceptor,
  interceptorList,
  type ServerInterceptor,
} from '../alpha/interceptors.ts';
import type { InvocationMethods, ServiceMethods, Stub } from '../alpha/interfaces.ts';
import { serverMethods } from '../alpha/service-handler.ts';
import { makeStub } from '../alpha/stub.ts';
import { threadClock } from '../alpha/thread-clock.ts';
import { type ErrorReporter, reportToConsole } from '../error-reporter.ts';
import { assertKnownOptions, type KnownOptions } from '../known-options.ts';
import { GrpcServer } from '../server/server.ts';
import { createMemoryChannel } from './memory-channel.ts';

/** Options of `memoryStub`; all have defaults. */
export interface MemoryStubOptions {
  /** As in the options of `stub`. */
  readonly metadataTransformer?: MetadataTransformer | undefined;
  /** As in the options of `stub`, and of `server`. */
  readonly interceptors?: readonly ClientInterceptor[] | undefined;
  readonly serverInterceptors?: readonly ServerInterceptor[] | undefined;
  /** Limits of the client's side and of the server's, laid over the defaults. */
  readonly limits?: Partial<Limits> | undefined;
  readonly serverLimits?: Partial<Limits> | undefined;
  /** Receives what behaviours raise without carrying a status. By default one line is written to stderr. */
  readonly onError?: ErrorReporter | undefined;
}

const MEMORY_STUB_OPTIONS: KnownOptions<MemoryStubOptions> = {
  metadataTransformer: true,
  interceptors: true,
  serverInterceptors: true,
  limits: CLIENT_LIMITS,
  serverLimits: SERVER_LIMITS,
  onError: true,
};

/**
 * A stub of the service `serviceName`, whose RPCs `methods` are served by `serviceMethods` in this thread. It opens and closes as any stub;
 * each stay in its context has a server of its own, which ends with it. Throws as `stub` and `server` do for methods that are none and for unknown
 * options.
 */
export function memoryStub<Methods extends InvocationMethods>(
  serviceName: string,
  methods: Methods,
  serviceMethods: ServiceMethods,
  options: MemoryStubOptions = {},
): Stub<Methods> {
  assertKnownOptions(options, MEMORY_STUB_OPTIONS, 'memoryStub()');
  const report = options.onError ?? reportToConsole;
  const served = serverMethods(
    serviceName,
    serviceMethods,
    threadClock,
    report,
    interceptorList(options.serverInterceptors),
  );
  return makeStub(serviceName, methods, {
    metadataTransformer: options.metadataTransformer ?? null,
    report,
    interceptors: interceptorList(options.interceptors),
    openChannel: () => {
      const server = new GrpcServer({
        reportError: report,
        ...(options.serverLimits === undefined ? {} : { limits: options.serverLimits }),
      });
      server.addMethods(served);
      const channel = createMemoryChannel(server, {
        reportError: report,
        ...(options.limits === undefined ? {} : { limits: options.limits }),
      });
      return {
        clock: channel.clock,
        authority: channel.authority,
        maxUndeliveredMessages: channel.maxUndeliveredMessages,
        createCall: (method, callOptions) => channel.createCall(method, callOptions),
        close: async () => {
          await channel.close();
          await server.shutdown(0);
        },
      };
    },
  });
}
