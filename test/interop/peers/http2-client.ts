/** A gRPC client written by hand on node:http2, as a peer. */

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { CollectedCall } from './collected-call.ts';
import {
  CANCEL,
  type Fields,
  fieldsOf,
  framed,
  MessageSplitter,
  pairsOf,
  statusOf,
} from './http2-wire.ts';
import type { ClientTarget, PeerCall, PeerCallOptions, PeerClient, PeerMethod } from './peer.ts';

/** Our own window for responses. */
const WINDOW_OCTETS = 1024 * 1024;
/** node:http2 refuses streams of its own by ENHANCE_YOUR_CALM beyond 10 MB of queued requests. */
const MAX_SESSION_MEGABYTES = 1000;
const DEADLINE_EXCEEDED = 4;

/** Opens an HTTP/2 session to `target`. */
export function openHttp2Session(target: ClientTarget): ClientHttp2Session {
  const { host = '127.0.0.1', port = 0, path, tls } = target;
  const options = {
    settings: { initialWindowSize: WINDOW_OCTETS, enablePush: false },
    maxSessionMemory: MAX_SESSION_MEGABYTES,
  };
  if (path !== undefined) {
    return connect('http://localhost', { ...options, createConnection: () => connectSocket(path) });
  }
  if (tls === undefined) return connect(`http://${host}:${port}`, options);
  return connect(`https://${host}:${port}`, {
    ...options,
    ca: tls.root,
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    ...(tls.identity === undefined
      ? {}
      : { key: tls.identity.privateKey, cert: tls.identity.certificateChain }),
  });
}

/** Opens a client on one connection. */
export function openHttp2Client(target: ClientTarget): PeerClient {
  const session = openHttp2Session(target);
  // Every call that it ends says so itself.
  session.on('error', () => {});
  return {
    start: (method, request, options = {}) => startCall(session, method, request, options),
    close: () =>
      new Promise((resolve) => {
        if (session.destroyed) resolve();
        else {
          session.once('close', resolve);
          session.close();
        }
      }),
  };
}

/** The header fields of a request. */
export function requestFields(path: string, options: PeerCallOptions = {}): Fields {
  return {
    ':method': 'POST',
    ':path': path,
    te: 'trailers',
    'content-type': 'application/grpc',
    ...(options.timeoutMs === undefined ? {} : { 'grpc-timeout': `${options.timeoutMs}m` }),
    ...fieldsOf(options.metadata ?? []),
  };
}

function startCall(
  session: ClientHttp2Session,
  method: PeerMethod,
  request: Uint8Array | null,
  options: PeerCallOptions,
): PeerCall {
  const collected = new CollectedCall();
  const stream = requestOn(session, method, options, collected);
  if (stream === null) return collected;
  const { timeoutMs } = options;
  // Due before the server's own, whose reset then finds the call ended.
  if (timeoutMs !== undefined) {
    const expire = (): void => {
      collected.finish(DEADLINE_EXCEEDED, 'deadline exceeded');
      stream.close(CANCEL);
    };
    const timer = setTimeout(expire, timeoutMs);
    stream.once('close', () => clearTimeout(timer));
  }
  collect(stream, collected, timeoutMs === undefined ? undefined : Date.now() + timeoutMs);
  if (request !== null) stream.end(framed(request));
  collected.sender = {
    send: (message) => void stream.write(framed(message)),
    end: () => void stream.end(),
    cancel: () => {
      collected.finish(1, 'cancelled');
      stream.close(CANCEL);
    },
  };
  return collected;
}

/** The stream of a new request; null when the session takes none any more. */
function requestOn(
  session: ClientHttp2Session,
  method: PeerMethod,
  options: PeerCallOptions,
  collected: CollectedCall,
): ClientHttp2Stream | null {
  try {
    return session.request(requestFields(method.path, options));
  } catch (error) {
    collected.finish(14, String(error));
    return null;
  }
}

/**
 * Reads a response into `collected`. What is no gRPC response ends with UNKNOWN, a lost stream with UNAVAILABLE, one cancelled from `deadlineMs`
 * of the wall clock on with DEADLINE_EXCEEDED.
 */
export function collect(
  stream: ClientHttp2Stream,
  collected: CollectedCall,
  deadlineMs: number = Number.POSITIVE_INFINITY,
): void {
  const splitter = new MessageSplitter();
  let status: ReturnType<typeof statusOf> = null;
  stream.on('response', (...args) => {
    const [headers, rawFields] = withRawFields(args);
    status = statusOf(headers);
    // Without DATA, the trailing metadata is in the only header block.
    if (status === null) collected.setInitial(pairsOf(rawFields));
    else collected.trailing = pairsOf(rawFields);
  });
  stream.on('trailers', (...args) => {
    const [headers, rawFields] = withRawFields(args);
    status = statusOf(headers);
    collected.trailing = pairsOf(rawFields);
  });
  stream.on('data', (chunk: Buffer) => {
    for (const message of splitter.push(chunk)) collected.push(message);
  });
  stream.on('error', () => {});
  stream.on('end', () => {
    // The response is complete: what the client may still want to send is of no use (RFC 9113 §8.1).
    if (status !== null && !stream.writableEnded) stream.close(CANCEL);
  });
  stream.on('close', () => {
    const expired = stream.rstCode === CANCEL && Date.now() >= deadlineMs;
    if (status === null && expired) collected.finish(DEADLINE_EXCEEDED, 'deadline exceeded');
    else if (status === null) collected.finish(14, `closed with ${stream.rstCode}`);
    else if (splitter.rest > 0) collected.finish(13, `${splitter.rest} octets of a message`);
    else collected.finish(status.code, status.details);
  });
}

/** node:http2 gives the fields as they came as a last argument that its documentation leaves out of `trailers`. */
function withRawFields(
  args: readonly unknown[],
): [IncomingHttpHeaders & IncomingHttpStatusHeader, readonly string[]] {
  return [args[0] as IncomingHttpHeaders, (args[2] ?? []) as readonly string[]];
}
