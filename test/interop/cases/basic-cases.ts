/** The cases of the interoperability matrix that need nothing but calls, metadata and statuses. */

import {
  ECHO_INITIAL_KEY,
  ECHO_TRAILING_KEY,
  type StreamingInputCallResponse,
  type StreamingOutputCallResponse,
} from '../service/definition.ts';
import {
  type CaseContext,
  checkedUnaryCall,
  checkStatus,
  echoStatus,
  exchange,
  fullDuplexCall,
  type InteropCase,
  largeRequest,
  REQUEST_SIZES,
  RESPONSE_SIZES,
  unaryCall,
  zeros,
} from './case-context.ts';
import { type CallEnding, check, checkEqual, type MethodName } from './interop-client.ts';

const UNKNOWN = 2;
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const UNIMPLEMENTED = 12;

async function emptyUnary({ client }: CaseContext): Promise<void> {
  const call = client.start('grpc.testing.TestService/EmptyCall', {});
  checkStatus(await call.ending, 0);
  check((await call.next()) !== null, 'there is no response');
}

async function largeUnary({ client }: CaseContext): Promise<void> {
  await checkedUnaryCall(client, largeRequest());
}

async function clientStreaming({ client }: CaseContext): Promise<void> {
  const call = client.start<StreamingInputCallResponse>(
    'grpc.testing.TestService/StreamingInputCall',
    null,
  );
  for (const octets of REQUEST_SIZES) call.send({ payload: zeros(octets) });
  call.halfClose();
  checkStatus(await call.ending, 0);
  checkEqual((await call.next())?.aggregatedPayloadSize, 74_922, 'aggregated_payload_size');
}

async function serverStreaming({ client }: CaseContext): Promise<void> {
  const call = client.start<StreamingOutputCallResponse>(
    'grpc.testing.TestService/StreamingOutputCall',
    { responseParameters: RESPONSE_SIZES.map((size) => ({ size })) },
  );
  for (const octets of RESPONSE_SIZES) {
    checkEqual((await call.next())?.payload?.body?.length, octets, 'size of a response');
  }
  checkEqual(await call.next(), null, 'what comes behind the last response');
  checkStatus(await call.ending, 0);
}

async function pingPong({ client }: CaseContext): Promise<void> {
  const call = fullDuplexCall(client);
  for (const [round, octets] of REQUEST_SIZES.entries()) {
    await exchange(call, octets, RESPONSE_SIZES[round]!);
  }
  call.halfClose();
  checkEqual(await call.next(), null, 'what comes behind the last response');
  checkStatus(await call.ending, 0);
}

async function emptyStream({ client }: CaseContext): Promise<void> {
  const call = fullDuplexCall(client);
  call.halfClose();
  checkEqual(await call.next(), null, 'a response');
  checkStatus(await call.ending, 0);
}

async function cancelAfterBegin({ client }: CaseContext): Promise<void> {
  const call = client.start('grpc.testing.TestService/StreamingInputCall', null);
  call.cancel();
  checkStatus(await call.ending, CANCELLED);
}

async function cancelAfterFirstResponse({ client }: CaseContext): Promise<void> {
  const call = fullDuplexCall(client);
  await exchange(call, REQUEST_SIZES[0]!, RESPONSE_SIZES[0]!);
  call.cancel();
  checkStatus(await call.ending, CANCELLED);
}

async function timeoutOnSleepingServer({ client }: CaseContext): Promise<void> {
  const call = fullDuplexCall(client, { timeoutMs: 1 });
  call.send({ payload: zeros(27_182) });
  checkStatus(await call.ending, DEADLINE_EXCEEDED);
}

async function customMetadata({ client }: CaseContext): Promise<void> {
  const octets = Uint8Array.of(0xab, 0xab, 0xab);
  const text = 'test_initial_metadata_value';
  const metadata = [
    [ECHO_INITIAL_KEY, text],
    [ECHO_TRAILING_KEY, octets],
  ] as const;
  checkEchoed(await unaryCall(client, largeRequest(), { metadata }), text, octets);
  const call = fullDuplexCall(client, { metadata });
  await exchange(call, 271_828, 314_159);
  call.halfClose();
  checkEchoed(await call.ending, text, octets);
}

function checkEchoed(ending: CallEnding, text: string, octets: Uint8Array): void {
  checkStatus(ending, 0);
  checkEqual(
    ending.initial.find(([key]) => key === ECHO_INITIAL_KEY)?.[1],
    text,
    'the initial metadata that came back',
  );
  const back = ending.trailing.find(([key]) => key === ECHO_TRAILING_KEY)?.[1];
  check(
    back instanceof Uint8Array && Buffer.compare(back, octets) === 0,
    `the trailing metadata that came back is ${JSON.stringify(back)}`,
  );
}

async function statusCodeAndMessage({ client }: CaseContext): Promise<void> {
  const responseStatus = echoStatus(UNKNOWN, 'test status message');
  const { message } = responseStatus;
  checkStatus(await unaryCall(client, { responseStatus }), UNKNOWN, message);
  const call = fullDuplexCall(client);
  call.send({ responseStatus });
  call.halfClose();
  checkStatus(await call.ending, UNKNOWN, message);
}

async function specialStatusMessage({ client }: CaseContext): Promise<void> {
  const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
  const responseStatus = echoStatus(UNKNOWN, message);
  checkStatus(await unaryCall(client, { responseStatus }), UNKNOWN, message);
}

function unimplemented(method: MethodName): InteropCase {
  return async ({ client }) => {
    checkStatus(await client.start(method, {}).ending, UNIMPLEMENTED);
  };
}

/** The cases by their names. */
export const BASIC_CASES: Readonly<Record<string, InteropCase>> = {
  empty_unary: emptyUnary,
  large_unary: largeUnary,
  client_streaming: clientStreaming,
  server_streaming: serverStreaming,
  ping_pong: pingPong,
  empty_stream: emptyStream,
  cancel_after_begin: cancelAfterBegin,
  cancel_after_first_response: cancelAfterFirstResponse,
  timeout_on_sleeping_server: timeoutOnSleepingServer,
  custom_metadata: customMetadata,
  status_code_and_message: statusCodeAndMessage,
  special_status_message: specialStatusMessage,
  unimplemented_method: unimplemented('grpc.testing.TestService/UnimplementedCall'),
  unimplemented_service: unimplemented('grpc.testing.UnimplementedService/UnimplementedCall'),
};
