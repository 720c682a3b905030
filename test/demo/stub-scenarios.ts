/** The scenarios called through a purewire stub: how each kind of RPC is written. */

import {
  CancellationError,
  ExpirationError,
  type Metadata,
  RpcError,
  Status,
  type Stub,
} from '../../lib/index.ts';
import type { InvocationDescriptions } from '../../lib/protobuf/index.ts';
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
  readMissingFile,
  type SearchResult,
  type SourceFilesMethods,
} from './source-files-definition.ts';

/** A stub of the demo's service. */
export type SourceFilesStub = Stub<InvocationDescriptions<SourceFilesMethods>>;

/** The scenarios of `stub`. `server` counts the RPCs that clients cancelled. */
export function stubScenarios(
  stub: SourceFilesStub,
  repository: Repository,
  server: { readonly cancellations: number },
): Scenarios {
  const { files } = repository;

  async function unary(progress: Progress): Promise<string> {
    const waiting = new Set<Promise<void>>();
    for (const [done, { path }] of files.entries()) {
      const answer = stub
        .Stat({ path }, AMPLE_SECONDS)
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
      for await (const { content } of stub.Download({ path: file.path }, AMPLE_SECONDS)) {
        parts.push(content);
        octets += content.length;
      }
      expectSameOctets(joined(parts), file.content, file.path);
      progress.show(done, files.length);
    }
    return `${files.length} files, ${octets} octets, all equal`;
  }

  async function clientStreaming(progress: Progress): Promise<string> {
    // The `async` form of an RPC gives a Future in place of a promise.
    const future = stub.Upload.async(everyFile(progress), AMPLE_SECONDS);
    return checkUpload(await future.result(), repository);
  }

  async function bidirectional(progress: Progress): Promise<string> {
    const queries = files.map(({ path }) => ({ path, text: SEARCHED_TEXT }));
    const results: SearchResult[] = [];
    for await (const result of stub.Search(queries, AMPLE_SECONDS)) {
      results.push(result);
      progress.show(results.length, files.length);
    }
    return checkSearch(results, repository);
  }

  async function metadata(): Promise<string> {
    const received: Metadata[] = [];
    const path = 'package.json';
    await stub.Stat(
      { path: files[0]?.path ?? path },
      {
        timeout: AMPLE_SECONDS,
        metadata: { 'trace-bin': TRACE },
        onInitialMetadata: (initial) => received.push(initial),
        onTrailingMetadata: (trailing) => received.push(trailing),
      },
    );
    const trace = received[0]?.get('trace-bin');
    expect(trace !== undefined, 'trace-bin did not come back');
    expectSameOctets(trace, TRACE, 'trace-bin');
    const lines = received[1]?.get('lines');
    expect(lines === String(files[0]?.lines.length), 'the trailing metadata lacks lines');
    return `trace-bin of ${trace.length} octets and back, lines=${lines}`;
  }

  async function errorWithDetails(): Promise<string> {
    const error = await failureOf(stub.Stat({ path: MISSING_PATH }, AMPLE_SECONDS));
    expect(error.code === Status.NOT_FOUND, `the code is ${error.code}`);
    return checkMissingFile(readMissingFile(error.metadata.get('grpc-status-details-bin')));
  }

  async function deadlineExpires(): Promise<string> {
    const error = await failureOf(countChunks(stub.Download(slowDownload(), SHORT_SECONDS)));
    expect(error instanceof ExpirationError, `not an ExpirationError: ${error.message}`);
    return `ExpirationError after ${SHORT_SECONDS} s`;
  }

  async function clientCancels(): Promise<string> {
    const before = server.cancellations;
    let chunks = 0;
    for await (const _ of stub.Download(slowDownload(), AMPLE_SECONDS)) {
      chunks += 1;
      if (chunks === 3) break; // leaving the loop cancels the RPC
    }
    await eventually(() => server.cancellations > before, 'the server saw no cancellation');
    return `left after ${chunks} chunks, the server knows`;
  }

  async function serverCancels(progress: Progress): Promise<string> {
    const options = { timeout: AMPLE_SECONDS, metadata: { 'octet-limit': String(OCTET_LIMIT) } };
    const error = await failureOf(stub.Upload(everyFile(progress), options));
    expect(error instanceof CancellationError, `not a CancellationError: ${error.message}`);
    return `CancellationError: ${error.details}`;
  }

  function* everyFile(progress: Progress): Generator<Chunk> {
    for (const [done, { path, content }] of files.entries()) {
      yield { path, content };
      progress.show(done, files.length);
    }
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

async function countChunks(chunks: AsyncIterable<Chunk>): Promise<number> {
  let count = 0;
  for await (const _ of chunks) count += 1;
  return count;
}

/** The RpcError that `rpc` fails with. Throws Error when it succeeds. */
async function failureOf(rpc: Promise<unknown>): Promise<RpcError> {
  try {
    await rpc;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error('the RPC succeeded, which it should not');
}
