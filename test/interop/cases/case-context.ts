/** What an interoperability case is given, and what many of them share. */

import type {
  EchoStatus,
  SimpleRequest,
  SimpleResponse,
  StreamingOutputCallRequest,
  StreamingOutputCallResponse,
} from '../service/definition.ts';
import {
  type CallEnding,
  check,
  checkEqual,
  type InteropCall,
  type InteropCallOptions,
  type InteropClient,
} from './interop-client.ts';

/** Options of the soak cases, named as their flags. */
export interface SoakOptions {
  readonly iterations: number;
  readonly maxFailures: number;
  readonly perIterationMaxLatencyMs: number;
  readonly minTimeBetweenRpcsMs: number;
  readonly overallTimeoutSeconds: number;
  readonly requestSize: number;
  readonly responseSize: number;
  readonly threads: number;
}

/** What a case works with. */
export interface CaseContext {
  readonly client: InteropClient;
  /** Another client, with connections of its own. */
  openClient(): InteropClient;
  readonly soak: SoakOptions;
  say(text: string): void;
}

/** Rejects with Error when the case fails, with `Unsupported` when this client cannot run it. */
export type InteropCase = (context: CaseContext) => Promise<void>;

export const LARGE_REQUEST_OCTETS = 271_828;
export const LARGE_RESPONSE_OCTETS = 314_159;
/** Sizes of the streaming cases. */
export const REQUEST_SIZES: readonly number[] = [27_182, 8, 1828, 45_904];
export const RESPONSE_SIZES: readonly number[] = [31_415, 9, 2653, 58_979];

/** A payload of zeros. */
export function zeros(octets: number): { readonly body: Uint8Array } {
  return { body: new Uint8Array(octets) };
}

/** The request of large_unary. */
export function largeRequest(more: SimpleRequest = {}): SimpleRequest {
  return {
    responseSize: LARGE_RESPONSE_OCTETS,
    payload: zeros(LARGE_REQUEST_OCTETS),
    ...more,
  };
}

/** Makes a UnaryCall; the response is null unless it ended with OK. */
export async function unaryCall(
  client: InteropClient,
  request: SimpleRequest,
  options: InteropCallOptions = {},
): Promise<CallEnding & { readonly response: SimpleResponse | null }> {
  const call = client.start<SimpleResponse>('grpc.testing.TestService/UnaryCall', request, options);
  const ending = await call.ending;
  return { ...ending, response: await call.next() };
}

/** Makes a UnaryCall that must succeed with a body of the size asked for. */
export async function checkedUnaryCall(
  client: InteropClient,
  request: SimpleRequest,
  options: InteropCallOptions = {},
): Promise<SimpleResponse> {
  const { response, ...ending } = await unaryCall(client, request, options);
  checkStatus(ending, 0);
  check(response !== null, 'there is no response');
  checkEqual(response.payload?.body?.length ?? 0, request.responseSize ?? 0, 'size of the body');
  return response;
}

/** Starts FullDuplexCall. */
export function fullDuplexCall(
  client: InteropClient,
  options: InteropCallOptions = {},
): InteropCall<StreamingOutputCallResponse> {
  return client.start('grpc.testing.TestService/FullDuplexCall', null, options);
}

/** A request of FullDuplexCall for one response of `responseOctets`. */
export function pingOf(requestOctets: number, responseOctets: number): StreamingOutputCallRequest {
  return {
    responseParameters: [{ size: responseOctets }],
    payload: zeros(requestOctets),
  };
}

/** Sends `request` and waits for the response of `responseOctets`. */
export async function exchange(
  call: InteropCall<StreamingOutputCallResponse>,
  requestOctets: number,
  responseOctets: number,
): Promise<void> {
  call.send(pingOf(requestOctets, responseOctets));
  const response = await call.next();
  if (response === null) {
    const { code, details } = await call.ending;
    throw new Error(`the call ended with ${code} "${details}" before its response`);
  }
  checkEqual(response.payload?.body?.length ?? 0, responseOctets, 'size of the response');
}

/** The status must have this code, and this message if it is given. */
export function checkStatus(ending: CallEnding, code: number, message?: string): void {
  if (ending.code !== code) {
    throw new Error(`the status is ${ending.code} "${ending.details}" instead of ${code}`);
  }
  if (message !== undefined) checkEqual(ending.details, message, 'the status message');
}

/** A status to be asked for. */
export function echoStatus(code: number, message: string): EchoStatus {
  return { code, message };
}
