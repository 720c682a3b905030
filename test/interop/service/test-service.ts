/** `grpc.testing.TestService` on purewire, as the interoperability tests want it. */

import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type RequestIterator,
  type RpcContext,
  type ServiceMethods,
  Status,
} from '../../../lib/index.ts';
import type { Behaviors } from '../../../lib/protobuf/index.ts';
import { cameCompressed, witness } from './compression-witness.ts';
import {
  type BoolValue,
  ECHO_INITIAL_KEY,
  ECHO_TRAILING_KEY,
  type EchoStatus,
  type Empty,
  LOAD_REPORT_KEY,
  orcaLoadReport,
  type SimpleRequest,
  type SimpleResponse,
  type StreamingInputCallRequest,
  type StreamingInputCallResponse,
  type StreamingOutputCallRequest,
  type StreamingOutputCallResponse,
  type TestServiceMethods,
  testService,
} from './definition.ts';
import { type LoadReports, loadReportOf } from './orca.ts';

type Implemented = Omit<TestServiceMethods, 'UnimplementedCall'>;
type Responses = AsyncGenerator<StreamingOutputCallResponse, void>;

/** The only payload type there is. */
const COMPRESSABLE = 0;
/** What responses are compressed with when a request wants them compressed. */
const ENCODING = 'gzip';

/** The behaviours of one server. */
export class TestService implements Behaviors<Implemented> {
  readonly #serverId: string;
  readonly #reports: LoadReports;

  /** `serverId` tells servers apart; `reports` is what OpenRcaService tells of this one. */
  constructor(serverId: string, reports: LoadReports) {
    this.#serverId = serverId;
    this.#reports = reports;
  }

  EmptyCall(_: Empty, context: RpcContext): Empty {
    new Answer(context).begin();
    return {};
  }

  UnaryCall(request: SimpleRequest, context: RpcContext): SimpleResponse {
    const answer = new Answer(context);
    answer.useCompression([request.responseCompressed]);
    answer.begin();
    answer.compressNext(request.responseCompressed);
    this.#judge(request, request.expectCompressed, context);
    if (request.orcaPerQueryReport) {
      answer.addTrailing(
        LOAD_REPORT_KEY,
        orcaLoadReport.encode(loadReportOf(request.orcaPerQueryReport)),
      );
    }
    endIfAsked(request.responseStatus, context);
    return {
      payload: payloadOf(request.responseType, request.responseSize, context),
      serverId: request.fillServerId === true ? this.#serverId : '',
      hostname: hostname(),
    };
  }

  CacheableUnaryCall(_: SimpleRequest, context: RpcContext): SimpleResponse {
    context.sendInitialMetadata({ 'cache-control': 'max-age=60, public' });
    const nanoseconds = String(process.hrtime.bigint());
    return { payload: { body: new TextEncoder().encode(nanoseconds) } };
  }

  async *StreamingOutputCall(request: StreamingOutputCallRequest, context: RpcContext): Responses {
    const answer = new Answer(context);
    answer.useCompression(request.responseParameters?.map(({ compressed }) => compressed) ?? []);
    answer.begin();
    yield* respond(request, answer);
    endIfAsked(request.responseStatus, context);
  }

  async StreamingInputCall(
    requests: RequestIterator<StreamingInputCallRequest>,
    context: RpcContext,
  ): Promise<StreamingInputCallResponse> {
    new Answer(context).begin();
    let octets = 0;
    for await (const request of requests) {
      this.#judge(request, request.expectCompressed, context);
      octets += request.payload?.body?.length ?? 0;
    }
    return { aggregatedPayloadSize: octets };
  }

  async *FullDuplexCall(
    requests: RequestIterator<StreamingOutputCallRequest>,
    context: RpcContext,
  ): Responses {
    const answer = new Answer(context);
    answer.begin();
    for await (const request of requests) {
      if (request.orcaOobReport) this.#reports.current = loadReportOf(request.orcaOobReport);
      yield* respond(request, answer);
      endIfAsked(request.responseStatus, context);
    }
  }

  async *HalfDuplexCall(
    requests: RequestIterator<StreamingOutputCallRequest>,
    context: RpcContext,
  ): Responses {
    const answer = new Answer(context);
    answer.begin();
    const all: StreamingOutputCallRequest[] = [];
    for await (const request of requests) all.push(request);
    for (const request of all) yield* respond(request, answer);
  }

  /** Refuses a request that was to be compressed and is not. */
  #judge(request: object, expected: BoolValue | null | undefined, context: RpcContext): void {
    if (expected?.value === true && !cameCompressed(request)) {
      context.abort(Status.INVALID_ARGUMENT, 'the request should have been compressed');
    }
  }
}

/** The metadata and the compression of one answer. */
class Answer {
  readonly context: RpcContext;
  readonly #trailing: [string, string | Uint8Array][] = [];
  #compresses = false;

  constructor(context: RpcContext) {
    this.context = context;
  }

  /** To be called first: some of the responses will be compressed if one of `wishes` is true. */
  useCompression(wishes: readonly (BoolValue | null | undefined)[]): void {
    if (wishes.some((wish) => wish?.value === true)) {
      this.#compresses = this.context.setCompression(ENCODING);
    }
  }

  /** Gives back the metadata that tests want back. Sends initial metadata now if there is any, or if messages will change their encoding. */
  begin(): void {
    const { metadata } = this.context;
    const echoed = metadata.get(ECHO_INITIAL_KEY);
    if (echoed !== undefined) this.context.sendInitialMetadata([[ECHO_INITIAL_KEY, echoed]]);
    else if (this.#compresses) this.context.sendInitialMetadata([]);
    for (const octets of metadata.getAll(ECHO_TRAILING_KEY)) {
      this.addTrailing(ECHO_TRAILING_KEY, octets);
    }
  }

  addTrailing(key: string, value: string | Uint8Array): void {
    this.#trailing.push([key, value]);
    this.context.setTrailingMetadata(this.#trailing);
  }

  /** The next response is compressed or not. */
  compressNext(wish: BoolValue | null | undefined): void {
    if (this.#compresses) this.context.setCompression(wish?.value === true ? ENCODING : 'identity');
  }
}

async function* respond(request: StreamingOutputCallRequest, answer: Answer): Responses {
  for (const parameters of request.responseParameters ?? []) {
    if (parameters.intervalUs) {
      const { signal } = answer.context;
      await pause(parameters.intervalUs / 1000, undefined, { signal });
    }
    answer.compressNext(parameters.compressed);
    yield {
      payload: payloadOf(request.responseType, parameters.size, answer.context),
      peerSocketAddress:
        parameters.fillPeerSocketAddress?.value === true ? answer.context.peer.address : '',
    };
  }
}

function payloadOf(
  type: number | undefined,
  octets: number | undefined,
  context: RpcContext,
): { body: Uint8Array } {
  if ((type ?? COMPRESSABLE) !== COMPRESSABLE) {
    context.abort(Status.INVALID_ARGUMENT, `there is no payload type ${type}`);
  }
  return { body: new Uint8Array(octets ?? 0) };
}

function endIfAsked(status: EchoStatus | null | undefined, context: RpcContext): void {
  if (status?.code) context.abort(status.code, status.message ?? '');
}

/** The service as `server` takes it; UnimplementedCall is left out, as the tests want it. */
export function testServiceMethods(behaviors: TestService): ServiceMethods {
  const unserved = Object.assign(behaviors, { UnimplementedCall: (): Empty => ({}) });
  const { UnimplementedCall: _, ...served } = testService.serviceDescriptions(unserved);
  for (const { request } of testService.methods) witness(request);
  return served;
}
