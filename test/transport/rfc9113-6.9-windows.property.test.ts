import fc from 'fast-check';
import { MAX_WINDOW_OCTETS } from '../../framing/constants.ts';
import { ReceiveWindow, SendWindow } from '../../transport/flow-control.ts';
import { t } from '../support/tap.ts';

const seed = Number(process.env['FC_SEED'] ?? Date.now() & 0x7fffffff);

await t.test('§6.9.1 a send window never passes 2^31-1 and may be negative', async (t) => {
  const window = new SendWindow(MAX_WINDOW_OCTETS);
  t.equal(window.credit(1), false);
  t.equal(window.available, MAX_WINDOW_OCTETS);
  window.debit(5);
  t.equal(window.credit(5), true);
  t.equal(window.credit(-MAX_WINDOW_OCTETS - 7), true);
  t.equal(window.available, -7);
});

await t.test(
  `§6.9 credit + held + pending = target + surplus over random histories (seed ${seed})`,
  async (t) => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('receive' as const), octets: fc.nat(400_000) }),
      fc.record({ kind: fc.constant('release' as const), octets: fc.nat(400_000) }),
      fc.record({ kind: fc.constant('expect' as const), octets: fc.nat(5_000_000) }),
      fc.record({ kind: fc.constant('widen' as const), octets: fc.nat(5_000_000) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (history) => {
        const window = new ReceiveWindow(262_144, 0);
        let peerCredit = 262_144;
        for (const { kind, octets } of history) {
          if (kind === 'receive') {
            const legal = octets <= peerCredit;
            if (window.receive(octets) !== legal) return false;
            if (legal) peerCredit -= octets;
          } else if (kind === 'release')
            peerCredit += window.release(Math.min(octets, window.held), 0);
          else if (kind === 'expect') {
            peerCredit += window.expect(octets);
            if (peerCredit < octets) return false;
          } else peerCredit += window.widen(octets);
          if (window.credit !== peerCredit) return false;
          if (window.credit + window.held + window.pending !== window.target + window.surplus) {
            return false;
          }
          if (window.pending < 0 || window.surplus < 0 || window.held < 0) return false;
        }
        // Everything used: the peer is back at the target, less what is not worth an update yet.
        peerCredit += window.release(window.held, 0);
        return (
          window.pending * 2 < window.target &&
          window.credit + window.pending === window.target + window.surplus
        );
      }),
      { seed, numRuns: 500 },
    );
    t.pass('500 histories');
  },
);
