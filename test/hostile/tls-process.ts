/** Attacks on TLS, TCP and the process (security reference, section 3.5). */

import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { octets, ping, settings, windowUpdate } from '../support/frame-factory.ts';
import { type Attack, must } from './attack.ts';
import { Code, Grpc, oddId, Path, unaryCall } from './octets.ts';
import { sleep } from './victim.ts';

/** Sockets that were opened and how many of them the server has closed. */
class Sockets {
  readonly all: Socket[] = [];
  closed = 0;

  add(socket: Socket): void {
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed += 1;
    });
    socket.resume();
    this.all.push(socket);
  }
}

/** The attacks S100 … S107 that need no certificates. */
export const processAttacks: readonly Attack[] = [
  {
    id: 'S100',
    title: '200 connections that say nothing, 200 that stop in the preface',
    limits: { firstSettingsTimeoutMs: 1000 },
    async run({ victim }) {
      const sockets = new Sockets();
      for (let i = 0; i < 400; i++) {
        const socket = connect({ port: victim.port, host: '127.0.0.1' });
        sockets.add(socket);
        if (i % 2 === 1) socket.write('PRI * HTTP/2.0\r\n');
        if (i % 50 === 49) await sleep(10);
      }
      const endMs = Date.now() + 10_000;
      while (sockets.closed < 400 && Date.now() < endMs) await sleep(50);
      must(sockets.closed === 400, `${sockets.closed} of 400 were closed`);
    },
  },
  {
    id: 'S101',
    title: 'more connections from one address than are allowed',
    limits: { maxConnectionsPerAddress: 5 },
    async run({ victim, connect: open }) {
      // One of the five is the bystander's.
      for (let i = 0; i < 4; i++) await open();
      await victim.until((report) => report.connections === 5, 'five connections');
      const sixth = await open();
      await sixth.expectClosed();
      const { trips } = await victim.report();
      must(trips['connection.too-many-per-address'] === 1, 'not counted');
    },
  },
  {
    id: 'S105',
    title: 'a dead peer in the middle of a call',
    limits: { keepaliveTimeMs: 400, keepaliveTimeoutMs: 400 },
    async run({ victim, connect: open }) {
      const peer = await open({ reads: false });
      peer.write(unaryCall(1, Path.NEVER));
      await victim.until((report) => report.starts === 1, 'the call');
      const report = await victim.until(({ aborted }) => aborted === 1, 'the abort');
      must((report.trips['connection.keepalive-timeout'] ?? 0) >= 1, 'not counted');
    },
  },
  {
    id: 'S106',
    title: 'graceful shutdown while a peer reads nothing',
    alone: true,
    async run({ victim, connect: open }) {
      const peer = await open({ reads: false });
      peer.write(settings([4, 0x7fffffff]), windowUpdate(0, 0x7fff0000));
      for (let i = 0; i < 20; i++) peer.write(unaryCall(oddId(i), Path.DOWNLOAD, '1000 16000'));
      await victim.until((report) => report.starts >= 10, 'the calls');
      const startMs = Date.now();
      await victim.tell({ type: 'shutdown', graceMs: 1000 });
      must(Date.now() - startMs < 10_000, `the shutdown took ${Date.now() - startMs} ms`);
      const report = await victim.report();
      must(report.connections === 0 && report.activeCalls === 0, 'something is left');
    },
  },
  {
    id: 'S107',
    title: 'the age of connections is over again and again, no call fails',
    limits: { maxConnectionAgeMs: 300, maxConnectionAgeGraceMs: 5000 },
    async run({ victim, connect: open }) {
      const peer = await open();
      peer.write(unaryCall(1, Path.SLOW));
      await peer.until(() => peer.goAways.length === 1, 'the first GOAWAY');
      must(peer.goAway?.text === 'max_age', `GOAWAY says "${peer.goAway?.text}"`);
      must(peer.goAway?.lastStreamId === 0x7fffffff, `last stream id ${peer.goAway?.lastStreamId}`);
      peer.write(unaryCall(3, Path.SLOW));
      await peer.until(() => peer.frames.some(({ type }) => type === 6), 'the marker PING');
      peer.write(ping(peer.frames.find(({ type }) => type === 6)!.payload, 1));
      await peer.until(() => peer.goAways.length === 2, 'the second GOAWAY');
      must(peer.goAway?.code === Code.NO_ERROR, `GOAWAY ${peer.goAway?.code}`);
      await peer.expectStatus(3, Grpc.OK);
      await peer.expectClosed();
      await sleep(1000);
      must((await victim.report()).faults.length === 0, 'a fault');
    },
  },
  {
    id: 'S108',
    title: 'connections without calls are ended when they are idle too long',
    limits: { maxConnectionIdleMs: 300 },
    async run({ connect: open }) {
      const peer = await open();
      await peer.until(() => peer.goAways.length >= 1, 'GOAWAY');
      must(peer.goAway?.text === 'max_idle', `GOAWAY says "${peer.goAway?.text}"`);
    },
  },
];

