/**
 * Attacks that are in no list: combinations of limits, of layers and of moments, thought up against the finished server (security reference,
 * opening paragraph: the five accounting mistakes, two at a time).
 */

import { connect as netConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { gzipSync } from 'node:zlib';
import {
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  octets,
  PREFACE,
  ping,
  rstStream,
  settings,
  settingsAck,
  uint32,
  windowUpdate,
} from '../support/frame-factory.ts';
import { block } from '../support/scripted-peer.ts';
import { type Attack, must } from './attack.ts';
import { Code, Grpc, message, oddId, Path, request, requestFields, unaryCall } from './octets.ts';
import type { RawPeer } from './raw-peer.ts';
import { sleep } from './victim.ts';

const MIB = 2 ** 20;

function ended(peer: RawPeer, id: number): boolean {
  return peer.resets.has(id) || peer.responses.get(id)?.ended === true || peer.closed;
}

/** F01 … F19. */
export const freshAttacks: readonly Attack[] = [
  {
    id: 'F01',
    title: 'every limit nearly spent at once: nothing adds up',
    async run({ victim, connect: open }) {
      const peer = await open({ credits: true });
      let id = 1;
      const next = (): number => {
        id += 2;
        return id;
      };
      const parts: Uint8Array[] = [];
      for (let i = 0; i < 190; i++) {
        const bad = next();
        parts.push(request(bad, Path.ECHO), windowUpdate(bad, 0));
      }
      for (let i = 0; i < 900; i++) {
        const reset = next();
        parts.push(request(reset, Path.SLOW), rstStream(reset, Code.CANCEL));
      }
      for (let i = 0; i < 90; i++) parts.push(settings([4, 65_535]));
      for (let i = 0; i < 90; i++) {
        const empty = i % 45 === 0 ? next() : id;
        if (i % 45 === 0) parts.push(request(empty, Path.PARK));
        parts.push(data(empty, ''));
        if (i % 9 === 8) parts.push(data(empty, message('')));
      }
      for (let i = 0; i < 8000; i++) parts.push(frame(0x0b, 0, 0, 'x'));
      for (const part of parts) {
        if (!peer.write(part)) await new Promise((resolve) => peer.socket.once('drain', resolve));
      }
      const last = next();
      peer.write(unaryCall(last, Path.ECHO, 'fine'));
      await peer.until(() => ended(peer, last), 'the last answer');
      const report = await victim.report();
      must(report.mostRunning <= 100, `${report.mostRunning} handlers at once`);
      // Each flood alone is within its budget: held or ended, never more handlers or memory.
      must(!peer.closed || peer.goAway?.code === Code.ENHANCE_YOUR_CALM, peer.summary());
    },
  },
  {
    id: 'F02',
    title: 'header blocks interleaved with changes of table size: the encoder keeps in step',
    async run({ connect: open }) {
      const peer = await open();
      for (let i = 0; i < 45; i++) {
        const id = oddId(i);
        peer.write(
          settings([1, i % 2 === 0 ? 0 : 4096]),
          unaryCall(id, Path.MIRROR, '', [[`x-number-${i % 3}`, `value ${i}`]]),
          settings([1, i % 3 === 0 ? 64 : 200]),
        );
        if (i % 5 === 0) await peer.until(() => ended(peer, id), `answer ${i}`);
      }
      for (let i = 0; i < 45; i++) {
        await peer.expectStatus(oddId(i), Grpc.OK);
        const back = peer.fieldOf(oddId(i), `x-number-${i % 3}`);
        must(back === `value ${i}`, `answer ${i} says ${back}`);
      }
    },
  },
  {
    id: 'F03',
    title: 'window games: 100 downloads whose windows go up and down by SETTINGS and by octets',
    async run({ victim, connect: open }) {
      const peer = await open();
      peer.write(settings([4, 0]), windowUpdate(0, 2 ** 30));
      for (let i = 0; i < 100; i++) peer.write(unaryCall(oddId(i), Path.DOWNLOAD, '3 20000'));
      await victim.until((report) => report.starts === 100, 'the downloads');
      for (let round = 0; round < 40; round++) {
        peer.write(settings([4, round % 2 === 0 ? 1 : 0]));
        for (let i = 0; i < 100; i += 9) peer.write(windowUpdate(oddId((i + round) % 100), 1));
        await sleep(5);
      }
      const dribbled = [...peer.responses.values()].reduce((sum, r) => sum + r.octets, 0);
      must(dribbled <= 100 * 40 + 500, `${dribbled} octets for what was granted`);
      peer.write(settings([4, 100_000]));
      for (let i = 0; i < 100; i++) await peer.expectStatus(oddId(i), Grpc.OK);
      for (let i = 0; i < 100; i++) {
        const got = peer.responses.get(oddId(i))!.octets;
        must(got === 3 * 20_005, `${got} octets on ${oddId(i)}`);
      }
    },
  },
  {
    id: 'F04',
    title: 'one window beyond 2^31-1 by a SETTINGS change in the middle of downloads',
    async run({ connect: open }) {
      const peer = await open();
      peer.write(settings([4, 0]), request(1, Path.PARK), windowUpdate(1, 0x7fffffff));
      peer.write(unaryCall(3, Path.DOWNLOAD, '3 20000'), settings([4, 1]));
      await peer.expectGoAway(Code.FLOW_CONTROL_ERROR);
    },
  },
  {
    id: 'F05',
    title: 'half-closed sockets: FIN behind 100 requests, again and again',
    async run({ victim, connect: open }) {
      for (let round = 0; round < 30; round++) {
        const peer = await open({ greet: false });
        const parts = [PREFACE, settings(), settingsAck()];
        for (let i = 0; i < 100; i++) parts.push(unaryCall(oddId(i), Path.SLOW));
        peer.socket.end(Buffer.concat(parts));
        await peer.expectClosed();
      }
      const report = await victim.until(({ running }) => running === 0, 'the handlers');
      must(report.starts <= 3000 && report.aborted >= 1, JSON.stringify(report));
    },
  },
  {
    id: 'F06',
    title: 'binary metadata of 14 KiB on 100 streams, echoed and echoed',
    async run({ connect: open }) {
      const peer = await open({ credits: true });
      const value = Buffer.alloc(10_500, 7).toString('base64').replace(/=+$/, '');
      for (let i = 0; i < 300; i++) {
        peer.write(unaryCall(oddId(i), Path.MIRROR, '', [['x-huge-bin', value]]));
        if (i % 50 === 49) await peer.until(() => ended(peer, oddId(i)), 'the answers');
      }
      await peer.until(() => ended(peer, oddId(299)), 'the last answer');
      must(!peer.closed, peer.summary());
      // Trailers larger than one frame's worth of a peer's limits still are answers.
      await peer.expectStatus(oddId(299), Grpc.OK);
    },
  },
  {
    id: 'F07',
    title: 'requests that race with the shutdown, from 20 connections',
    alone: true,
    async run({ victim, connect: open }) {
      const peers = await Promise.all(Array.from({ length: 20 }, () => open()));
      let stopped = false;
      const flood = async (peer: RawPeer): Promise<void> => {
        for (let i = 0; !peer.closed && i < 5000; i++) {
          peer.write(unaryCall(oddId(i), i % 3 === 0 ? Path.SLOW : Path.ECHO, 'x'));
          if (i % 20 === 0) await sleep(1);
        }
      };
      const floods = peers.map(flood);
      await sleep(50);
      const startMs = Date.now();
      await victim.tell({ type: 'shutdown', graceMs: 500 });
      stopped = true;
      must(Date.now() - startMs < 8000, `the shutdown took ${Date.now() - startMs} ms`);
      await Promise.all(floods);
      const report = await victim.until(({ running }) => running === 0, 'the handlers');
      must(
        stopped && report.connections + report.activeCalls === 0 && report.faults.length === 0,
        JSON.stringify(report),
      );
    },
  },
  {
    id: 'F08',
    title: 'trailers-only floods: requests of two header blocks and nothing else',
    async run({ victim, connect: open }) {
      const peer = await open();
      const trailers = block(['x-t', 'y']);
      await peer.flood(20_000, (i) =>
        octets(request(oddId(i), Path.ECHO), headers(oddId(i), trailers, END_HEADERS | END_STREAM)),
      );
      if (!peer.closed) {
        peer.write(unaryCall(oddId(20_000), Path.ECHO, 'fine'));
        await peer.until(() => ended(peer, oddId(20_000)), 'the answer');
      }
      const report = await victim.report();
      must(report.runningHandlers <= 100, 'more handlers than slots');
    },
  },
  {
    id: 'F09',
    title: 'bombs one behind the other in 20 streams: 4 MiB of zeros out of 4 KiB each',
    peakOctets: 128 * MIB,
    async run({ victim, connect: open }) {
      const peer = await open({ credits: true });
      const bomb = message(gzipSync(new Uint8Array(4 * MIB - 16)), 1);
      for (let i = 0; i < 20; i++) {
        peer.write(request(oddId(i), Path.COUNT, { extra: [['grpc-encoding', 'gzip']] }));
      }
      for (let round = 0; round < 10; round++) {
        for (let i = 0; i < 20; i++) peer.write(data(oddId(i), bomb));
        await sleep(50);
      }
      for (let i = 0; i < 20; i++) peer.write(data(oddId(i), '', END_STREAM));
      await peer.until(
        () => Array.from({ length: 20 }, (_, i) => oddId(i)).every((id) => ended(peer, id)),
        'the answers',
        60_000,
      );
      must((await victim.report()).faults.length === 0, 'a fault');
    },
  },
  {
    id: 'F10',
    title: 'a hundred messages declared as 4 MiB that stop one octet short',
    // Each is within its own limit (L18), all are within L1: 100 x 300 KiB are sent here.
    peakOctets: 96 * MIB,
    async run({ victim, connect: open }) {
      const peer = await open();
      const piece = new Uint8Array(16_000);
      for (let i = 0; i < 100; i++) {
        peer.write(request(oddId(i), Path.COUNT), data(oddId(i), octets([0], uint32(4 * MIB))));
      }
      for (let part = 0; part < 15; part++) {
        for (let i = 0; i < 100; i++) peer.write(data(oddId(i), piece));
        await sleep(20);
        if (peer.closed) break;
      }
      await sleep(200);
      for (let i = 0; i < 100; i++) peer.write(rstStream(oddId(i), Code.CANCEL));
      await victim.until(({ running }) => running === 0, 'the end of the handlers');
      must(!peer.closed, `closed: ${peer.summary()}`);
    },
  },
  {
    id: 'F11',
    title: 'RST_STREAM at every place of a call: before, between and behind its frames',
    async run({ victim, connect: open }) {
      const peer = await open({ credits: true });
      let id = -1;
      const call = (cut: number): Uint8Array => {
        id += 2;
        const parts = [
          headers(id, block(...requestFields(Path.ECHO).slice(0, 4)), 0),
          continuation(id, block(...requestFields(Path.ECHO).slice(4))),
          data(id, octets([0], uint32(5))),
          data(id, 'ab'),
          data(id, 'cde', END_STREAM),
        ];
        // Never inside a header block: that is a connection error.
        const at = Math.max(cut, 2);
        return octets(...parts.slice(0, at), rstStream(id, Code.CANCEL), ...parts.slice(at));
      };
      for (let i = 0; i < 120 && !peer.closed; i++) {
        peer.write(call(i % 6));
        if (i % 10 === 0) await sleep(5);
      }
      await peer.until(() => true, 'a turn');
      await sleep(100);
      // DATA behind one's own RST_STREAM is STREAM_CLOSED, and spends L4 at worst.
      if (!peer.closed) {
        peer.write(unaryCall(id + 2, Path.ECHO, 'fine'));
        await peer.expectStatus(id + 2, Grpc.OK);
      } else must(peer.goAway !== undefined, peer.summary());
      await victim.until(({ running }) => running === 0, 'the end of the handlers');
    },
  },
  {
    id: 'F12',
    title: 'GOAWAY, then PING, SETTINGS and new requests for ever',
    async run({ victim, connect: open }) {
      const peer = await open();
      peer.write(unaryCall(1, Path.NEVER), frame(7, 0, 0, uint32(0), uint32(0), 'bye'));
      await peer.flood(30_000, (i) =>
        i % 3 === 0 ? ping('12345678') : i % 3 === 1 ? settings() : request(oddId(i), Path.ECHO),
      );
      await peer.expectGoAway([Code.ENHANCE_YOUR_CALM, Code.PROTOCOL_ERROR]);
      // Ended in the read that brought it, the call has not been started at all.
      await victim.until(({ running, aborted }) => running === aborted, 'the abort of the call');
    },
  },
  {
    id: 'F13',
    title: '300 connections, each with one limit nearly spent, then dropped',
    peakOctets: 96 * MIB,
    async run({ victim, connect: open }) {
      for (let round = 0; round < 30; round++) {
        const peers = await Promise.all(Array.from({ length: 10 }, () => open()));
        for (const [n, peer] of peers.entries()) {
          const parts: Uint8Array[] = [];
          for (let i = 0; i < 90; i++) {
            parts.push(
              n % 2 === 0
                ? octets(request(oddId(i), Path.PARK), data(oddId(i), octets([0], uint32(900))))
                : octets(request(oddId(i), Path.SLOW), rstStream(oddId(i), Code.CANCEL)),
            );
          }
          peer.write(...parts);
        }
        await sleep(20);
        for (const [n, peer] of peers.entries()) {
          if (n % 3 === 0) peer.socket.end();
          else peer.destroy();
        }
      }
      await victim.until(
        (report) => report.connections <= 1 && report.running === 0,
        'the end of the connections',
      );
    },
  },
  {
    id: 'F14',
    title: 'a header block in nine frames for each of 3,000 calls (the most that L7 allows)',
    async run({ connect: open }) {
      const peer = await open();
      const fields = block(...requestFields('/no.Such/Method'));
      const make = (i: number): Uint8Array => {
        const cut = Math.ceil(fields.length / 9);
        const parts = [headers(oddId(i), fields.subarray(0, cut), END_STREAM)];
        for (let n = 1; n < 9; n++) {
          const part = fields.subarray(n * cut, (n + 1) * cut);
          parts.push(continuation(oddId(i), part, n === 8 ? END_HEADERS : 0));
        }
        return octets(...parts);
      };
      for (let i = 0; i < 3000; i += 60) {
        peer.write(...Array.from({ length: 60 }, (_, n) => make(i + n)));
        await peer.until(() => ended(peer, oddId(i + 59)), 'the answers');
      }
      must(!peer.closed, peer.summary());
      await peer.expectStatus(oddId(2999), Grpc.UNIMPLEMENTED);
    },
  },
];

/** F20 … F29, over TLS. */
export function freshTlsAttacks(identity: {
  readonly privateKey: string;
  readonly certificateChain: string;
}): readonly Attack[] {
  const tls = { privateKey: identity.privateKey, certificateChain: identity.certificateChain };
  const options = { rejectUnauthorized: false, ALPNProtocols: ['h2'] };
  return [
    {
      id: 'F20',
      title: '300 TLS connections that come and go: after the handshake, in it, in a call',
      tls,
      peakOctets: 96 * MIB,
      async run({ victim }) {
        const one = (kind: number): Promise<void> =>
          new Promise((resolve) => {
            const raw = netConnect({ port: victim.port, host: '127.0.0.1' });
            raw.on('error', () => {});
            raw.once('close', () => resolve());
            const socket = tlsConnect({ socket: raw, ...options });
            socket.on('error', () => raw.destroy());
            if (kind === 0) setTimeout(() => raw.resetAndDestroy(), 2);
            socket.once('secureConnect', () => {
              if (kind === 1) raw.resetAndDestroy();
              else {
                socket.write(Buffer.concat([PREFACE, settings(), unaryCall(1, Path.SLOW)]));
                setTimeout(() => (kind === 2 ? raw.resetAndDestroy() : socket.end()), 3);
                if (kind === 3) setTimeout(() => raw.destroy(), 50);
              }
            });
          });
        for (let batch = 0; batch < 15; batch++) {
          await Promise.all(Array.from({ length: 20 }, (_, i) => one(i % 4)));
        }
        await victim.until(
          (report) => report.connections === 0 && report.running === 0,
          'the end of the connections',
        );
      },
    },
    {
      id: 'F21',
      title: '40 sessions dripped in TLS records of one octet',
      tls,
      limits: { headerBlockTimeoutMs: 1500, firstSettingsTimeoutMs: 500 },
      async run({ victim, connect: open }) {
        const session = Buffer.concat([
          PREFACE,
          settings(),
          settingsAck(),
          headers(1, block(...requestFields(Path.ECHO)), 0),
        ]);
        const peers = await Promise.all(
          Array.from({ length: 40 }, () => open({ tls: options, greet: false })),
        );
        const drips = peers.map(async (peer, n) => {
          for (let at = 0; at < session.length && !peer.closed; at++) {
            peer.write(session.subarray(at, at + 1));
            await sleep(n % 4 === 0 ? 1 : 20);
          }
          // A header block without its end, or a preface that takes too long: neither is waited for.
          await peer.expectClosed(10_000);
        });
        await Promise.all(drips);
        const { trips } = await victim.report();
        must((trips['headers.block-timeout'] ?? 0) > 0, 'no header block was timed');
        must((trips['connection.first-settings-timeout'] ?? 0) > 0, 'no preface was timed');
      },
    },
    {
      id: 'F22',
      title: 'a TLS peer that takes nothing of large answers',
      tls,
      limits: { writeStallTimeoutMs: 2000 },
      peakOctets: 64 * MIB,
      async run({ victim, connect: open }) {
        const peer = await open({ tls: options, reads: false });
        peer.write(settings([4, 0x7fffffff]), windowUpdate(0, 0x7fff0000));
        for (let i = 0; i < 50; i++) peer.write(unaryCall(oddId(i), Path.DOWNLOAD, '1000 16000'));
        const report = await victim.until(
          ({ trips }) => (trips['connection.write-stalled'] ?? 0) === 1,
          'the stall',
        );
        must(report.octets < 100 * MIB, `${report.octets} octets held`);
      },
    },
  ];
}
