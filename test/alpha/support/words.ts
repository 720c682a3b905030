/** A small service of words in all cardinalities, and stubs of it with interceptors. */

import {
  type Cardinality,
  type ClientInterceptor,
  type RpcMethodInvocationDescription,
  type RpcMethodServiceDescription,
  type ServerOptions,
  Status,
  type StubOptions,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../../lib/index.ts';
import type { TestContext } from '../../support/tap.ts';
import { fromJson, openStub, startServer, toJson } from './loopback.ts';

export const SERVICE = 'test.Words';

type Kinds = {
  readonly Say: typeof Cardinality.UNARY_UNARY;
  readonly List: typeof Cardinality.UNARY_STREAM;
  readonly Join: typeof Cardinality.STREAM_UNARY;
  readonly Chat: typeof Cardinality.STREAM_STREAM;
};

export const METHODS: {
  readonly [Name in keyof Kinds]: RpcMethodInvocationDescription<string, string, Kinds[Name]>;
} = {
  Say: unaryUnaryInvocationDescription<string, string>(toJson, fromJson),
  List: unaryStreamInvocationDescription<string, string>(toJson, fromJson),
  Join: streamUnaryInvocationDescription<string, string>(toJson, fromJson),
  Chat: streamStreamInvocationDescription<string, string>(toJson, fromJson),
};
export type Words = ReturnType<typeof openStub<typeof METHODS>>;

/** Sends initial metadata, answers with its request between brackets, and fails for 'fail'. */
export const SERVED: {
  readonly [Name in keyof Kinds]: RpcMethodServiceDescription<string, string, Kinds[Name]>;
} = {
  Say: unaryUnaryServiceDescription<string, string>(
    (request, context) => {
      context.sendInitialMetadata({ first: 'yes' });
      context.setTrailingMetadata({ seen: String(context.metadata.get('token') ?? 'none') });
      if (request === 'fail') context.abort(Status.NOT_FOUND, 'not here');
      return `[${request}]`;
    },
    fromJson,
    toJson,
  ),
  List: unaryStreamServiceDescription<string, string>(
    function* (request, context) {
      context.setTrailingMetadata({ seen: String(context.metadata.get('token') ?? 'none') });
      yield `[${request}]`;
      yield `(${request})`;
    },
    fromJson,
    toJson,
  ),
  Join: streamUnaryServiceDescription<string, string>(
    async (requests) => {
      const all: string[] = [];
      for await (const request of requests) all.push(request);
      return all.join('+');
    },
    fromJson,
    toJson,
  ),
  Chat: streamStreamServiceDescription<string, string>(
    async function* (requests) {
      for await (const request of requests) yield `[${request}]`;
    },
    fromJson,
    toJson,
  ),
};

/** A stub of a server of its own, with interceptors. */
export async function openWords(
  t: TestContext,
  interceptors: readonly ClientInterceptor[],
  options: StubOptions = {},
  serverOptions: ServerOptions = {},
): Promise<Words> {
  const server = await startServer(t, SERVICE, SERVED, serverOptions);
  return openStub(t, SERVICE, METHODS, server, { interceptors, ...options });
}
