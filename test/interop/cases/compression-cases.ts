/** The cases about the compressed flag of messages. */

import type {
  StreamingInputCallRequest,
  StreamingInputCallResponse,
  StreamingOutputCallResponse,
} from '../service/definition.ts';
import {
  type CaseContext,
  checkedUnaryCall,
  checkStatus,
  type InteropCase,
  largeRequest,
  unaryCall,
  zeros,
} from './case-context.ts';
import { check, checkEqual, type InteropClient, Unsupported } from './interop-client.ts';

const INVALID_ARGUMENT = 3;
const YES = { value: true };
const NO = { value: false };

function needsCompression(client: InteropClient): void {
  if (!client.knowsCompression) {
    throw new Unsupported('this library cannot compress single messages or tell the flag');
  }
}

async function clientCompressedUnary({ client }: CaseContext): Promise<void> {
  needsCompression(client);
  // The probe: does the server look at the flag?
  const compressed = largeRequest({ expectCompressed: YES });
  checkStatus(await unaryCall(client, compressed, { compressed: false }), INVALID_ARGUMENT);
  await checkedUnaryCall(client, compressed, { compressed: true });
  await checkedUnaryCall(client, largeRequest({ expectCompressed: NO }), { compressed: false });
}

function inputOf(octets: number, expectCompressed: { value: boolean }): StreamingInputCallRequest {
  return { payload: zeros(octets), expectCompressed };
}

async function clientCompressedStreaming({ client }: CaseContext): Promise<void> {
  needsCompression(client);
  const method = 'grpc.testing.TestService/StreamingInputCall';
  const probe = client.start(method, null, { compressed: true });
  probe.send(inputOf(27_182, YES), false);
  probe.halfClose();
  checkStatus(await probe.ending, INVALID_ARGUMENT);
  const call = client.start<StreamingInputCallResponse>(method, null, { compressed: true });
  call.send(inputOf(27_182, YES), true);
  call.send(inputOf(45_904, NO), false);
  call.halfClose();
  checkStatus(await call.ending, 0);
  checkEqual((await call.next())?.aggregatedPayloadSize, 73_086, 'aggregated_payload_size');
}

async function serverCompressedUnary({ client }: CaseContext): Promise<void> {
  needsCompression(client);
  for (const responseCompressed of [YES, NO]) {
    const response = await checkedUnaryCall(client, largeRequest({ responseCompressed }));
    checkEqual(client.wasCompressed(response), responseCompressed.value, 'the compressed flag');
  }
}

async function serverCompressedStreaming({ client }: CaseContext): Promise<void> {
  needsCompression(client);
  const wanted = [
    { compressed: YES, size: 31_415 },
    { compressed: NO, size: 92_653 },
  ];
  const call = client.start<StreamingOutputCallResponse>(
    'grpc.testing.TestService/StreamingOutputCall',
    { responseParameters: wanted },
  );
  for (const { compressed, size } of wanted) {
    const response = await call.next();
    check(response !== null, 'a response is missing');
    checkEqual(response.payload?.body?.length, size, 'size of a response');
    checkEqual(client.wasCompressed(response), compressed.value, 'the compressed flag');
  }
  checkEqual(await call.next(), null, 'what comes behind the last response');
  checkStatus(await call.ending, 0);
}

/** The cases by their names. */
export const COMPRESSION_CASES: Readonly<Record<string, InteropCase>> = {
  client_compressed_unary: clientCompressedUnary,
  client_compressed_streaming: clientCompressedStreaming,
  server_compressed_unary: serverCompressedUnary,
  server_compressed_streaming: serverCompressedStreaming,
};
