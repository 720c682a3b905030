/** What a stream on which nothing happens holds, its server and its client together, measured in a process of its own. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { outputFolder } from '../support/project.ts';
import { onNode, t } from '../support/tap.ts';

/** Measured: 3,970 octets on Node 20, 4,250 on Node 24. */
const MAX_OCTETS = 4.6 * 1024;

await t.test('an idle stream holds at most 4.6 KiB on server and client together', async (t) => {
  if (!onNode) {
    t.skip('the bound is for Node; this runtime has objects of other sizes');
    return;
  }
  const program = join(outputFolder, 'test', 'memory', 'idle-streams.js');
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program]);
  const octets = Number(stdout);
  t.comment(`${Math.round(octets)} octets per stream`);
  t.ok(octets > 500, 'the streams were there');
  t.ok(octets <= MAX_OCTETS, `${Math.round(octets)} octets, at most ${MAX_OCTETS}`);
});
