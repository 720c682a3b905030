/** P07: whoever may send does so within a round, whatever windows and messages are. */

import fc from 'fast-check';
import { headers, settings, windowUpdate } from '../support/frame-factory.ts';
import { block, REQUEST, ScriptedServer } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

const seed = Number(process.env['FC_SEED'] ?? Date.now() & 0x7fffffff);
const FIRST_CONNECTION_WINDOW = 65_535;
const PREFIX_OCTETS = 5;

/** A stream as the peer sees it: what it may be sent, what waits, and frames of others since it could have had its turn. */
interface Waiting {
  window: number;
  queued: number;
  passedOver: number;
}

await t.test(`P07 no stream starves another (seed ${seed})`, async (t) => {
  const grant = fc.record({
    stream: fc.nat(7),
    streamOctets: fc.integer({ min: 1, max: 60_000 }),
    connectionOctets: fc.integer({ min: 1, max: 60_000 }),
  });
  const history = fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 2, maxLength: 8 }),
    firstWindow: fc.nat(40_000),
    grants: fc.array(grant, { minLength: 10, maxLength: 80 }),
  });
  let frames = 0;
  let mostPassedOver = 0;
  fc.assert(
    fc.property(history, ({ sizes, firstWindow, grants }) => {
      const peer = new ScriptedServer();
      const model = new Map<number, Waiting>();
      let connectionWindow = FIRST_CONNECTION_WINDOW;
      const look = (): void => {
        for (const sent of peer.framesOf('DATA')) {
          if (sent.type !== 'DATA') continue;
          frames += 1;
          const sender = model.get(sent.streamId)!;
          sender.window -= sent.length;
          sender.queued -= sent.length;
          sender.passedOver = 0;
          connectionWindow -= sent.length;
          if (sender.window < 0 || connectionWindow < 0) throw new Error('beyond a window');
          for (const [streamId, other] of model) {
            if (other === sender || other.window <= 0 || other.queued <= 0) continue;
            other.passedOver += 1;
            mostPassedOver = Math.max(mostPassedOver, other.passedOver);
            if (other.passedOver > sizes.length) {
              throw new Error(`stream ${streamId} was passed over ${other.passedOver} times`);
            }
          }
        }
      };
      peer.send(settings([4, firstWindow]));
      for (const [index, size] of sizes.entries()) {
        const streamId = 2 * index + 1;
        peer.send(headers(streamId, block(...REQUEST), 5));
        model.set(streamId, { window: firstWindow, queued: size + PREFIX_OCTETS, passedOver: 0 });
        const { stream } = peer.streams.at(-1)!;
        stream?.sendHeaders([':status', '200'], null, false);
        stream?.sendMessage(0, new Uint8Array(size), false);
        look();
      }
      for (const { stream, streamOctets, connectionOctets } of grants) {
        const streamId = 2 * (stream % sizes.length) + 1;
        model.get(streamId)!.window += streamOctets;
        peer.send(windowUpdate(streamId, streamOctets));
        look();
        connectionWindow += connectionOctets;
        peer.send(windowUpdate(0, connectionOctets));
        look();
      }
      // Nobody who may send is left when the connection may too.
      for (const { window, queued } of model.values()) {
        if (connectionWindow > 0 && window > 0 && queued > 0) throw new Error('somebody waits');
      }
    }),
    { seed, numRuns: 200 },
  );
  t.ok(frames > 2000, `${frames} frames`);
  t.ok(mostPassedOver > 1, `passed over ${mostPassedOver} times at most: the property was tried`);
});
