/** `purewire/alpha`: grpc.framework.alpha, complete. */

export { type TraceSink, traceFrames } from '../../transport/frame-trace.ts';
export { EDGE_LIMITS as edge } from '../../transport/limits.ts';
export { type CallEnd, CallPhase, EndedBy } from '../call-end.ts';
export type { ChannelStats } from '../channel/channel.ts';
export type { ClientCertificatePolicy, Pem } from '../credentials.ts';
export type { ErrorReporter } from '../error-reporter.ts';
export { Metadata, type MetadataInit, type MetadataValue } from '../metadata.ts';
export type { LingeringHandlers } from '../server/lingering-handlers.ts';
export type { ServerStats } from '../server/server.ts';
export { Status } from '../status.ts';
export type { MetadataTransformer } from './bound-method.ts';
export { CancellationError, ExpirationError, RpcError } from './exceptions.ts';
export { CancelledError, type Future, TimeoutError } from './future.ts';
export {
  type BlockingStubOptions,
  blockingStub,
  type ServerOptions,
  type Services,
  type StubOptions,
  server,
  stub,
} from './implementations.ts';
export {
  type ClientInterceptor,
  type ClientRpcObserver,
  ContextKey,
  type InterceptedOutcome,
  type OutgoingRpc,
  type RpcObserver,
  type RpcOutcome,
  type RpcProgress,
  type ServerInterceptor,
  type ShownMessage,
} from './interceptors.ts';
export {
  Abortion,
  type Activated,
  type BlockingCancellableIterator,
  type BlockingRpcOf,
  type BlockingRpcs,
  type BlockingStreamUnarySyncAsync,
  type BlockingStub,
  type BlockingUnaryUnarySyncAsync,
  type CancellableIterator,
  Cardinality,
  type InvocationMethods,
  type PeerInfo,
  type RequestIterable,
  type RequestIterator,
  type ResponseIterable,
  type ResponseMetadata,
  type RpcContext,
  type RpcMethodDescription,
  type RpcMethodInvocationDescription,
  type RpcMethodServiceDescription,
  type RpcOf,
  type RpcOptions,
  type Rpcs,
  type Server,
  type ServiceMethods,
  type StreamStreamBehavior,
  type StreamStreamInvocation,
  type StreamUnaryBehavior,
  type StreamUnarySyncAsync,
  type Stub,
  type StubMembers,
  type StubObservation,
  type Timeout,
  type UnaryStreamBehavior,
  type UnaryStreamInvocation,
  type UnaryUnaryBehavior,
  type UnaryUnarySyncAsync,
} from './interfaces.ts';
export type { ClientLimits, StubChannelOptions } from './stub-channel.ts';
export {
  type Deserializer,
  type Serializer,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from './utilities.ts';
