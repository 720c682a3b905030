/** Peers that stop without closing anything: real processes, stopped by SIGSTOP (S105). Times are short; none is asserted. */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Channel } from '../../lib/channel/channel.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import { callOptions, startUnary } from '../support/client-calls.ts';
import { ECHO, EchoService, HOLD } from '../support/echo-service.ts';
import { t } from '../support/tap.ts';

const MESSAGE = Uint8Array.of(1);
const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const program = fileURLToPath(new URL(`../support/peer-process${extension}`, import.meta.url));

interface Peer {
  readonly child: ChildProcess;
  /** Resolves with the match once the output has one. */
  told(pattern: RegExp): Promise<RegExpExecArray>;
}

function startPeer(...args: readonly string[]): Peer {
  const leading = 'Deno' in globalThis ? ['run', '-A', program] : [program];
  const child = spawn(process.execPath, [...leading, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    output += text;
  });
  const told = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(output);
      if (match !== null) return match;
      if (child.exitCode !== null) throw new Error(`the peer ended early: ${output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { child, told };
}

/** By pid: on some runtimes `ChildProcess.kill` sends only the first signal. */
function signal({ child }: Peer, name: 'SIGSTOP' | 'SIGCONT'): void {
  process.kill(child.pid!, name);
}

const KEEPALIVE = { keepaliveFloorMs: 0, keepaliveTimeMs: 200, keepaliveTimeoutMs: 800 };

const canStop = process.platform !== 'win32';

await t.test(
  'a server that stops: its calls end, and it is used again when it goes on',
  async (t) => {
    if (!canStop) {
      t.skip('there is no SIGSTOP');
      return;
    }
    const server = startPeer('server');
    const [, port] = await server.told(/port (\d+)/);
    const channel = new Channel(`127.0.0.1:${port}`, {
      limits: { ...KEEPALIVE, firstSettingsTimeoutMs: 500 },
      backoff: { initialMs: 50, maxMs: 50 },
    });
    const held = startUnary(channel, HOLD, MESSAGE).outcome;
    await server.told(/held/);
    signal(server, 'SIGSTOP');
    const { status } = await held;
    t.equal(status.code, Status.UNAVAILABLE);
    t.match(status.message, /keepalive: the peer did not answer a PING/);
    // The system still takes connections for the stopped process, but nobody sends SETTINGS on them.
    channel.connect();
    while (!/SETTINGS/.test(channel.describeWait())) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const waiting = startUnary(channel, ECHO, MESSAGE, callOptions({ waitForReady: true })).outcome;
    signal(server, 'SIGCONT');
    t.equal((await waiting).status.code, Status.OK);
    await channel.close();
    server.child.kill('SIGKILL');
  },
);

await t.test('a client that stops: the server ends its calls and the connection', async (t) => {
  if (!canStop) {
    t.skip('there is no SIGSTOP');
    return;
  }
  const service = new EchoService();
  const server = new GrpcServer({ limits: { keepaliveTimeMs: 200, keepaliveTimeoutMs: 800 } });
  server.addMethods(service.methods);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const client = startPeer('client', String(port));
  const [held] = await service.heldCalls(1);
  signal(client, 'SIGSTOP');
  while (server.connectionCount > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok(held?.call.cancelled);
  t.notOk(held?.aborted === null, 'and its handler was told');
  signal(client, 'SIGCONT');
  await client.told(new RegExp(`status ${Status.UNAVAILABLE}\\b`));
  await server.shutdown(0);
});
