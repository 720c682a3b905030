/** The scenarios called through @grpc/grpc-js, a gRPC library that is not ours: it must find our server as good as any. */

import {
  type ChannelCredentials,
  type ClientWritableStream,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import {
  type GrpcJsCallOptions,
  type GrpcJsClient,
  loadGrpcJsService,
} from './grpc-js-definition.ts';
import type { Progress } from './progress.ts';
import { joined, type Repository } from './repository.ts';
import {
  AMPLE_SECONDS,
  checkMissingFile,
  checkSearch,
  checkStat,
  checkUpload,
  eventually,
  expect,
  expectSameOctets,
  IN_FLIGHT,
  MISSING_PATH,
  OCTET_LIMIT,
  type Scenarios,
  SEARCHED_TEXT,
  SHORT_SECONDS,
  TRACE,
} from './scenarios.ts';
import {
  type Chunk,
  type FileInfo,
  readMissingFile,
  type SearchResult,
  type UploadSummary,
} from './source-files-definition.ts';

/** A grpc-js client on `localhost:port`. */
export function openGrpcJsClient(port: number, credentials: ChannelCredentials): GrpcJsClient {
  return new (loadGrpcJsService())(`localhost:${port}`, credentials);
}

/** The scenarios of `client`. `server` counts the RPCs that clients cancelled. */
export function grpcJsScenarios(
  client: GrpcJsClient,
  repository: Repository,
  server: { readonly cancellations: number },
): Scenarios {
  const { files } = repository;
  const none = new Metadata();

  function stat(path: string): Promise<FileInfo> {
    return new Promise((resolve, reject) => {
      client.Stat({ path }, none, within(AMPLE_SECONDS), (error, info) =>
        error === null && info !== undefined ? resolve(info) : reject(error),
      );
    });
  }

  async function unary(progress: Progress): Promise<string> {
    const waiting = new Set<Promise<void>>();
    for (const [done, { path }] of files.entries()) {
      const answer = stat(path)
        .then((info) => checkStat(info, path, repository))
        .finally(() => waiting.delete(answer));
      waiting.add(answer);
      if (waiting.size >= IN_FLIGHT) await Promise.race(waiting);
      progress.show(done, files.length);
    }
    await Promise.all(waiting);
    return `${files.length} calls, every digest equal`;
  }

  async function serverStreaming(progress: Progress): Promise<string> {
    let octets = 0;
    for (const [done, file] of files.entries()) {
      const parts: Uint8Array[] = [];
      const call = client.Download({ path: file.path }, none, within(AMPLE_SECONDS));
      for await (const { content } of call as AsyncIterable<Chunk>) {
        parts.push(content);
        octets += content.length;
      }
      expectSameOctets(joined(parts), file.content, file.path);
      progress.show(done, files.length);
    }
    return `${files.length} files, ${octets} octets, all equal`;
  }

  function upload(metadata: Metadata, progress: Progress): Promise<UploadSummary> {
    return new Promise((resolve, reject) => {
      const call = client.Upload(metadata, within(AMPLE_SECONDS), (error, summary) =>
        error === null && summary !== undefined ? resolve(summary) : reject(error),
      );
      call.on('error', reject);
      writeEveryFile(call, progress).catch(reject);
    });
  }

  async function writeEveryFile(
    call: ClientWritableStream<Chunk>,
    progress: Progress,
  ): Promise<void> {
    for (const [done, { path, content }] of files.entries()) {
      if (call.destroyed) return;
      if (!call.write({ path, content })) await drained(call);
      progress.show(done, files.length);
    }
    call.end();
  }

  async function clientStreaming(progress: Progress): Promise<string> {
    return checkUpload(await upload(none, progress), repository);
  }

  async function bidirectional(progress: Progress): Promise<string> {
    const call = client.Search(none, within(AMPLE_SECONDS));
    for (const { path } of files) call.write({ path, text: SEARCHED_TEXT });
    call.end();
    const results: SearchResult[] = [];
    for await (const result of call as AsyncIterable<SearchResult>) {
      results.push(result);
      progress.show(results.length, files.length);
    }
    return checkSearch(results, repository);
  }

  async function metadata(): Promise<string> {
    const sent = new Metadata();
    sent.set('trace-bin', Buffer.from(TRACE));
    const file = files[0];
    expect(file !== undefined, 'there are no files');
    const received: Metadata[] = [];
    await new Promise<void>((resolve, reject) => {
      const options = within(AMPLE_SECONDS);
      const call = client.Stat({ path: file.path }, sent, options, (error) => {
        if (error !== null) reject(error);
      });
      call.on('metadata', (initial) => received.push(initial));
      call.on('status', ({ metadata: trailing }) => {
        received.push(trailing);
        resolve();
      });
    });
    const trace = received[0]?.get('trace-bin')[0];
    expect(trace instanceof Uint8Array, 'trace-bin did not come back');
    expectSameOctets(trace, TRACE, 'trace-bin');
    const lines = received[1]?.get('lines')[0];
    expect(lines === String(file.lines.length), 'the trailing metadata lacks lines');
    return `trace-bin of ${trace.length} octets and back, lines=${lines}`;
  }

  async function errorWithDetails(): Promise<string> {
    const error = await failureOf(stat(MISSING_PATH));
    expect(error.code === status.NOT_FOUND, `the code is ${error.code}`);
    const details = error.metadata.get('grpc-status-details-bin')[0];
    expect(details instanceof Uint8Array, 'the error came without details');
    return checkMissingFile(readMissingFile(details));
  }

  async function deadlineExpires(): Promise<string> {
    const call = client.Download(slowDownload(), none, within(SHORT_SECONDS));
    const error = await failureOf(countChunks(call as AsyncIterable<Chunk>));
    expect(error.code === status.DEADLINE_EXCEEDED, `the code is ${error.code}`);
    return `DEADLINE_EXCEEDED after ${SHORT_SECONDS} s`;
  }

  async function clientCancels(): Promise<string> {
    const before = server.cancellations;
    const call = client.Download(slowDownload(), none, within(AMPLE_SECONDS));
    let chunks = 0;
    call.on('data', () => {
      chunks += 1;
      if (chunks === 3) call.cancel();
    });
    const error = await new Promise<ServiceError>((resolve) => call.on('error', resolve));
    expect(error.code === status.CANCELLED, `the code is ${error.code}`);
    await eventually(() => server.cancellations > before, 'the server saw no cancellation');
    return `left after ${chunks} chunks, the server knows`;
  }

  async function serverCancels(progress: Progress): Promise<string> {
    const limited = new Metadata();
    limited.set('octet-limit', String(OCTET_LIMIT));
    const error = await failureOf(upload(limited, progress));
    expect(error.code === status.CANCELLED, `the code is ${error.code}`);
    return `CANCELLED: ${error.details}`;
  }

  function slowDownload(): { path: string; chunkOctets: number; pauseMs: number } {
    return { path: repository.fileOfAtLeast(10_000).path, chunkOctets: 100, pauseMs: 20 };
  }

  return {
    unary,
    'server streaming': serverStreaming,
    'client streaming': clientStreaming,
    bidirectional,
    'metadata both ways': metadata,
    'error with details': errorWithDetails,
    'deadline expires': deadlineExpires,
    'client cancels': clientCancels,
    'server cancels': serverCancels,
  };
}

function within(seconds: number): GrpcJsCallOptions {
  return { deadline: Date.now() + seconds * 1000 };
}

/** The stream takes more, or is no longer there to take any. */
function drained(call: ClientWritableStream<Chunk>): Promise<void> {
  const events = ['drain', 'close', 'error'] as const;
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) call.removeListener(event, done);
      resolve();
    };
    for (const event of events) call.on(event, done);
  });
}

async function countChunks(chunks: AsyncIterable<Chunk>): Promise<number> {
  let count = 0;
  for await (const _ of chunks) count += 1;
  return count;
}

async function failureOf(rpc: Promise<unknown>): Promise<ServiceError> {
  try {
    await rpc;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return error as ServiceError;
    throw error;
  }
  throw new Error('the RPC succeeded, which it should not');
}
