/** Phases of the soak in which connections come and go: closed well, cut, refused, broken by hostile peers, and those of blocking stubs. */

import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { Channel } from '../../lib/channel/channel.ts';
import {
  blockingStub,
  unaryStreamInvocationDescription,
  unaryUnaryInvocationDescription,
} from '../../lib/index.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import { readText, writeText } from '../alpha/support/fake-channel.ts';
import { randomFrom } from '../support/chunkings.ts';
import { callOptions, startStream, startUnary, withTimeout } from '../support/client-calls.ts';
import { ECHO, ECHO_STREAM, EchoService, HOLD } from '../support/echo-service.ts';
import {
  data,
  headers,
  octets,
  PREFACE,
  settings,
  windowUpdate,
} from '../support/frame-factory.ts';
import { block, REQUEST } from '../support/scripted-peer.ts';
import { ToxicProxy } from '../support/toxic-proxy.ts';
import { closePair, expectAtRest, expectStatus, openPair, type Phase, sleep } from './phases.ts';

/** Connections that are opened and closed at the same time. */
const AT_ONCE = 20;
/** A closed connection holds its pair of ports for a minute: more addresses are more pairs. */
const LOOPBACKS = process.platform === 'linux' ? 8 : 1;

/** One server on several addresses, and a channel per connection, closed in one way or the other. */
const connections: Phase = {
  name: 'connections',
  about: 'opened, one call, closed',
  leastPerMinute: { connections: 10_000 },
  async open() {
    const server = new GrpcServer({ reportError: () => {} });
    server.addMethods(new EchoService().methods);
    const targets: string[] = [];
    for (let i = 1; i <= LOOPBACKS; i++) {
      const host = `127.0.0.${i}`;
      targets.push(`${host}:${await server.listen({ host, port: 0 })}`);
    }
    let opened = 0;
    const one = async (): Promise<void> => {
      const index = opened++;
      const channel = new Channel(targets[index % targets.length]!);
      const { status } = await startUnary(channel, ECHO, new Uint8Array(10)).outcome;
      expectStatus(status.code, Status.OK);
      await (index % 2 === 0 ? channel.close() : channel.closeNow());
    };
    return {
      async round() {
        const before = opened;
        for (let batch = 0; batch < 25; batch++) {
          await Promise.all(Array.from({ length: AT_ONCE }, one));
        }
        await expectAtRest(server, 0);
        return { calls: opened - before, connections: opened - before };
      },
      close: () => server.closeNow(),
    };
  },
};

/** The server goes away in the middle of calls and comes back on the same port; the channel stays. */
const reconnects: Phase = {
  name: 'reconnects',
  about: 'a channel whose server goes and comes back',
  async open() {
    const serve = async (port: number): Promise<[GrpcServer, number]> => {
      const server = new GrpcServer({ reportError: () => {} });
      server.addMethods(new EchoService().methods);
      return [server, await server.listen({ host: '127.0.0.1', port })];
    };
    let [server, port] = await serve(0);
    const channel = new Channel(`127.0.0.1:${port}`, { backoff: { initialMs: 5, maxMs: 20 } });
    return {
      async round() {
        for (let i = 0; i < 10; i++) {
          const held = Array.from({ length: 20 }, () =>
            startUnary(channel, HOLD, new Uint8Array(5)),
          );
          await sleep(5);
          await server.closeNow();
          for (const { outcome } of held) {
            expectStatus((await outcome).status.code, Status.UNAVAILABLE, Status.CANCELLED);
          }
          [server, port] = await serve(port);
          const waiting = callOptions({ waitForReady: true });
          const { status } = await startUnary(channel, ECHO, new Uint8Array(5), waiting).outcome;
          expectStatus(status.code, Status.OK);
        }
        return { calls: 210, connections: 10 };
      },
      async close() {
        await channel.closeNow();
        await server.closeNow();
      },
    };
  },
};

