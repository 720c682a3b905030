/** The service of the demo as @grpc/grpc-js loads it, and the types that grpc-js itself does not give. */

import {
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  loadPackageDefinition,
  type Metadata,
  type requestCallback,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import {
  type Chunk,
  type DownloadRequest,
  type FileInfo,
  PROTO_FILE,
  type SearchQuery,
  type SearchResult,
  type StatRequest,
  type UploadSummary,
} from './source-files-definition.ts';

/** Options of a call. */
export interface GrpcJsCallOptions {
  readonly deadline: number;
}

/** A grpc-js client of the demo's service. */
export interface GrpcJsClient extends Client {
  Stat(
    request: StatRequest,
    metadata: Metadata,
    options: GrpcJsCallOptions,
    callback: requestCallback<FileInfo>,
  ): ClientUnaryCall;
  Download(
    request: DownloadRequest,
    metadata: Metadata,
    options: GrpcJsCallOptions,
  ): ClientReadableStream<Chunk>;
  Upload(
    metadata: Metadata,
    options: GrpcJsCallOptions,
    callback: requestCallback<UploadSummary>,
  ): ClientWritableStream<Chunk>;
  Search(
    metadata: Metadata,
    options: GrpcJsCallOptions,
  ): ClientDuplexStream<SearchQuery, SearchResult>;
}

/** The client class that grpc-js makes of the `.proto`. */
export interface GrpcJsClientClass {
  new (address: string, credentials: ChannelCredentials): GrpcJsClient;
  readonly service: ServiceDefinition<UntypedServiceImplementation>;
}

interface Packages {
  readonly demo: { readonly v1: { readonly SourceFiles: GrpcJsClientClass } };
}

/** Loads the service with @grpc/proto-loader, from the same `.proto`. */
export function loadGrpcJsService(): GrpcJsClientClass {
  const definition = loadSync(PROTO_FILE, { defaults: true });
  return (loadPackageDefinition(definition) as unknown as Packages).demo.v1.SourceFiles;
}
