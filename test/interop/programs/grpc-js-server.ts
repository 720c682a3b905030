/** The interoperability server on `@grpc/grpc-js`: `grpc-js-server.js --port N [--use_tls=true …]`. */

import { setTimeout as pause } from 'node:timers/promises';
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type StatusObject,
} from '@grpc/grpc-js';
import {
  ECHO_INITIAL_KEY,
  ECHO_TRAILING_KEY,
  type EchoStatus,
  LOAD_REPORT_KEY,
  orcaLoadReport,
  type SimpleRequest,
  type SimpleResponse,
  type StreamingInputCallRequest,
  type StreamingInputCallResponse,
  type StreamingOutputCallRequest,
  type StreamingOutputCallResponse,
  testService,
} from '../service/definition.ts';
import { loadReportOf } from '../service/orca.ts';
import { readServerFlags, type ServerFlags } from './server-flags.ts';

type OutputRequest = StreamingOutputCallRequest;
type OutputResponse = StreamingOutputCallResponse;

/** What its kinds of call have in common, which grpc-js's types do not say. */
interface Call {
  readonly metadata: Metadata;
  sendMetadata(metadata: Metadata): void;
}

/** Gives back the metadata that the tests want back; returns the trailing metadata. */
function echo(call: Call): Metadata {
  const initial = new Metadata();
  for (const value of call.metadata.get(ECHO_INITIAL_KEY)) initial.add(ECHO_INITIAL_KEY, value);
  if (initial.get(ECHO_INITIAL_KEY).length > 0) call.sendMetadata(initial);
  const trailing = new Metadata();
  for (const value of call.metadata.get(ECHO_TRAILING_KEY)) trailing.add(ECHO_TRAILING_KEY, value);
  return trailing;
}

/** The status asked for, or null. */
function wantedStatus(
  status: EchoStatus | null | undefined,
  metadata: Metadata,
): StatusObject | null {
  return status?.code ? { code: status.code, details: status.message ?? '', metadata } : null;
}

async function respond(
  request: OutputRequest,
  call: { write(response: OutputResponse): boolean; getPeer(): string },
): Promise<void> {
  for (const parameters of request.responseParameters ?? []) {
    const { size = 0, intervalUs = 0, fillPeerSocketAddress } = parameters;
    if (intervalUs > 0) await pause(intervalUs / 1000);
    call.write({
      payload: { body: new Uint8Array(size) },
      peerSocketAddress: fillPeerSocketAddress?.value === true ? call.getPeer() : '',
    });
  }
}

const emptyCall: handleUnaryCall<object, object> = (call, answer) => {
  answer(null, {}, echo(call));
};

const unaryCall: handleUnaryCall<SimpleRequest, SimpleResponse> = (call, answer) => {
  const trailing = echo(call);
  const { responseStatus, responseSize = 0, orcaPerQueryReport, fillServerId } = call.request;
  if (orcaPerQueryReport) {
    const report = orcaLoadReport.encode(loadReportOf(orcaPerQueryReport));
    trailing.add(LOAD_REPORT_KEY, Buffer.from(report));
  }
  const status = wantedStatus(responseStatus, trailing);
  const serverId = fillServerId === true ? 'grpc-js' : '';
  if (status !== null) answer(status);
  else answer(null, { payload: { body: new Uint8Array(responseSize) }, serverId }, trailing);
};

const streamingOutputCall: handleServerStreamingCall<OutputRequest, OutputResponse> = (call) => {
  const trailing = echo(call);
  void respond(call.request, call).then(() => {
    const status = wantedStatus(call.request.responseStatus, trailing);
    if (status === null) call.end(trailing);
    else call.emit('error', status);
  });
};

const streamingInputCall: handleClientStreamingCall<
  StreamingInputCallRequest,
  StreamingInputCallResponse
> = (call, answer) => {
  const trailing = echo(call);
  let aggregatedPayloadSize = 0;
  call.on('data', ({ payload }: StreamingInputCallRequest) => {
    aggregatedPayloadSize += payload?.body?.length ?? 0;
  });
  call.on('end', () => answer(null, { aggregatedPayloadSize }, trailing));
};

/** `atEnd`: answers when the last request is in. */
function duplexCall(atEnd: boolean): handleBidiStreamingCall<OutputRequest, OutputResponse> {
  return (call) => {
    const trailing = echo(call);
    let ready: Promise<void> = Promise.resolve();
    let failed = false;
    const serve = async (request: OutputRequest): Promise<void> => {
      if (failed) return;
      await respond(request, call);
      const status = wantedStatus(request.responseStatus, trailing);
      if (status === null) return;
      failed = true;
      call.emit('error', status);
    };
    const waiting: OutputRequest[] = [];
    call.on('data', (request: OutputRequest) => {
      if (atEnd) waiting.push(request);
      else ready = ready.then(() => serve(request));
    });
    call.on('end', () => {
      for (const request of waiting) ready = ready.then(() => serve(request));
      void ready.then(() => {
        if (!failed) call.end(trailing);
      });
    });
  };
}

function definition(): Parameters<Server['addService']>[0] {
  const served = testService.methods.filter(({ name }) => name !== 'UnimplementedCall');
  const methods = served.map((method) => [
    method.name,
    {
      path: method.path,
      requestStream: method.requestStreaming,
      responseStream: method.responseStreaming,
      requestSerialize: (message: object) => Buffer.from(method.request.encode(message)),
      requestDeserialize: method.request.decode,
      responseSerialize: (message: object) => Buffer.from(method.response.encode(message)),
      responseDeserialize: method.response.decode,
    },
  ]);
  return Object.fromEntries(methods) as Parameters<Server['addService']>[0];
}

function credentials({ tls }: ServerFlags): ServerCredentials {
  return tls === null
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(null, [{ private_key: tls.key, cert_chain: tls.cert }]);
}

const flags = await readServerFlags();
const server = new Server({
  'grpc.max_receive_message_length': -1,
  'grpc.max_metadata_size': 131_072,
  ...(flags.maxStreams === 0 ? {} : { 'grpc.max_concurrent_streams': flags.maxStreams }),
});
server.addService(definition(), {
  EmptyCall: emptyCall,
  UnaryCall: unaryCall,
  CacheableUnaryCall: unaryCall,
  StreamingOutputCall: streamingOutputCall,
  StreamingInputCall: streamingInputCall,
  FullDuplexCall: duplexCall(false),
  HalfDuplexCall: duplexCall(true),
});
server.bindAsync(`0.0.0.0:${flags.port}`, credentials(flags), (error, port) => {
  if (error !== null) throw error;
  console.log(`port ${port}`);
});
