/** grpc.reflection.v1 and v1alpha as service definitions; names and numbers are those of grpc/grpc-proto, the same in both. */

import {
  loadService,
  type ProtoService,
  type StreamStream,
} from '../protobuf/service-descriptions.ts';

/** The version of the reflection protocol. */
export type ReflectionVersion = 'v1' | 'v1alpha';

/** An extension by the message that it extends. */
export interface ExtensionRequest {
  readonly containingType: string;
  readonly extensionNumber: number;
}

/** ServerReflectionRequest: one of the questions. */
export interface ReflectionRequest {
  readonly host?: string;
  readonly fileByFilename?: string;
  readonly fileContainingSymbol?: string;
  readonly fileContainingExtension?: ExtensionRequest;
  readonly allExtensionNumbersOfType?: string;
  readonly listServices?: string;
}

/** ServerReflectionResponse: one of the answers. */
export interface ReflectionResponse {
  readonly validHost?: string;
  readonly originalRequest?: ReflectionRequest;
  /** FileDescriptorProtos, the file asked for first. */
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Uint8Array[] };
  readonly allExtensionNumbersResponse?: {
    readonly baseTypeName: string;
    readonly extensionNumber: readonly number[];
  };
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly errorResponse?: { readonly errorCode: number; readonly errorMessage: string };
}

/** The RPC of grpc.reflection.v1.ServerReflection. */
export interface ReflectionMethods {
  readonly ServerReflectionInfo: StreamStream<ReflectionRequest, ReflectionResponse>;
}

function reflectionProto(version: ReflectionVersion): string {
  return `
syntax = "proto3";
package grpc.reflection.${version};
service ServerReflection {
  rpc ServerReflectionInfo (stream ServerReflectionRequest) returns (stream ServerReflectionResponse);
}
message ServerReflectionRequest {
  string host = 1;
  oneof message_request {
    string file_by_filename = 3;
    string file_containing_symbol = 4;
    ExtensionRequest file_containing_extension = 5;
    string all_extension_numbers_of_type = 6;
    string list_services = 7;
  }
}
message ExtensionRequest { string containing_type = 1; int32 extension_number = 2; }
message ServerReflectionResponse {
  string valid_host = 1;
  ServerReflectionRequest original_request = 2;
  oneof message_response {
    FileDescriptorResponse file_descriptor_response = 4;
    ExtensionNumberResponse all_extension_numbers_response = 5;
    ListServiceResponse list_services_response = 6;
    ErrorResponse error_response = 7;
  }
}
message FileDescriptorResponse { repeated bytes file_descriptor_proto = 1; }
message ExtensionNumberResponse { string base_type_name = 1; repeated int32 extension_number = 2; }
message ListServiceResponse { repeated ServiceResponse service = 1; }
message ServiceResponse { string name = 1; }
message ErrorResponse { int32 error_code = 1; string error_message = 2; }`;
}

const loaded = new Map<ReflectionVersion, ProtoService<ReflectionMethods>>();

/** The definition, made at the first call. */
export function reflectionDefinition(version: ReflectionVersion): ProtoService<ReflectionMethods> {
  let definition = loaded.get(version);
  if (definition === undefined) {
    definition = loadService<ReflectionMethods>(
      {
        text: reflectionProto(version),
        filename: `grpc/reflection/${version}/reflection.proto`,
      },
      `grpc.reflection.${version}.ServerReflection`,
      { toObject: { arrays: true } },
    );
    loaded.set(version, definition);
  }
  return definition;
}
