/** The demo's service on a @grpc/grpc-js server: our stub must find it as good as our own. */

import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  Metadata,
  Server,
  type ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadGrpcJsService } from './grpc-js-definition.ts';
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
  type StatRequest,
  type UploadSummary,
} from './source-files-definition.ts';

/** A grpc-js server that is serving. */
export interface GrpcJsServer {
  readonly port: number;
  /** How many RPCs their client cancelled. */
  readonly cancellations: number;
  close(): void;
}

/** Serves the files of `repository` on a free port. */
export async function startGrpcJsServer(
  repository: Repository,
  credentials: ServerCredentials,
): Promise<GrpcJsServer> {
  const server = new Server();
  let cancellations = 0;

  function find(path: string): SourceFile {
    const file = repository.find(path);
    if (file !== undefined) return file;
    const message = `there is no source file "${path}"`;
    const missing = { path, similarPaths: repository.similarPaths(path) };
    const metadata = new Metadata();
    metadata.set(
      'grpc-status-details-bin',
      Buffer.from(missingFileDetails(status.NOT_FOUND, message, missing)),
    );
    throw Object.assign(new Error(message), { code: status.NOT_FOUND, details: message, metadata });
  }

  function stat(call: ServerUnaryCall<StatRequest, FileInfo>, answer: Answer<FileInfo>): void {
    let file: SourceFile;
    try {
      file = find(call.request.path);
    } catch (error) {
      answer(error as ServiceError);
      return;
    }
    const [trace] = call.metadata.get('trace-bin');
    if (trace !== undefined) {
      const initial = new Metadata();
      initial.set('trace-bin', trace);
      call.sendMetadata(initial);
    }
    const trailing = new Metadata();
    trailing.set('lines', String(file.lines.length));
    const { path, content, lines, sha256 } = file;
    answer(null, { path, octets: content.length, lines: lines.length, sha256 }, trailing);
  }

  async function download(call: ServerWritableStream<DownloadRequest, Chunk>): Promise<void> {
    call.on('cancelled', () => {
      cancellations += 1;
    });
    const { path, chunkOctets, pauseMs } = call.request;
    for (const content of piecesOf(find(path).content, chunkOctets || DEFAULT_CHUNK_OCTETS)) {
      if (pauseMs) await pause(pauseMs);
      if (call.cancelled) return;
      if (!call.write({ path, content })) {
        await new Promise((resolve) => {
          call.once('drain', resolve);
          call.once('cancelled', resolve);
        });
      }
    }
    call.end();
  }

  async function upload(
    call: ServerReadableStream<Chunk, UploadSummary>,
    answer: Answer<UploadSummary>,
  ): Promise<void> {
    const limit = Number(call.metadata.get('octet-limit')[0] ?? Number.POSITIVE_INFINITY);
    const hash = createHash('sha256');
    let chunks = 0;
    let octets = 0;
    for await (const { content } of call as AsyncIterable<Chunk>) {
      chunks += 1;
      octets += content.length;
      if (octets > limit) {
        answer({ code: status.CANCELLED, details: `more than ${limit} octets` });
        return;
      }
      hash.update(content);
    }
    answer(null, { chunks, octets, sha256: hash.digest() });
  }

  function search(call: ServerDuplexStream<SearchQuery, SearchResult>): void {
    // Not `for await`: at its end that destroys the stream, and with it the answers.
    call.on('data', ({ path, text }: SearchQuery) => {
      try {
        call.write({ path, matches: matchesIn(find(path), text) });
      } catch (error) {
        call.emit('error', error);
      }
    });
    call.on('end', () => call.end());
  }

  server.addService(loadGrpcJsService().service, {
    Stat: stat,
    Download: (call: ServerWritableStream<DownloadRequest, Chunk>) => {
      download(call).catch((error: unknown) => call.emit('error', error));
    },
    Upload: (call: ServerReadableStream<Chunk, UploadSummary>, answer: Answer<UploadSummary>) => {
      upload(call, answer).catch((error: unknown) => answer(error as ServiceError));
    },
    Search: search,
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    get cancellations() {
      return cancellations;
    },
    close: () => server.forceShutdown(),
  };
}

type Answer<Response> = (
  error: Partial<ServiceError> | null,
  response?: Response,
  trailing?: Metadata,
) => void;