/** Attacks on TLS; `identity` is the server's. */
export function tlsAttacks(identity: {
  readonly privateKey: string;
  readonly certificateChain: string;
}): readonly Attack[] {
  const tls = { privateKey: identity.privateKey, certificateChain: identity.certificateChain };
  const insecure = { rejectUnauthorized: false };
  return [
    {
      id: 'S100t',
      title: '100 TLS connections that say nothing, 100 that stop in the ClientHello',
      tls,
      limits: { tlsHandshakeTimeoutMs: 1000 },
      async run({ victim }) {
        const sockets = new Sockets();
        for (let i = 0; i < 200; i++) {
          const socket = connect({ port: victim.port, host: '127.0.0.1' });
          sockets.add(socket);
          if (i % 2 === 1) socket.write(octets([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
        }
        const endMs = Date.now() + 10_000;
        while (sockets.closed < 200 && Date.now() < endMs) await sleep(50);
        must(sockets.closed === 200, `${sockets.closed} of 200 were closed`);
      },
    },
    {
      id: 'S103',
      title: 'TLS without ALPN, with http/1.1, with odd server names',
      tls,
      // For 23 more connections that are not counted as the attacker's: ten, and how many more there were.
      logLines: 11,
      async run({ victim, connect: open }) {
        const variants = [
          {},
          { ALPNProtocols: ['http/1.1'] },
          { ALPNProtocols: ['h2c'], servername: 'x'.repeat(250) },
        ];
        for (const variant of variants) {
          const socket = tlsConnect({
            port: victim.port,
            host: '127.0.0.1',
            ...insecure,
            ...variant,
          });
          socket.on('error', () => {});
          socket.resume();
          await new Promise((resolve) => socket.once('close', resolve));
        }
        for (let i = 0; i < 20; i++) {
          const socket = connect({ port: victim.port, host: '127.0.0.1' });
          socket.on('error', () => {});
          socket.write(octets([0x16, 3, 1, 0, 5, 1, 0, 0, 1, i]));
          await sleep(1);
          socket.resetAndDestroy();
        }
        const peer = await open({
          tls: { ...insecure, ALPNProtocols: ['h2'], servername: 'no.such' },
        });
        peer.write(unaryCall(1, Path.ECHO, 'fine'));
        await peer.expectStatus(1, Grpc.OK);
        must((await victim.report()).faults.length === 0, 'a fault');
      },
    },
    {
      id: 'S104k',
      title: '1,000 TLS 1.3 KeyUpdates that ask for ours',
      tls,
      async run({ victim, connect: open, note }) {
        // Node has no call that sends one; openssl's client sends them for lines that say K.
        const child = spawn('openssl', [
          's_client',
          ...['-connect', `127.0.0.1:${victim.port}`],
          ...['-alpn', 'h2', '-tls1_3', '-quiet', '-no_ign_eof'],
        ]);
        let missing = '';
        child.on('error', (error: Error) => {
          missing = error.message;
        });
        child.stdin.on('error', () => {});
        child.stdout.resume();
        child.stderr.resume();
        const gone = new Promise((resolve) => child.once('close', resolve));
        await sleep(300);
        if (missing !== '') {
          note(`not run: ${missing}`);
          return;
        }
        for (let i = 0; i < 1000 && child.exitCode === null; i++) child.stdin.write('K\n');
        await sleep(500);
        const peer = await open({ tls: { ...insecure, ALPNProtocols: ['h2'] } });
        peer.write(unaryCall(1, Path.ECHO, 'fine'));
        await peer.expectStatus(1, Grpc.OK);
        child.kill('SIGKILL');
        await gone;
        must((await victim.report()).faults.length === 0, 'a fault');
      },
    },
    {
      id: 'S104',
      title: 'TLS 1.2 renegotiation',
      tls,
      limits: { firstSettingsTimeoutMs: 1000 },
      async run({ victim }) {
        const socket = tlsConnect({
          port: victim.port,
          host: '127.0.0.1',
          ...insecure,
          maxVersion: 'TLSv1.2',
          ALPNProtocols: ['h2'],
        });
        socket.on('error', () => {});
        socket.resume();
        await new Promise((resolve) => socket.once('secureConnect', resolve));
        for (let i = 0; i < 10 && !socket.destroyed; i++) {
          if (socket.renegotiate({}, () => {}) === false) break;
          await sleep(50);
        }
        // RFC 9113 §9.2.1: the connection ends at the first attempt.
        must(socket.destroyed, 'the connection outlived renegotiation');
        socket.destroy();
        must((await victim.report()).faults.length === 0, 'a fault');
      },
    },
  ];
}
