/** The services of the interoperability tests as TypeScript sees them, loaded from the `.proto` files beside: no generated code. */

import { join } from 'node:path';
import {
  loadService,
  type MessageCodec,
  type ProtoService,
  type StreamStream,
  type StreamUnary,
  type UnaryStream,
  type UnaryUnary,
} from '../../../lib/protobuf/index.ts';
import { projectFolder } from '../../support/project.ts';

/** Set as a field, absent otherwise. */
export interface BoolValue {
  readonly value?: boolean;
}
export interface Payload {
  readonly body?: Uint8Array;
}
export interface EchoStatus {
  readonly code?: number;
  readonly message?: string;
}
/** Utilizations and costs, by name where there are several. */
export interface TestOrcaReport {
  readonly cpuUtilization?: number;
  readonly memoryUtilization?: number;
  readonly requestCost?: Readonly<Record<string, number>>;
  readonly utilization?: Readonly<Record<string, number>>;
}
export type Empty = object;
export interface SimpleRequest {
  readonly responseType?: number;
  readonly responseSize?: number;
  readonly payload?: Payload | null;
  readonly responseCompressed?: BoolValue | null;
  readonly responseStatus?: EchoStatus | null;
  readonly expectCompressed?: BoolValue | null;
  readonly fillServerId?: boolean;
  readonly orcaPerQueryReport?: TestOrcaReport | null;
}
export interface SimpleResponse {
  readonly payload?: Payload | null;
  readonly serverId?: string;
  readonly hostname?: string;
}
export interface StreamingInputCallRequest {
  readonly payload?: Payload | null;
  readonly expectCompressed?: BoolValue | null;
}
export interface StreamingInputCallResponse {
  readonly aggregatedPayloadSize?: number;
}
export interface ResponseParameters {
  readonly size?: number;
  readonly intervalUs?: number;
  readonly compressed?: BoolValue | null;
  readonly fillPeerSocketAddress?: BoolValue | null;
}
export interface StreamingOutputCallRequest {
  readonly responseType?: number;
  readonly responseParameters?: readonly ResponseParameters[];
  readonly payload?: Payload | null;
  readonly responseStatus?: EchoStatus | null;
  readonly orcaOobReport?: TestOrcaReport | null;
}
export interface StreamingOutputCallResponse {
  readonly payload?: Payload | null;
  readonly peerSocketAddress?: string;
}
/** `xds.data.orca.v3.OrcaLoadReport`, what of it the tests use. */
export interface OrcaLoadReport {
  readonly cpuUtilization?: number;
  readonly memUtilization?: number;
  readonly requestCost?: Readonly<Record<string, number>>;
  readonly utilization?: Readonly<Record<string, number>>;
}
export interface OrcaLoadReportRequest {
  readonly reportInterval?: { readonly seconds?: number; readonly nanos?: number } | null;
}

/** RPCs of `grpc.testing.TestService`. */
export interface TestServiceMethods {
  EmptyCall: UnaryUnary<Empty, Empty>;
  UnaryCall: UnaryUnary<SimpleRequest, SimpleResponse>;
  CacheableUnaryCall: UnaryUnary<SimpleRequest, SimpleResponse>;
  StreamingOutputCall: UnaryStream<StreamingOutputCallRequest, StreamingOutputCallResponse>;
  StreamingInputCall: StreamUnary<StreamingInputCallRequest, StreamingInputCallResponse>;
  FullDuplexCall: StreamStream<StreamingOutputCallRequest, StreamingOutputCallResponse>;
  HalfDuplexCall: StreamStream<StreamingOutputCallRequest, StreamingOutputCallResponse>;
  UnimplementedCall: UnaryUnary<Empty, Empty>;
}
/** RPCs of `grpc.testing.UnimplementedService`. */
export interface UnimplementedServiceMethods {
  UnimplementedCall: UnaryUnary<Empty, Empty>;
}
/** RPCs of `xds.service.orca.v3.OpenRcaService`. */
export interface OpenRcaServiceMethods {
  StreamCoreMetrics: UnaryStream<OrcaLoadReportRequest, OrcaLoadReport>;
}

/** Folder of the `.proto` files. */
export const PROTO_FOLDER: string = join(projectFolder, 'test', 'interop', 'proto');

const TEST_PROTO = { file: join(PROTO_FOLDER, 'test.proto') };
const ORCA_PROTO = { file: join(PROTO_FOLDER, 'orca.proto') };

/** The service under test. */
export const testService: ProtoService<TestServiceMethods> = loadService(
  TEST_PROTO,
  'grpc.testing.TestService',
);
/** A service that no server has. */
export const unimplementedService: ProtoService<UnimplementedServiceMethods> = loadService(
  TEST_PROTO,
  'grpc.testing.UnimplementedService',
);
/** Load reports out of band. */
export const openRcaService: ProtoService<OpenRcaServiceMethods> = loadService(
  ORCA_PROTO,
  'xds.service.orca.v3.OpenRcaService',
);

/** Load reports in trailing metadata. */
export const orcaLoadReport: MessageCodec<OrcaLoadReport> = openRcaService.message(
  'xds.data.orca.v3.OrcaLoadReport',
);

/** The key that load reports come under (gRFC A51). */
export const LOAD_REPORT_KEY = 'endpoint-load-metrics-bin';
/** Request metadata that comes back in initial metadata. */
export const ECHO_INITIAL_KEY = 'x-grpc-test-echo-initial';
/** Request metadata that comes back in trailing metadata. */
export const ECHO_TRAILING_KEY = 'x-grpc-test-echo-trailing-bin';
