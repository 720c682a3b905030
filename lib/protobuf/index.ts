/** The entry point `purewire/protobuf`: services of `.proto` definitions, without generated code. */

export {
  type LoadOptions,
  loadRoot,
  loadRootAsync,
  type ProtoFileSource,
  type ProtoTextSource,
} from './load.ts';
export { ProtoError } from './proto-error.ts';
export type { ConversionOptions, MessageCodec } from './protobufjs-codec.ts';
export {
  type BadRequest,
  type DebugInfo,
  type ErrorInfo,
  findDetail,
  type Help,
  type LocalizedMessage,
  type OpaqueDetail,
  type PreconditionFailure,
  type QuotaFailure,
  type RequestInfo,
  type ResourceInfo,
  type RetryInfo,
  type RichStatus,
  richError,
  richStatusOf,
  type StandardDetail,
  type StandardDetails,
  type StatusDetail,
} from './rich-status.ts';
export {
  type BehaviorOf,
  type Behaviors,
  type InvocationDescriptions,
  loadService,
  loadServiceAsync,
  type MethodMap,
  type MethodTypes,
  type ProtoMessage,
  type ProtoService,
  type ServiceDescriptions,
  type ServiceOptions,
  type StreamStream,
  type StreamUnary,
  type UnaryStream,
  type UnaryUnary,
  type UntypedMethods,
} from './service-descriptions.ts';
export type { ProtoMethod, ProtoRootSource, ProtoSource } from './service-methods.ts';
export type { StaticMethod, StaticModuleSource } from './static-module.ts';
