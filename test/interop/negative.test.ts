import { t } from '../support/tap.ts';
import { runNegative } from './negative/cases.ts';
import { NEGATIVE_CASES } from './negative/server.ts';

for (const name of NEGATIVE_CASES) {
  await t.test(`negative HTTP/2: ${name}`, async (t) => {
    await runNegative(name);
    t.pass('client and server are content');
  });
}
