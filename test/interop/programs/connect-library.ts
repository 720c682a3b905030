/** @connectrpc/connect-node as installed for the benchmarks, and the services as its own descriptors. */

import { join } from 'node:path';
import { requirePeer } from '../../../bench/project.ts';
import { loadRoot } from '../../../lib/protobuf/index.ts';
import { describedFiles } from '../../../lib/services/described-files.ts';
import { encodeFileDescriptor } from '../../../lib/services/file-descriptor.ts';
import { PROTO_FOLDER } from '../service/definition.ts';

/** An error as connect throws it. */
export interface ConnectError extends Error {
  readonly code: number;
  readonly rawMessage: string;
  readonly metadata: Headers;
}

/** Options of a call. */
export interface ConnectCallOptions {
  readonly headers?: Headers;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onHeader?: (headers: Headers) => void;
  readonly onTrailer?: (trailers: Headers) => void;
}

/** The parts of the library in use. */
export interface ConnectLibrary {
  readonly ConnectError: {
    new (message: string, code: number, metadata?: Headers): ConnectError;
    from(error: unknown): ConnectError;
  };
  createClient(service: object, transport: object): Record<string, unknown>;
  encodeBinaryHeader(octets: Uint8Array): string;
  decodeBinaryHeader(text: string): Uint8Array;
  createGrpcTransport(options: object): object;
  connectNodeAdapter(options: object): (request: object, response: object) => void;
  readonly Http2SessionManager: new (
    url: string,
    ping: undefined,
    options: object,
  ) => { abort(): void };
  /** The descriptor of a service. */
  service(name: string): object;
}

interface Protobuf {
  create(this: void, schema: object, init: object): object;
  fromBinary(this: void, schema: object, octets: Uint8Array): object;
  createFileRegistry(this: void, set: object): { getService(name: string): object | undefined };
}

/** Loads it. Throws Error when bench/node_modules is not there. */
export function loadConnect(): ConnectLibrary {
  const connect = requirePeer('@connectrpc/connect') as ConnectLibrary;
  const node = requirePeer('@connectrpc/connect-node') as ConnectLibrary;
  const protobuf = requirePeer('@bufbuild/protobuf') as Protobuf;
  const wellKnown = requirePeer('@bufbuild/protobuf/wkt') as Record<string, object>;
  const root = loadRoot({ file: join(PROTO_FOLDER, 'test.proto') });
  const file = describedFiles([root]).map((described) =>
    protobuf.fromBinary(wellKnown['FileDescriptorProtoSchema']!, encodeFileDescriptor(described)),
  );
  const set = protobuf.create(wellKnown['FileDescriptorSetSchema']!, { file });
  const registry = protobuf.createFileRegistry(set);
  return {
    ConnectError: connect.ConnectError,
    createClient: connect.createClient,
    encodeBinaryHeader: connect.encodeBinaryHeader,
    decodeBinaryHeader: connect.decodeBinaryHeader,
    createGrpcTransport: node.createGrpcTransport,
    connectNodeAdapter: node.connectNodeAdapter,
    Http2SessionManager: node.Http2SessionManager,
    service(name) {
      const service = registry.getService(name);
      if (service === undefined) throw new Error(`connect does not know the service ${name}`);
      return service;
    },
  };
}
