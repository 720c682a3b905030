/** Who calls whom in the demo: each pair is a server, a relay in front of it, and a caller. */

import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import { server, stub } from '../../lib/index.ts';
import { openBlockingPair } from './blocking-pair.ts';
import type { Certificates } from './certificates.ts';
import { grpcJsScenarios, openGrpcJsClient } from './grpc-js-client.ts';
import { startGrpcJsServer } from './grpc-js-server.ts';
import { type OctetCounts, startRelay } from './relay.ts';
import type { Repository } from './repository.ts';
import type { Scenarios } from './scenarios.ts';
import { sourceFiles } from './source-files-definition.ts';
import { SourceFiles } from './source-files-service.ts';
import { stubScenarios } from './stub-scenarios.ts';

/** A pair that is up. */
export interface OpenPair {
  /** What the caller can do; a blocking caller does not do everything. */
  readonly scenarios: Partial<Scenarios>;
  readonly counts: OctetCounts;
  close(): Promise<void>;
}

/** A pair to be opened. */
export interface Pair {
  readonly caller: string;
  readonly server: string;
  readonly transport: 'TCP' | 'TLS';
  open(): Promise<OpenPair>;
}

/** All pairs of the demo, in the order in which they run. */
export function allPairs(repository: Repository, certificates: Certificates): Pair[] {
  return [
    stubToServer(repository, null),
    stubToServer(repository, certificates),
    grpcJsToServer(repository, null),
    grpcJsToServer(repository, certificates),
    stubToGrpcJs(repository, null),
    stubToGrpcJs(repository, certificates),
    {
      caller: 'purewire blocking stub',
      server: 'purewire, other thread',
      transport: 'TCP',
      open: () => openBlockingPair(repository),
    },
  ];
}

function stubToServer(repository: Repository, certificates: Certificates | null): Pair {
  return {
    caller: 'purewire stub',
    server: 'purewire',
    transport: transportOf(certificates),
    open: async () => {
      const serving = await serve(repository, certificates);
      const calling = openStub(serving.counted.port, certificates);
      return {
        scenarios: stubScenarios(calling, repository, serving.behaviors),
        counts: serving.counted.counts,
        close: async () => {
          await calling.close();
          await serving.stop();
        },
      };
    },
  };
}

function grpcJsToServer(repository: Repository, certificates: Certificates | null): Pair {
  return {
    caller: '@grpc/grpc-js',
    server: 'purewire',
    transport: transportOf(certificates),
    open: async () => {
      const serving = await serve(repository, certificates);
      const credentials =
        certificates === null
          ? ChannelCredentials.createInsecure()
          : ChannelCredentials.createSsl(Buffer.from(certificates.certificateChain));
      const client = openGrpcJsClient(serving.counted.port, credentials);
      return {
        scenarios: grpcJsScenarios(client, repository, serving.behaviors),
        counts: serving.counted.counts,
        close: async () => {
          client.close();
          await serving.stop();
        },
      };
    },
  };
}

function stubToGrpcJs(repository: Repository, certificates: Certificates | null): Pair {
  return {
    caller: 'purewire stub',
    server: '@grpc/grpc-js',
    transport: transportOf(certificates),
    open: async () => {
      const serving = await startGrpcJsServer(repository, grpcJsServerCredentials(certificates));
      const relay = await startRelay(serving.port);
      const calling = openStub(relay.port, certificates);
      return {
        scenarios: stubScenarios(calling, repository, serving),
        counts: relay.counts,
        close: async () => {
          await calling.close();
          await relay.close();
          serving.close();
        },
      };
    },
  };
}

/** A purewire server with its relay. */
async function serve(repository: Repository, certificates: Certificates | null) {
  const behaviors = new SourceFiles(repository);
  const methods = sourceFiles.serviceDescriptions(behaviors);
  const serving = server(sourceFiles.name, methods, 0, certificates ?? {});
  await serving.start();
  const counted = await startRelay(serving.port());
  return {
    behaviors,
    counted,
    stop: async () => {
      await counted.close();
      await serving.stop(1);
    },
  };
}

/** An open purewire stub. */
function openStub(port: number, certificates: Certificates | null) {
  const options =
    certificates === null ? {} : { secure: true, rootCertificates: certificates.certificateChain };
  return stub(
    sourceFiles.name,
    sourceFiles.invocationDescriptions(),
    'localhost',
    port,
    options,
  ).open();
}

function grpcJsServerCredentials(certificates: Certificates | null): ServerCredentials {
  if (certificates === null) return ServerCredentials.createInsecure();
  const privateKey = Buffer.from(certificates.privateKey);
  const chain = Buffer.from(certificates.certificateChain);
  // Roots are named although no client certificate is asked for: otherwise GRPC_DEFAULT_SSL_ROOTS_FILE_PATH is read, and Deno sends
  // all that is in it along with the server's certificate.
  return ServerCredentials.createSsl(chain, [{ private_key: privateKey, cert_chain: chain }]);
}

function transportOf(certificates: Certificates | null): 'TCP' | 'TLS' {
  return certificates === null ? 'TCP' : 'TLS';
}
