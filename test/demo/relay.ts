/** A TCP relay between caller and server that counts what goes through: the octets on the wire, whatever the library says. */

import { connect, createServer, type Socket } from 'node:net';

/** Octets counted in both directions; `counts[0]` from the caller, `counts[1]` to it. May be shared between threads. */
export type OctetCounts = Float64Array;

/** A relay that is listening. */
export interface Relay {
  /** Where the caller should connect, on localhost. */
  readonly port: number;
  readonly counts: OctetCounts;
  /** Cuts what is left and stops listening. */
  close(): Promise<void>;
}

/** Starts a relay to `targetPort` on this machine. */
export async function startRelay(
  targetPort: number,
  counts: OctetCounts = new Float64Array(2),
): Promise<Relay> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (caller) => {
    const target = connect({ host: '127.0.0.1', port: targetPort, noDelay: true });
    pipe(caller, target, counts, 0);
    pipe(target, caller, counts, 1);
    for (const [socket, other] of [
      [caller, target],
      [target, caller],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, 'localhost', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return {
    port: address.port,
    counts,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function pipe(from: Socket, to: Socket, counts: OctetCounts, direction: 0 | 1): void {
  from.on('data', (chunk: Uint8Array) => {
    counts[direction] = (counts[direction] ?? 0) + chunk.length;
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
}
