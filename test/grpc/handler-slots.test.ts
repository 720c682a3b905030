/** L2: handlers running at once per connection. */

import type { SlotCall } from '../../lib/call/server-call-host.ts';
import { HandlerSlots } from '../../lib/server/handler-slots.ts';
import { t } from '../support/tap.ts';

class FakeCall implements SlotCall {
  readonly name: string;
  readonly log: string[];

  constructor(name: string, log: string[]) {
    this.name = name;
    this.log = log;
  }

  onSlot(): void {
    this.log.push(`${this.name} runs`);
  }

  onSlotRefused(): void {
    this.log.push(`${this.name} refused`);
  }
}

await t.test(
  'L2 as many run as there are slots, as many again wait, the rest is refused',
  async (t) => {
    const log: string[] = [];
    const slots = new HandlerSlots(2);
    const calls = ['a', 'b', 'c', 'd', 'e'].map((name) => new FakeCall(name, log));
    t.strictSame(
      calls.map((call) => slots.acquire(call)),
      [true, true, false, false, false],
    );
    t.strictSame(log, ['e refused']);
    t.equal(slots.running, 2);
    t.equal(slots.waiting, 2);
  },
);

await t.test('L2 a released slot goes to the call that has waited longest', async (t) => {
  const log: string[] = [];
  const slots = new HandlerSlots(1);
  const [a, b] = ['a', 'b'].map((name) => new FakeCall(name, log)) as [FakeCall, FakeCall];
  slots.acquire(a);
  slots.acquire(b);
  slots.release(a);
  t.strictSame(log, ['b runs']);
  t.equal(slots.running, 1);
  slots.release(b);
  t.equal(slots.running, 0);
});

await t.test(
  'L2 calls that end while they wait, or were refused, free no running slot',
  async (t) => {
    const log: string[] = [];
    const slots = new HandlerSlots(1);
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new FakeCall(name, log)) as [
      FakeCall,
      FakeCall,
      FakeCall,
      FakeCall,
    ];
    slots.acquire(a);
    slots.acquire(b);
    slots.acquire(c);
    t.strictSame(log, ['c refused']);
    slots.release(c);
    t.equal(slots.running, 1);
    slots.release(b);
    t.equal(slots.running, 1, 'a handler that outlives its stream keeps its slot (CVE-2023-44487)');
    t.equal(slots.waiting, 0);
    t.equal(slots.acquire(d), false, 'there is room to wait again');
    slots.release(a);
    t.strictSame(log, ['c refused', 'd runs']);
  },
);

await t.test('L2 of 0 runs nothing, Infinity everything', async (t) => {
  const log: string[] = [];
  t.equal(new HandlerSlots(0).acquire(new FakeCall('a', log)), false);
  t.strictSame(log, ['a refused']);
  const unlimited = new HandlerSlots(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 1000; i++) t.equal(unlimited.acquire(new FakeCall('b', log)), true);
});
