/** What an attack on a client is, and how it is run: a hostile server in this process, a victim client in its own. */

import type { TlsOptions } from 'node:tls';
import type { Limits } from '../../transport/limits.ts';
import { type RawFrame, type RawPeer, type RawPeerOptions, RawServer } from './raw-peer.ts';
import type { CallRequest, CallResult, ClientReport, Victim } from './victim.ts';

/** What an attack on a client works with. */
export interface ClientAttackContext {
  readonly victim: Victim<ClientReport>;
  /** Connections that the client made, in order. */
  readonly peers: readonly RawPeer[];
  call(count: number, request?: CallRequest): Promise<readonly CallResult[]>;
}

/** One attack on a client. */
export interface ClientAttack {
  readonly id: string;
  readonly title: string;
  readonly quick?: boolean;
  readonly limits?: Partial<Limits>;
  readonly rootCertificates?: string;
  readonly connectTimeoutMs?: number;
  readonly peerOptions?: RawPeerOptions;
  /** TLS of the hostile server. */
  readonly serverTls?: TlsOptions;
  readonly peakOctets?: number;
  readonly stallMs?: number;
  /** What the server does with each connection, and with each request stream on it. */
  onPeer?(peer: RawPeer, index: number): void;
  onRequest?(peer: RawPeer, streamId: number, connection: number): void;
  /** Calls, and what must become of them. Throws Error when the client does not do what it must. */
  run(context: ClientAttackContext): Promise<void>;
}

/** Runs one attack against a running victim client; returns what went wrong. */
export async function runClientAttack(
  victim: Victim<ClientReport>,
  attack: ClientAttack,
): Promise<string[]> {
  const failures: string[] = [];
  const server = await RawServer.listen(
    (peer) => {
      const index = server.peers.indexOf(peer);
      peer.onFrame = (frameIn: RawFrame): void => {
        if (frameIn.type === 1 && (frameIn.streamId & 1) === 1) {
          attack.onRequest?.(peer, frameIn.streamId, index);
        }
      };
      attack.onPeer?.(peer, index);
    },
    attack.peerOptions,
    attack.serverTls,
  );
  try {
    const { limits = {}, rootCertificates, connectTimeoutMs } = attack;
    await victim.tell({
      type: 'target',
      setup: {
        port: server.port,
        limits,
        ...(rootCertificates === undefined ? {} : { rootCertificates }),
        ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      },
    });
    await attack.run({
      victim,
      peers: server.peers,
      call: (count, request) => victim.call(count, request),
    });
    const report = await victim.report();
    failures.push(...report.faults);
    if (report.logLines > 10 * Math.max(1, server.peers.length)) {
      failures.push(`I6: ${report.logLines} lines of log`);
    }
    if (report.activeCalls > 0) failures.push(`${report.activeCalls} calls never ended`);
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  }
  server.close();
  await victim.tell({ type: 'close' });
  return failures;
}
