/** Our client calls a `@grpc/grpc-js` server. */

import { t } from '../support/tap.ts';
import { callScenarios } from './call-scenarios.ts';
import { GRPC_JS, PUREWIRE } from './peers/peers.ts';

await t.test('our client, grpc-js server', (t) => callScenarios(t, PUREWIRE, GRPC_JS));
