/** grpc.health.v1 as a service definition; names and numbers are those of grpc/grpc doc/health-checking.md. */

import {
  loadService,
  type ProtoService,
  type UnaryStream,
  type UnaryUnary,
} from '../protobuf/service-descriptions.ts';

/** Whether a service takes calls. */
export const ServingStatus = {
  UNKNOWN: 'UNKNOWN',
  SERVING: 'SERVING',
  NOT_SERVING: 'NOT_SERVING',
  /** The server does not know the service; only watchers and `healthCheck` are told this. */
  SERVICE_UNKNOWN: 'SERVICE_UNKNOWN',
} as const;
export type ServingStatus = (typeof ServingStatus)[keyof typeof ServingStatus];

/** grpc.health.v1.HealthCheckRequest. */
export interface HealthCheckRequest {
  /** Full name of the service; empty: the server as a whole. */
  readonly service: string;
}

/** grpc.health.v1.HealthCheckResponse. */
export interface HealthCheckResponse {
  readonly status: ServingStatus;
}

/** grpc.health.v1.HealthListResponse. */
export interface HealthListResponse {
  readonly statuses: Readonly<Record<string, HealthCheckResponse>>;
}

/** The RPCs of grpc.health.v1.Health. */
export interface HealthMethods {
  readonly Check: UnaryUnary<HealthCheckRequest, HealthCheckResponse>;
  readonly List: UnaryUnary<object, HealthListResponse>;
  readonly Watch: UnaryStream<HealthCheckRequest, HealthCheckResponse>;
}

const HEALTH_PROTO = `
syntax = "proto3";
package grpc.health.v1;
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse {
  enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
  ServingStatus status = 1;
}
message HealthListRequest {}
message HealthListResponse { map<string, HealthCheckResponse> statuses = 1; }
service Health {
  rpc Check (HealthCheckRequest) returns (HealthCheckResponse);
  rpc List (HealthListRequest) returns (HealthListResponse);
  rpc Watch (HealthCheckRequest) returns (stream HealthCheckResponse);
}`;

let loaded: ProtoService<HealthMethods> | null = null;

/** The definition, made at the first call. */
export function healthDefinition(): ProtoService<HealthMethods> {
  loaded ??= loadService<HealthMethods>(
    { text: HEALTH_PROTO, filename: 'grpc/health/v1/health.proto' },
    'grpc.health.v1.Health',
    { toObject: { enums: String, defaults: true } },
  );
  return loaded;
}
