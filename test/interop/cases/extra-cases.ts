/** Cases beyond the matrix: those that other implementations have, and those that the list of cases upstream leaves to be written. */

import type { StreamingOutputCallResponse } from '../service/definition.ts';
import { ECHO_INITIAL_KEY } from '../service/definition.ts';
import {
  type CaseContext,
  checkedUnaryCall,
  checkStatus,
  exchange,
  fullDuplexCall,
  type InteropCase,
  largeRequest,
  pingOf,
  unaryCall,
  zeros,
} from './case-context.ts';
import { check, checkEqual, type InteropCall } from './interop-client.ts';

const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const CONCURRENT_CALLS = 1000;
const PICKS = 100;
const LARGE_HEADER_OCTETS = 63 * 1024;

async function concurrentLargeUnary({ client }: CaseContext): Promise<void> {
  const calls = Array.from({ length: CONCURRENT_CALLS }, () =>
    checkedUnaryCall(client, largeRequest()),
  );
  await Promise.all(calls);
}

async function pickFirstUnary({ client }: CaseContext): Promise<void> {
  const ids = new Set<string>();
  for (let i = 0; i < PICKS; i++) {
    const { serverId = '' } = await checkedUnaryCall(client, {
      responseSize: 1,
      fillServerId: true,
    });
    check(serverId !== '', 'server_id is empty');
    ids.add(serverId);
  }
  check(ids.size === 1, `${ids.size} servers answered: ${[...ids].join(', ')}`);
}

/** Two streams fill the limit of the server's connection; the third must open a second connection. */
async function connectionScaling({ client }: CaseContext): Promise<void> {
  const calls: InteropCall<StreamingOutputCallResponse>[] = [];
  const addresses: string[] = [];
  try {
    for (let i = 0; i < 3; i++) {
      const call = fullDuplexCall(client, { timeoutMs: 10_000 });
      calls.push(call);
      call.send({ responseParameters: [{ size: 1, fillPeerSocketAddress: { value: true } }] });
      const response = await call.next();
      check(response !== null, `call ${i + 1} waits for a stream instead of a second connection`);
      addresses.push(response.peerSocketAddress ?? '');
    }
    check(addresses[0] !== '', 'peer_socket_address is empty');
    checkEqual(addresses[1], addresses[0], 'the address of the second call');
    check(addresses[2] !== addresses[0], 'the third call shares the connection of the others');
  } finally {
    for (const call of calls) call.halfClose();
  }
  for (const call of calls) checkStatus(await call.ending, 0);
}

/** A header value so long that it needs CONTINUATION frames, there and back. */
async function largeHeader({ client }: CaseContext): Promise<void> {
  const value = 'h'.repeat(LARGE_HEADER_OCTETS);
  const ending = await unaryCall(client, {}, { metadata: [[ECHO_INITIAL_KEY, value]] });
  checkStatus(ending, 0);
  const back = ending.initial.find(([key]) => key === ECHO_INITIAL_KEY)?.[1];
  check(back === value, `${back?.length ?? 0} octets of the header came back`);
}

async function thousandsOfCalls({ client }: CaseContext): Promise<void> {
  const count = 3000;
  const calls = Array.from({ length: count }, async (_, i) => {
    const call = fullDuplexCall(client);
    await exchange(call, i % 100, 1 + (i % 50));
    call.halfClose();
    checkStatus(await call.ending, 0);
  });
  await Promise.all(calls);
}

async function thousandsOfDeadlines({ client }: CaseContext): Promise<void> {
  const count = 3000;
  const calls = Array.from({ length: count }, async (_, i) => {
    const call = fullDuplexCall(client, { timeoutMs: 1 + (i % 300) });
    call.send({ payload: zeros(10) });
    checkStatus(await call.ending, DEADLINE_EXCEEDED);
  });
  await Promise.all(calls);
  await checkedUnaryCall(client, largeRequest());
}

/** The server answers with headers before the client has sent any message. */
async function serverSpeaksFirst({ client }: CaseContext): Promise<void> {
  const call = fullDuplexCall(client, { metadata: [[ECHO_INITIAL_KEY, 'first']] });
  const headers = await call.headers();
  checkEqual(headers.find(([key]) => key === ECHO_INITIAL_KEY)?.[1], 'first', 'the header');
  await exchange(call, 10, 20);
  call.halfClose();
  checkStatus(await call.ending, 0);
}

async function cancelAfterHeaders({ client }: CaseContext): Promise<void> {
  const call = fullDuplexCall(client, { metadata: [[ECHO_INITIAL_KEY, 'first']] });
  await call.headers();
  call.cancel();
  checkStatus(await call.ending, CANCELLED);
  await checkedUnaryCall(client, largeRequest());
}

/** Cancelled before a connection can possibly be there. */
async function cancelBeforeStart(context: CaseContext): Promise<void> {
  const client = context.openClient();
  const call = client.start('grpc.testing.TestService/UnaryCall', largeRequest());
  call.cancel();
  checkStatus(await call.ending, CANCELLED);
  await checkedUnaryCall(client, largeRequest());
  await client.close();
}

/** The server pauses before each answer while large requests pile up: nothing is lost, and all ends well. */
async function largeMessagePushback({ client }: CaseContext): Promise<void> {
  const call = fullDuplexCall(client);
  const rounds = 20;
  for (let i = 0; i < rounds; i++) {
    call.send({
      responseParameters: [{ size: 300_000, intervalUs: 20_000 }],
      payload: zeros(500_000),
    });
  }
  call.halfClose();
  for (let i = 0; i < rounds; i++) {
    checkEqual((await call.next())?.payload?.body?.length, 300_000, `size of response ${i + 1}`);
  }
  checkEqual(await call.next(), null, 'what comes behind the last response');
  checkStatus(await call.ending, 0);
}

/** HalfDuplexCall answers when the last request is in. */
async function halfDuplex({ client }: CaseContext): Promise<void> {
  const call = client.start<StreamingOutputCallResponse>(
    'grpc.testing.TestService/HalfDuplexCall',
    null,
  );
  for (const octets of [10, 20, 30]) call.send(pingOf(octets, octets + 1));
  call.halfClose();
  for (const octets of [11, 21, 31]) {
    checkEqual((await call.next())?.payload?.body?.length, octets, 'size of a response');
  }
  checkStatus(await call.ending, 0);
}

/** The cases by their names. */
export const EXTRA_CASES: Readonly<Record<string, InteropCase>> = {
  concurrent_large_unary: concurrentLargeUnary,
  pick_first_unary: pickFirstUnary,
  max_concurrent_streams_connection_scaling: connectionScaling,
  large_header: largeHeader,
  thousands_of_simultaneous_calls: thousandsOfCalls,
  thousands_of_simultaneous_deadlines: thousandsOfDeadlines,
  server_speaks_first: serverSpeaksFirst,
  cancel_before_start: cancelBeforeStart,
  cancel_after_headers: cancelAfterHeaders,
  large_message_pushback: largeMessagePushback,
  half_duplex: halfDuplex,
};
