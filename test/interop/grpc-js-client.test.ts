/** A `@grpc/grpc-js` client calls our server. */

import { t } from '../support/tap.ts';
import { callScenarios } from './call-scenarios.ts';
import { GRPC_JS, PUREWIRE } from './peers/peers.ts';

await t.test('grpc-js client, our server', (t) => callScenarios(t, GRPC_JS, PUREWIRE));