/** Calls of all kinds through a network that cuts connections at any octet and delivers in slices. */
const faults: Phase = {
  name: 'faults',
  about: 'mixed calls, connections cut at any octet',
  async open() {
    const { server, service, port, channel: direct } = await openPair();
    await direct.closeNow();
    const proxy = await ToxicProxy.start(port);
    const channel = new Channel(`127.0.0.1:${proxy.port}`, {
      backoff: { initialMs: 2, maxMs: 10 },
    });
    const random = randomFrom(20_261_126);
    return {
      async round() {
        const before = proxy.connections;
        let calls = 0;
        for (let batch = 0; batch < 20; batch++) {
          const toxics = random() < 0.5 ? proxy.up : proxy.down;
          proxy.heal();
          toxics.sliceOctets = random() < 0.5 ? 0 : 1 + Math.floor(random() * 700);
          toxics.cutAfterOctets = Math.floor(random() * 60_000);
          toxics.cutKind = random() < 0.5 ? 'end' : 'reset';
          // The backoff is skipped: calls that fail without a connection would try nothing.
          channel.connect();
          await sleep(2);
          const started = Array.from({ length: 20 }, (_, i) => {
            const payload = new Uint8Array(Math.floor(random() * 5000));
            if (i % 4 === 0) return startStream(channel, ECHO_STREAM, [payload, payload]);
            if (i % 4 === 1) return startUnary(channel, HOLD, payload, withTimeout(15));
            return startUnary(channel, ECHO, payload, withTimeout(5000));
          });
          for (const { outcome } of started) {
            const { code } = (await outcome).status;
            // Which of them depends on the octet; that each ends once, as one of them, does not.
            expectStatus(
              code,
              Status.OK,
              Status.UNAVAILABLE,
              Status.DEADLINE_EXCEEDED,
              Status.CANCELLED,
              Status.INTERNAL,
            );
          }
          calls += started.length;
          proxy.cutAll('reset');
          service.held.length = 0;
        }
        await expectAtRest(server, 0);
        return { calls, connections: proxy.connections - before };
      },
      async close() {
        await channel.closeNow();
        await proxy.close();
        await server.closeNow();
      },
    };
  },
};

/** Peers that break rules, break off, or just stop. */
const hostile: Phase = {
  name: 'hostile',
  about: 'peers that break rules or break off',
  async open() {
    const pair = await openPair();
    const request = headers(1, block(...REQUEST));
    const sessions = [
      octets(PREFACE, settings(), windowUpdate(0, 0)),
      octets(PREFACE, settings(), request, data(1, 'rubbish rubbish')),
      octets(PREFACE, settings(), request.subarray(0, 20)),
      octets(PREFACE.subarray(0, 10)),
      octets('GET / HTTP/1.1\r\n\r\n'),
      octets(PREFACE, settings(), headers(1, [0x80])),
      octets(PREFACE, settings([4, 0]), request, windowUpdate(1, 0)),
    ];
    return {
      async round() {
        for (let i = 0; i < 140; i++) {
          const socket = connect({ port: pair.port, host: '127.0.0.1' });
          socket.on('error', () => {});
          socket.resume();
          await new Promise((resolve) => socket.once('connect', resolve));
          socket.write(sessions[i % sessions.length]!);
          await new Promise((resolve) => setImmediate(resolve));
          if (i % 2 === 0) socket.resetAndDestroy();
          else socket.destroy();
        }
        await expectAtRest(pair.server, 0);
        return { calls: 0, connections: 140 };
      },
      close: () => closePair(pair),
    };
  },
};

const METHODS = {
  Say: unaryUnaryInvocationDescription(writeText, readText),
  Tell: unaryStreamInvocationDescription(writeText, readText),
};

/** Stubs that block this thread, each with a worker of its own; their server is in a worker too. */
const blocking: Phase = {
  name: 'blocking',
  about: 'blocking stubs opened, called, left in the middle of responses, closed',
  async open() {
    const thread = new Worker(new URL('../alpha/support/blocking-server.js', import.meta.url), {
      workerData: {},
    });
    const [port] = await new Promise<[number, number]>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
    });
    return {
      async round() {
        const stub = blockingStub('test.Echo', METHODS, '127.0.0.1', port).open();
        for (let i = 0; i < 200; i++) stub.Say(`call ${i}`, 60);
        for (let i = 0; i < 20; i++) {
          let taken = 0;
          for (const _ of stub.Tell('50x100', 60)) {
            taken += 1;
            if (i % 2 === 1 && taken === 5) break;
          }
        }
        await stub.close();
        return { calls: 220, connections: 1 };
      },
      async close() {
        await thread.terminate();
      },
    };
  },
};

/** Both ends made anew and closed again, with a call of each kind. */
const pairs: Phase = {
  name: 'pairs',
  about: 'servers and channels opened and closed',
  async open() {
    return {
      async round() {
        for (let i = 0; i < 10; i++) {
          const pair = await openPair();
          const one = startUnary(pair.channel, ECHO, new Uint8Array(10));
          const many = startStream(pair.channel, ECHO_STREAM, [new Uint8Array(10)]);
          expectStatus((await one.outcome).status.code, Status.OK);
          expectStatus((await many.outcome).status.code, Status.OK);
          await closePair(pair);
        }
        return { calls: 20, connections: 10 };
      },
      async close() {},
    };
  },
};

/** The phases in which connections end. */
export const CONNECTION_PHASES: readonly Phase[] = [
  connections,
  reconnects,
  faults,
  hostile,
  pairs,
  blocking,
];
