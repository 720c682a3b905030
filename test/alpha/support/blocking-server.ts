/**
 * A server in a thread of its own, for the stubs that block theirs: insecure, and over TLS with the identity in `workerData`. Posts both
 * ports when it serves, and runs until it is terminated.
 */

import { parentPort, workerData } from 'node:worker_threads';
import {
  Metadata,
  RpcError,
  type ServerOptions,
  Status,
  server,
  streamStreamServiceDescription,
  streamUnaryServiceDescription,
  unaryStreamServiceDescription,
  unaryUnaryServiceDescription,
} from '../../../lib/index.ts';
import { readText, writeText } from './fake-channel.ts';
import { MATH, MATH_SERVICE } from './math-service.ts';

const ECHO = {
  Say: unaryUnaryServiceDescription(
    async (request: string, context) => {
      if (request === 'hang') await new Promise(() => {});
      if (request === 'fail') {
        throw new RpcError(Status.NOT_FOUND, 'nowhere', Metadata.from({ 'x-why': 'that' }));
      }
      if (request === 'metadata') return context.metadata.getAll('x-key').join('+');
      context.sendInitialMetadata({ 'x-i': '1' });
      context.setTrailingMetadata({ 'x-t': '2' });
      return request;
    },
    readText,
    writeText,
  ),
  /** `count` responses of `size` characters; `count` 0: a response, then nothing. */
  Tell: unaryStreamServiceDescription(
    async function* (request: string, context) {
      const [count = 0, size = 0] = request.split('x').map(Number);
      context.sendInitialMetadata({ 'x-i': '1' });
      context.setTrailingMetadata({ 'x-t': '2' });
      for (let i = 0; i < Math.max(count, 1); i++) yield String(i).padStart(size, '.');
      if (count === 0) await new Promise(() => {});
      if (request.endsWith('!')) throw new RpcError(Status.DATA_LOSS, 'half of it');
    },
    (octets) => readText(octets),
    writeText,
  ),
  /** The length of all requests together; answers early to `stop`. */
  Collect: streamUnaryServiceDescription(
    async (requests) => {
      let length = 0;
      for await (const request of requests) {
        if (request === 'stop') return `stopped after ${length}`;
        length += request.length;
      }
      return String(length);
    },
    readText,
    writeText,
  ),
  Chat: streamStreamServiceDescription(
    async function* (requests) {
      for await (const request of requests) yield `${request}!`;
    },
    readText,
    writeText,
  ),
};

if (parentPort !== null) {
  const host = '127.0.0.1';
  const plain = server({ 'test.Echo': ECHO, [MATH]: MATH_SERVICE }, 0, { host });
  const secure = server('test.Echo', ECHO, 0, { host, ...(workerData as ServerOptions) });
  await plain.start();
  await secure.start();
  parentPort.postMessage([plain.port(), secure.port()]);
}
