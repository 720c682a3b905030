/** The thread of the server that the blocking stub calls: a purewire server and the relay in front of it. */

import { parentPort, workerData } from 'node:worker_threads';
import { server } from '../../lib/index.ts';
import type { ServerThreadData } from './blocking-pair.ts';
import { startRelay } from './relay.ts';
import { Repository } from './repository.ts';
import { sourceFiles } from './source-files-definition.ts';
import { SourceFiles } from './source-files-service.ts';

const { counts, files } = workerData as ServerThreadData;
const behaviors = new SourceFiles(new Repository(files));
const serving = server(sourceFiles.name, sourceFiles.serviceDescriptions(behaviors), 0);
await serving.start();
const relay = await startRelay(serving.port(), counts);
parentPort?.postMessage(relay.port);
