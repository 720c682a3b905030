/** What our client must do against the server that misbehaves: status, messages and connections of each case. */

import { setTimeout as pause } from 'node:timers/promises';
import {
  checkedUnaryCall,
  checkStatus,
  LARGE_RESPONSE_OCTETS,
  largeRequest,
  unaryCall,
} from '../cases/case-context.ts';
import { check, checkEqual, type InteropClient } from '../cases/interop-client.ts';
import { openLibrary } from '../cases/libraries.ts';
import type { StreamingOutputCallResponse } from '../service/definition.ts';
import { type NegativeCase, startNegativeServer } from './server.ts';

/** gRPC PROTOCOL-HTTP2: RST_STREAM with NO_ERROR before the trailers is INTERNAL. */
const INTERNAL = 13;
const CONCURRENT_CALLS = 15;
/** Time for the GOAWAY to come in. */
const GOAWAY_MS = 1000;

async function callFails(client: InteropClient): Promise<void> {
  const { response, ...ending } = await unaryCall(client, largeRequest());
  checkStatus(ending, INTERNAL);
  check(response === null, 'a response was delivered');
}

/** The server answers any method with one message of the large size. */
async function streamFails(client: InteropClient, messages: number): Promise<void> {
  const call = client.start<StreamingOutputCallResponse>(
    'grpc.testing.TestService/StreamingOutputCall',
    { responseParameters: [{ size: LARGE_RESPONSE_OCTETS }] },
  );
  let count = 0;
  for (let next = await call.next(); next !== null; next = await call.next()) {
    checkEqual(next.payload?.body?.length, LARGE_RESPONSE_OCTETS, 'size of the message');
    count += 1;
  }
  checkEqual(count, messages, 'number of messages');
  checkStatus(await call.ending, INTERNAL);
}

const CLIENTS: Readonly<Record<NegativeCase, (client: InteropClient) => Promise<void>>> = {
  async goaway(client) {
    await checkedUnaryCall(client, largeRequest());
    await pause(GOAWAY_MS);
    await checkedUnaryCall(client, largeRequest());
  },
  async rst_after_header(client) {
    await callFails(client);
    await streamFails(client, 0);
  },
  async rst_during_data(client) {
    await callFails(client);
    await streamFails(client, 0);
  },
  async rst_after_data(client) {
    await callFails(client);
    await streamFails(client, 1);
  },
  async ping(client) {
    await checkedUnaryCall(client, largeRequest());
  },
  async max_streams(client) {
    await checkedUnaryCall(client, largeRequest());
    const calls = Array.from({ length: CONCURRENT_CALLS }, () =>
      checkedUnaryCall(client, largeRequest()),
    );
    await Promise.all(calls);
  },
  async data_frame_padding(client) {
    await checkedUnaryCall(client, largeRequest());
  },
  async no_df_padding_sanity_test(client) {
    await checkedUnaryCall(client, largeRequest());
  },
};

/** Runs a case with our client, or with another library. Rejects with Error when the client or the server is not content. */
export async function runNegative(name: NegativeCase, library = 'purewire'): Promise<void> {
  const server = await startNegativeServer(name);
  const client = openLibrary(library, { host: '127.0.0.1', port: server.port });
  try {
    await CLIENTS[name](client);
    const problems = server.problems();
    check(problems.length === 0, problems.join('; '));
  } finally {
    await client.close();
    server.close();
  }
}
