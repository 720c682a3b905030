/** L32: what a connection remembers of streams that ended, and for how long. */

import { CloseCause } from '../../transport/stream-state.ts';
import { StreamTable } from '../../transport/stream-table.ts';
import { t } from '../support/tap.ts';

const REMEMBERED_MS = 2000;
const FIRST_CAUSE = CloseCause.END_STREAM;
const SECOND_CAUSE = CloseCause.LOCAL_RESET;

await t.test('L32 a stream that ended anew is remembered from then on', async (t) => {
  const table = new StreamTable(128, REMEMBERED_MS);
  // More than the memory begins with, so that it is made anew once all of it is out of date.
  for (let id = 1; id <= 19; id += 2) table.remove(id, FIRST_CAUSE, 1000, 0);
  table.remove(3, SECOND_CAUSE, 1000 + REMEMBERED_MS - 1, 0);
  const nowMs = 1000 + REMEMBERED_MS + 1;
  table.remove(21, FIRST_CAUSE, nowMs, 0);
  t.equal(table.causeOf(3, nowMs), SECOND_CAUSE);
  t.equal(table.causeOf(5, nowMs), CloseCause.NONE);
  t.equal(table.causeOf(21, nowMs), FIRST_CAUSE);
});
