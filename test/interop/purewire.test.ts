/** Our client calls our server: what both do wrong in the same way shows in the files about other peers. */

import { t } from '../support/tap.ts';
import { callScenarios } from './call-scenarios.ts';
import { PUREWIRE } from './peers/peers.ts';

await t.test('our client, our server', (t) => callScenarios(t, PUREWIRE, PUREWIRE));
