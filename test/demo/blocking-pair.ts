/** The blocking stub: its calls return the response itself. Its server, and the relay, live in another thread. */

import { Worker } from 'node:worker_threads';
import {
  type BlockingStub,
  blockingStub,
  ExpirationError,
  RpcError,
  Status,
} from '../../lib/index.ts';
import type { InvocationDescriptions } from '../../lib/protobuf/index.ts';
import type { OpenPair } from './pairs.ts';
import { joined, type Repository, type SourceFile } from './repository.ts';
import {
  AMPLE_SECONDS,
  checkMissingFile,
  checkSearch,
  checkStat,
  checkUpload,
  expect,
  expectSameOctets,
  MISSING_PATH,
  type Scenarios,
  SEARCHED_TEXT,
  SHORT_SECONDS,
} from './scenarios.ts';
import {
  readMissingFile,
  type SourceFilesMethods,
  sourceFiles,
} from './source-files-definition.ts';

/** What the server's thread is given. */
export interface ServerThreadData {
  /** Octet counts of the relay, in shared memory. */
  readonly counts: Float64Array;
  readonly files: readonly SourceFile[];
}

type SourceFilesBlockingStub = BlockingStub<InvocationDescriptions<SourceFilesMethods>>;

/** Starts the server's thread and opens a blocking stub to it. */
export async function openBlockingPair(repository: Repository): Promise<OpenPair> {
  const counts = new Float64Array(new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT));
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const workerData: ServerThreadData = { counts, files: repository.files };
  const thread = new Worker(new URL(`./server-thread${extension}`, import.meta.url), {
    workerData,
  });
  const port = await new Promise<number>((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  });
  const methods = sourceFiles.invocationDescriptions();
  const calling = blockingStub(sourceFiles.name, methods, 'localhost', port).open();
  return {
    scenarios: blockingScenarios(calling, repository),
    counts,
    close: async () => {
      await calling.close();
      await thread.terminate();
    },
  };
}

/** Every function here could be written without `async`: nothing is awaited. */
function blockingScenarios(
  stub: SourceFilesBlockingStub,
  repository: Repository,
): Partial<Scenarios> {
  const { files } = repository;
  return {
    unary: async () => {
      for (const { path } of files) checkStat(stub.Stat({ path }, AMPLE_SECONDS), path, repository);
      return `${files.length} calls, one after the other`;
    },

    'server streaming': async () => {
      let octets = 0;
      for (const file of files) {
        const chunks = [...stub.Download({ path: file.path }, AMPLE_SECONDS)];
        const content = joined(chunks.map((chunk) => chunk.content));
        expectSameOctets(content, file.content, file.path);
        octets += content.length;
      }
      return `${files.length} files, ${octets} octets, all equal`;
    },

    'client streaming': async () => {
      const chunks = files.map(({ path, content }) => ({ path, content }));
      return checkUpload(stub.Upload(chunks, AMPLE_SECONDS), repository);
    },

    bidirectional: async () => {
      const queries = files.map(({ path }) => ({ path, text: SEARCHED_TEXT }));
      return checkSearch([...stub.Search(queries, AMPLE_SECONDS)], repository);
    },

    'error with details': async () => {
      try {
        stub.Stat({ path: MISSING_PATH }, AMPLE_SECONDS);
      } catch (error) {
        expect(error instanceof RpcError && error.code === Status.NOT_FOUND, String(error));
        return checkMissingFile(readMissingFile(error.metadata.get('grpc-status-details-bin')));
      }
      throw new Error('the RPC succeeded, which it should not');
    },

    'deadline expires': async () => {
      const { path } = repository.fileOfAtLeast(10_000);
      const slow = { path, chunkOctets: 100, pauseMs: 20 };
      try {
        for (const _ of stub.Download(slow, SHORT_SECONDS));
      } catch (error) {
        expect(error instanceof ExpirationError, String(error));
        return `ExpirationError after ${SHORT_SECONDS} s`;
      }
      throw new Error('the RPC succeeded, which it should not');
    },
  };
}
