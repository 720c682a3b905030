/** Sockets for the limit arms: reads land in one static buffer wherever Node allows that, plain or over TLS. */

import net from 'node:net';
import tls from 'node:tls';
import type { TlsMaterial } from '../protocol.ts';
import { serverName } from '../worker/bench-arm.ts';

/** Called for each read with the octets `chunk[0 … length)`, valid during the call. */
export type OnOctets = (chunk: Uint8Array, length: number) => void;

/** One for all connections: a read fills it and is handed on before another can begin. */
const readBuffer = Buffer.allocUnsafeSlow(65_536);

interface HandleHolder {
  _handle: unknown;
}

/** Listens on a free port of 127.0.0.1; `accept` gets each connection and returns who reads it. Resolves to the port. */
export function listen(
  material: TlsMaterial | null,
  accept: (socket: net.Socket) => OnOctets,
): Promise<number> {
  const server =
    material === null
      ? net.createServer({ noDelay: true, pauseOnConnect: true }, (paused) => {
          acceptWithStaticBuffer(paused, accept);
        })
      : tls.createServer(
          { cert: material.certificate, key: material.privateKey, noDelay: true },
          (socket) => {
            const onOctets = accept(socket);
            socket.on('data', (chunk: Buffer) => onOctets(chunk, chunk.length));
            socket.on('error', () => socket.destroy());
          },
        );
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as net.AddressInfo).port));
  });
}

/**
 * Connects to 127.0.0.1; resolves once connected, over TLS once the handshake is done. `sessions`: TLS sessions to resume, each once, and
 * where new ones go; null: a full handshake.
 */
export function connect(
  port: number,
  material: TlsMaterial | null,
  onOctets: OnOctets,
  sessions: Buffer[] | null = null,
): Promise<net.Socket> {
  const onread = {
    buffer: readBuffer,
    callback: (length: number, chunk: Uint8Array): boolean => {
      onOctets(chunk, length);
      return true;
    },
  };
  return new Promise((resolve, reject) => {
    const target = { host: '127.0.0.1', port, noDelay: true, onread };
    const socket =
      material === null
        ? net.connect(target)
        : tls.connect({
            ...target,
            ca: material.certificate,
            servername: serverName,
            ...resumption(sessions),
          });
    if (sessions !== null) socket.on('session', (session: Buffer) => sessions.push(session));
    socket.once('error', reject);
    socket.once(material === null ? 'connect' : 'secureConnect', () => resolve(socket));
  });
}

/** The option that resumes the newest of `sessions`, which is taken out: RFC 8446 §C.4, each is used once. */
export function resumption(sessions: Buffer[] | null): { session?: Buffer } {
  const session = sessions?.pop();
  return session === undefined ? {} : { session };
}

/**
 * Node offers static read buffers to clients only. An accepted handle wrapped in a Socket of our own gets one too; where that is not
 * possible the connection reads through 'data' events.
 */
function acceptWithStaticBuffer(
  paused: net.Socket,
  accept: (socket: net.Socket) => OnOctets,
): void {
  const handle = (paused as unknown as HandleHolder)._handle;
  let onOctets: OnOctets = () => {};
  let socket = paused;
  if (handle !== null && typeof handle === 'object' && 'useUserBuffer' in handle) {
    (paused as unknown as HandleHolder)._handle = null;
    const onread = {
      buffer: readBuffer,
      callback: (length: number, chunk: Uint8Array): boolean => {
        onOctets(chunk, length);
        return true;
      },
    };
    const options = { handle, readable: true, writable: true, onread };
    socket = new net.Socket(options as unknown as net.SocketConstructorOpts);
    socket.setNoDelay(true);
  } else {
    paused.on('data', (chunk: Buffer) => onOctets(chunk, chunk.length));
  }
  socket.on('error', () => socket.destroy());
  onOctets = accept(socket);
  socket.resume();
}
