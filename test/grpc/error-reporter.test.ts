/** Peers can cause reports, and each may be a line that the process waits for: how many of them are handed on. */

import {
  type ErrorReporter,
  limitedReporter,
  reportSafely,
  reportToConsole,
} from '../../lib/error-reporter.ts';
import { MAX_LINES_PER_SECOND } from '../../lib/line-budget.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { t } from '../support/tap.ts';

function limited(): { clock: FakeClock; lines: string[]; report: ErrorReporter } {
  const clock = new FakeClock();
  const lines: string[] = [];
  const report = limitedReporter((error, where) => {
    lines.push(`${where}: ${(error as Error).message}`);
  }, clock);
  return { clock, lines, report };
}

function repeat(report: ErrorReporter, where: string, count: number): void {
  for (let i = 0; i < count; i++) report(new Error('bad'), where);
}

const bad = (where: string): string[] =>
  new Array<string>(MAX_LINES_PER_SECOND).fill(`${where}: bad`);

await t.test('ten reports a second of one place, and the number of the others', async (t) => {
  const { clock, lines, report } = limited();
  repeat(report, 'a', 5000);
  t.strictSame(lines, bad('a'));
  t.equal(clock.pendingAlive, 0, 'a sum that is due does not hold the process');
  clock.advance(999);
  t.equal(lines.length, MAX_LINES_PER_SECOND);
  clock.advance(1);
  t.strictSame(lines.splice(0), [...bad('a'), 'a: 4990 more in the same second'], 'nobody follows');
  t.equal(clock.pending, 0);
  repeat(report, 'a', 11);
  clock.advance(1000);
  t.strictSame(lines, [...bad('a'), 'a: 1 more in the same second'], 'the next second');
});

await t.test('few reports are all handed on, and set no timer', async (t) => {
  const { clock, lines, report } = limited();
  for (let second = 0; second < 3; second++) {
    repeat(report, 'a', MAX_LINES_PER_SECOND);
    clock.advance(1000);
  }
  t.equal(lines.length, 3 * MAX_LINES_PER_SECOND);
  t.equal(clock.pending, 0);
});

await t.test('each place has a budget of its own', async (t) => {
  const { clock, lines, report } = limited();
  repeat(report, 'a', 100);
  clock.advance(500);
  repeat(report, 'b', 20);
  t.strictSame(lines.splice(0), [...bad('a'), ...bad('b')]);
  clock.advance(500);
  t.strictSame(lines.splice(0), ['a: 90 more in the same second']);
  clock.advance(1000);
  t.strictSame(lines, ['b: 10 more in the same second'], 'its second was not over then');
});

await t.test('a busy process says the sum before the next report', async (t) => {
  let nowMs = 0;
  const lines: string[] = [];
  const report = limitedReporter(
    (error, where) => {
      lines.push(`${where}: ${(error as Error).message}`);
    },
    { now: () => nowMs, setTimer: () => ({ cancel: () => {} }) },
  );
  repeat(report, 'a', 15);
  nowMs = 5000;
  repeat(report, 'a', 1);
  t.strictSame(lines, [...bad('a'), 'a: 5 more in the same second', 'a: bad']);
});

await t.test('places that are very many share one budget', async (t) => {
  const { clock, lines, report } = limited();
  for (let place = 0; place < 1500; place++) report(new Error('bad'), `place ${place}`);
  t.equal(lines.length, 1000 + MAX_LINES_PER_SECOND);
  clock.advance(1000);
  t.equal(lines.at(-1), 'further places: 490 more in the same second');
  report(new Error('bad'), 'place 1499');
  t.equal(lines.at(-1), 'place 1499: bad', 'those of a second ago are forgotten');
});

await t.test('a reporter that raises loses its reports and nothing else', async (t) => {
  const clock = new FakeClock();
  const report = limitedReporter(() => {
    throw new Error('the logger is gone');
  }, clock);
  for (let i = 0; i < 20; i++) reportSafely(report, new Error('bad'), 'a');
  clock.advance(1000);
  t.equal(clock.pending, 0);
});

await t.test('stderr has its budget, and none gets a second one', async (t) => {
  t.equal(limitedReporter(reportToConsole), reportToConsole);
  const lines: string[] = [];
  const { error } = console;
  console.error = (line: string): void => {
    lines.push(line);
  };
  try {
    for (let i = 0; i < 100; i++) reportToConsole(new Error('one\ntwo'), 'here');
  } finally {
    console.error = error;
  }
  t.strictSame(
    lines,
    new Array<string>(MAX_LINES_PER_SECOND).fill('purewire: here: Error: one | two'),
  );
});
