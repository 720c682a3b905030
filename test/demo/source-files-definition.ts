/** The service of the demo as TypeScript sees it, loaded from its `.proto`: no generated code. */

import {
  loadService,
  type MessageCodec,
  type ProtoService,
  type StreamStream,
  type StreamUnary,
  type UnaryStream,
  type UnaryUnary,
} from '../../lib/protobuf/index.ts';
import { demoFile, type LineMatch } from './repository.ts';

export interface StatRequest {
  readonly path: string;
}
export interface FileInfo {
  readonly path: string;
  readonly octets: number;
  readonly lines: number;
  readonly sha256: Uint8Array;
}
export interface DownloadRequest {
  readonly path: string;
  readonly chunkOctets?: number;
  readonly pauseMs?: number;
}
export interface Chunk {
  readonly path: string;
  readonly content: Uint8Array;
}
export interface UploadSummary {
  readonly chunks: number;
  readonly octets: number;
  readonly sha256: Uint8Array;
}
export interface SearchQuery {
  readonly path: string;
  readonly text: string;
}
export interface SearchResult {
  readonly path: string;
  readonly matches: readonly LineMatch[];
}
export interface MissingFile {
  readonly path: string;
  readonly similarPaths: readonly string[];
}

/** The RPCs with their types: what makes a wrong request or a misspelt name a compile error. */
export interface SourceFilesMethods {
  Stat: UnaryUnary<StatRequest, FileInfo>;
  Download: UnaryStream<DownloadRequest, Chunk>;
  Upload: StreamUnary<Chunk, UploadSummary>;
  Search: StreamStream<SearchQuery, SearchResult>;
}

/** The path of the `.proto`. */
export const PROTO_FILE: string = demoFile('source-files.proto');

/** The service, ready to be called and to be served. */
export const sourceFiles: ProtoService<SourceFilesMethods> = loadService<SourceFilesMethods>(
  { file: PROTO_FILE },
  'demo.v1.SourceFiles',
);

/** Size of a download's chunks when the request names none. */
export const DEFAULT_CHUNK_OCTETS = 16_384;

interface RichStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly type_url: string; readonly value: Uint8Array }[];
}

const richStatus: MessageCodec<RichStatus> = sourceFiles.message('google.rpc.Status');
const missingFile: MessageCodec<MissingFile> = sourceFiles.message('demo.v1.MissingFile');
const MISSING_FILE_URL = 'type.googleapis.com/demo.v1.MissingFile';

/** The octets of `grpc-status-details-bin`: a google.rpc.Status with a MissingFile in it. */
export function missingFileDetails(
  code: number,
  message: string,
  missing: MissingFile,
): Uint8Array {
  const value = missingFile.encode(missing);
  return richStatus.encode({ code, message, details: [{ type_url: MISSING_FILE_URL, value }] });
}

/** The MissingFile in `grpc-status-details-bin`. Throws Error when there is none. */
export function readMissingFile(details: Uint8Array | undefined): MissingFile {
  if (details === undefined) throw new Error('the error came without grpc-status-details-bin');
  const detail = richStatus.decode(details).details[0];
  if (detail?.type_url !== MISSING_FILE_URL) throw new Error('the error has no MissingFile');
  return missingFile.decode(detail.value);
}

/** `content` in pieces of at most `octets`; one empty piece when there is nothing. */
export function* piecesOf(content: Uint8Array, octets: number): Generator<Uint8Array> {
  for (let start = 0; start === 0 || start < content.length; start += octets) {
    yield content.subarray(start, start + octets);
  }
}
