/** The fast part of the attack suite, over real sockets against victims in processes of their own. `npm run conformance -- hostile` runs all. */

import { t } from '../support/tap.ts';
import { describeAttack, runAttacks } from './suite.ts';

const others = globalThis as { Bun?: unknown; Deno?: unknown };

if (others.Bun === undefined && others.Deno === undefined) {
  await t.test('a victim holds against each attack, and serves others meanwhile', async (t) => {
    let attacks = 0;
    await runAttacks(
      (attack) => attack.quick === true,
      (result) => {
        attacks += 1;
        t.strictSame(result.failures, [], `${result.id} ${result.title}`);
        t.comment(describeAttack(result));
      },
    );
    t.ok(attacks >= 40, `${attacks} attacks`);
  });
} else {
  t.skip('victims are started as Node processes', () => {});
}
