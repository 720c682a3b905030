/** What a server holds for a connection on which nothing happens: the slope over many, measured in a process of its own. */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Stub, stub, unaryUnaryInvocationDescription } from '../../lib/index.ts';
import { outputFolder } from '../support/project.ts';
import { onNode, t } from '../support/tap.ts';

const WARM_CONNECTIONS = 100;
const CONNECTIONS = 300;
/** Measured: 5,430 octets on Node 20, about 1,000 of them the bare socket's; 6,480 on Node 24. */
const MAX_OCTETS = 7 * 1024;

const same = (octets: Uint8Array): Uint8Array => octets;
const methods = { Echo: unaryUnaryInvocationDescription(same, same) };

await t.test('an idle connection after one call holds at most 7 KiB on the server', async (t) => {
  if (!onNode) {
    t.skip('the bound is for Node; this runtime has objects of other sizes');
    return;
  }
  const program = join(outputFolder, 'test', 'memory', 'idle-server.js');
  const child = spawn(process.execPath, ['--expose-gc', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<number> => Number((await answers.next()).value);
  const opened: Stub<typeof methods>[] = [];
  try {
    const port = await answer();
    const open = async (count: number): Promise<number> => {
      for (let i = 0; i < count; i++) {
        const remote = stub('memory.Idle', methods, '127.0.0.1', port).open();
        opened.push(remote);
        await remote.Echo(Uint8Array.of(1), 30);
      }
      child.stdin.write('measure\n');
      return answer();
    };
    const warm = await open(WARM_CONNECTIONS);
    const octets = ((await open(CONNECTIONS)) - warm) / CONNECTIONS;
    t.comment(`${Math.round(octets)} octets per connection`);
    t.ok(octets > 500, 'the connections were there');
    t.ok(octets <= MAX_OCTETS, `${Math.round(octets)} octets, at most ${MAX_OCTETS}`);
  } finally {
    await Promise.all(opened.map((remote) => remote.close()));
    child.stdin.end('end\n');
  }
});
