/**
 * Replays the payloads of a bad client against a server in a process of its own, while a well-behaved client goes on calling: the server must
 * answer each as RFC 9113 and gRPC say, serve the other connections, and live.
 */

import { Bystander } from '../../hostile/bystander.ts';
import { RawPeer } from '../../hostile/raw-peer.ts';
import { type ServerReport, Victim } from '../../hostile/victim.ts';
import { ping, settingsAck, toHex } from '../../support/frame-factory.ts';
import { CONNECTION_PAYLOADS, UNKNOWN_FRAMES } from './connection-payloads.ts';
import { HEADER_PAYLOADS } from './header-payloads.ts';
import type { Payload } from './payload.ts';
import { LARGE_METADATA, REQUEST_PAYLOADS } from './request-payloads.ts';

/** The payloads of the twelve programs, the unknown frames, and one more of an older suite. */
export const BAD_CLIENT_PAYLOADS: readonly Payload[] = [
  ...CONNECTION_PAYLOADS,
  ...HEADER_PAYLOADS,
  ...REQUEST_PAYLOADS,
];
export const ALL_PAYLOADS: readonly Payload[] = [
  ...BAD_CLIENT_PAYLOADS,
  ...UNKNOWN_FRAMES,
  LARGE_METADATA,
];

const PING = 6;
const PROBE = 'bad-clnt';
const WAIT_MS = 10_000;
const ACK = 1;

/** Replays `payloads`. Returns what went wrong, one line per payload, and lines about the whole. */
export async function replay(payloads: readonly Payload[]): Promise<string[]> {
  const victim = await Victim.startServer();
  const bystander = new Bystander(victim.port);
  const failures: string[] = [];
  try {
    await bystander.served();
    for (const payload of payloads) {
      const fault = await replayOne(victim, payload);
      if (fault !== null) failures.push(`${payload.program}, ${payload.name}: ${fault}`);
      if (victim.exited) break;
    }
    const { calls, failures: faults } = await bystander.stop();
    if (calls === 0) failures.push('the other client: no call was answered');
    for (const fault of faults) failures.push(`the other client: ${fault}`);
    if (victim.exited) failures.push(`the server is dead: ${victim.stderr}`);
    else {
      const { faults } = await victim.until(
        ({ connections, runningHandlers }) => connections === 0 && runningHandlers === 0,
        'the server to come to rest',
      );
      failures.push(...faults);
    }
  } finally {
    await victim.stop();
  }
  return failures;
}

async function replayOne(victim: Victim<ServerReport>, payload: Payload): Promise<string | null> {
  let peer: RawPeer | null = null;
  try {
    await victim.tell({ type: 'reset' });
    peer = await RawPeer.connect(victim.port, { greet: false });
    peer.write(payload.octets);
    await judge(peer, payload);
    await payload.check?.(peer);
    const wanted = payload.starts ?? 0;
    const { starts } = await victim.report();
    if (wanted !== 'any' && starts !== wanted)
      return `${starts} handlers have started instead of ${wanted}`;
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    peer?.socket.destroy();
  }
}

async function judge(peer: RawPeer, { verdict }: Payload): Promise<void> {
  if ('goAway' in verdict) {
    await peer.expectGoAway(verdict.goAway, null, WAIT_MS);
    return;
  }
  if ('unfinished' in verdict) {
    // Half-closed in the middle: the rest will never come.
    peer.socket.end();
    await peer.expectClosed(WAIT_MS);
    return;
  }
  if ('reset' in verdict) await peer.expectReset(...verdict.reset);
  if ('status' in verdict) await peer.expectStatus(...verdict.status);
  if ('http' in verdict) {
    const [streamId, status] = verdict.http;
    await peer.until(
      () => peer.responses.get(streamId)?.ended === true || peer.closed,
      'the response',
    );
    const found = peer.fieldOf(streamId, ':status');
    if (found !== status) throw new Error(`:status ${found} instead of ${status}`);
  }
  await expectAlive(peer);
}

/** What was sent did not end the connection. */
async function expectAlive(peer: RawPeer): Promise<void> {
  peer.write(settingsAck(), ping(PROBE));
  const wanted = toHex(Buffer.from(PROBE));
  const answered = (): boolean =>
    peer.frames.some(
      ({ type, flags, payload }) => type === PING && flags === ACK && toHex(payload) === wanted,
    );
  await peer.until(() => answered() || peer.closed, 'the answer to PING', WAIT_MS);
  if (!answered()) throw new Error(`the connection has ended; ${peer.summary()}`);
}
