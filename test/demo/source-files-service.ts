/** The service of the demo: one method per RPC of source-files.proto. This is all the code a purewire server needs. */

import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  Metadata,
  type RequestIterator,
  type RpcContext,
  RpcError,
  Status,
} from '../../lib/index.ts';
import type { Behaviors } from '../../lib/protobuf/index.ts';
import { matchesIn, type Repository, type SourceFile } from './repository.ts';
import {
  type Chunk,
  DEFAULT_CHUNK_OCTETS,
  type DownloadRequest,
  type FileInfo,
  missingFileDetails,
  piecesOf,
  type SearchQuery,
  type SearchResult,
  type SourceFilesMethods,
  type StatRequest,
  type UploadSummary,
} from './source-files-definition.ts';

/** Serves the files of a repository. */
export class SourceFiles implements Behaviors<SourceFilesMethods> {
  readonly #repository: Repository;
  /** How many RPCs their client cancelled. */
  cancellations: number;

  constructor(repository: Repository) {
    this.#repository = repository;
    this.cancellations = 0;
  }

  /** Unary. Metadata both ways: `trace-bin` of the request comes back before the response, `lines` after it. */
  Stat(request: StatRequest, context: RpcContext): FileInfo {
    const file = this.#find(request.path);
    const trace = context.metadata.get('trace-bin');
    if (trace !== undefined) context.sendInitialMetadata({ 'trace-bin': trace });
    context.setTrailingMetadata({ lines: String(file.lines.length) });
    return {
      path: file.path,
      octets: file.content.length,
      lines: file.lines.length,
      sha256: file.sha256,
    };
  }

  /** Server streaming: a generator. When the RPC is aborted, it is not asked for more. */
  async *Download(request: DownloadRequest, context: RpcContext): AsyncGenerator<Chunk> {
    context.addAbortionCallback((abortion) => {
      if (abortion === 'cancelled') this.cancellations += 1;
    });
    const { path, content } = this.#find(request.path);
    for (const piece of piecesOf(content, request.chunkOctets || DEFAULT_CHUNK_OCTETS)) {
      if (request.pauseMs) await pause(request.pauseMs);
      yield { path, content: piece };
    }
  }

  /** Client streaming. With `octet-limit` in its metadata, a request that is larger is cancelled by the server. */
  async Upload(chunks: RequestIterator<Chunk>, context: RpcContext): Promise<UploadSummary> {
    const limit = Number(context.metadata.get('octet-limit') ?? Number.POSITIVE_INFINITY);
    const hash = createHash('sha256');
    let count = 0;
    let octets = 0;
    for await (const { content } of chunks) {
      count += 1;
      octets += content.length;
      if (octets > limit) context.abort(Status.CANCELLED, `more than ${limit} octets`);
      hash.update(content);
    }
    return { chunks: count, octets, sha256: new Uint8Array(hash.digest()) };
  }

  /** Bidirectional: each answer leaves before the next query is read. */
  async *Search(queries: RequestIterator<SearchQuery>): AsyncGenerator<SearchResult> {
    for await (const { path, text } of queries) {
      yield { path, matches: matchesIn(this.#find(path), text) };
    }
  }

  #find(path: string): SourceFile {
    const file = this.#repository.find(path);
    if (file !== undefined) return file;
    const message = `there is no source file "${path}"`;
    const missing = { path, similarPaths: this.#repository.similarPaths(path) };
    const details = missingFileDetails(Status.NOT_FOUND, message, missing);
    const metadata = Metadata.from({ 'grpc-status-details-bin': details });
    throw new RpcError(Status.NOT_FOUND, message, metadata);
  }
}
