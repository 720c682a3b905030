/** `npm start -- --serve PORT`: serves the demo's service until it is interrupted. */

import { relative } from 'node:path';
import { server } from '../../lib/index.ts';
import { openRepository } from './repository.ts';
import { PROTO_FILE, sourceFiles } from './source-files-definition.ts';
import { SourceFiles } from './source-files-service.ts';

const GRACE_SECONDS = 5;

/** Serves on `port` (0: a free one) until SIGINT or SIGTERM. Rejects when the port cannot be had. */
export async function serveUntilInterrupted(port: number): Promise<void> {
  const repository = await openRepository();
  const methods = sourceFiles.serviceDescriptions(new SourceFiles(repository));
  const serving = server(sourceFiles.name, methods, port);
  await serving.start();
  const example = `{"path":"${repository.files[0]?.path}"}`;
  console.log(`${sourceFiles.name} on port ${serving.port()}: ${repository.files.length} files.

Call it with any gRPC client, for example:

  grpcurl -plaintext -import-path test/demo -proto source-files.proto -d '${example}' \\
    localhost:${serving.port()} ${sourceFiles.name}/Stat

or with purewire:

  import { stub } from 'purewire';
  import { loadService } from 'purewire/protobuf';

  const service = loadService({ file: '${relative('.', PROTO_FILE)}' }, '${sourceFiles.name}');
  const files = stub(service.name, service.invocationDescriptions(), 'localhost', ${serving.port()}).open();
  console.log(await files.Stat(${example}, 5));
  await files.close();

Ctrl-C stops it.`);
  await interrupted();
  console.log(`\nStopping: calls in flight have ${GRACE_SECONDS} seconds.`);
  await serving.stop(GRACE_SECONDS);
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
