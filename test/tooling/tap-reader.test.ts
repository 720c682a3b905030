/** Counting tests in TAP: what passes, what fails, what was skipped, and what never ran. */

import { t } from '../support/tap.ts';
import { readTap } from '../support/tap-reader.ts';

function tap(...lines: string[]): string {
  return ['TAP version 14', ...lines, ''].join('\n');
}

await t.test('a test is a block with assertions of its own', async (t) => {
  const report = readTap(
    tap(
      '# Subtest: outer',
      '    # Subtest: first',
      '        ok 1 - a',
      '        ok 2 - b',
      '        1..2',
      '    ok 1 - first # time=1.5ms',
      '    ',
      '    # Subtest: second',
      '        ok 1 - c',
      '        1..1',
      '    ok 2 - second',
      '    1..2',
      'ok 1 - outer # time=3ms',
      '',
      'ok 2 - loose',
      '1..2',
    ),
  );
  t.equal(report.passed, 3, 'first, second and the file itself');
  t.equal(report.failed, 0);
  t.equal(report.assertions, 4);
  t.equal(report.complete, true);
});

await t.test('a failure carries its path and its details', async (t) => {
  const report = readTap(
    tap(
      '# Subtest: §6.1 a \\# b',
      '    # seed 42',
      '    ok 1 - fine',
      '    not ok 2 - should be equal',
      '      ---',
      '      diff: |',
      '        -1',
      '        +2',
      '      ...',
      '    1..2',
      'not ok 1 - §6.1 a \\# b # time=2ms',
      '  ---',
      '  at: {}',
      '  ...',
      '1..1',
    ),
  );
  t.equal(report.failed, 1);
  t.equal(report.passed, 0);
  t.strictSame(report.failures, [
    {
      path: ['§6.1 a # b'],
      message: 'should be equal',
      details: ['diff: |', '  -1', '  +2'],
      comments: ['seed 42'],
    },
  ]);
});

await t.test('a sub-test without assertions has failed', async (t) => {
  const report = readTap(tap('# Subtest: empty', '    1..0', 'ok 1 - empty', '1..1'));
  t.equal(report.passed, 0);
  t.equal(report.failed, 1);
  t.strictSame(report.failures[0]?.path, ['empty']);
});

await t.test('a file without tests has failed', async (t) => {
  t.equal(readTap('').failed, 1);
  t.equal(readTap(tap('1..0')).failed, 1);
});

await t.test('skips keep their reason and are no passes', async (t) => {
  const report = readTap(
    tap(
      'ok 1 - vectors are not there # SKIP',
      '# Subtest: unix sockets',
      '    ok 1 - not on this platform # SKIP no AF_UNIX',
      '    1..1',
      'ok 2 - unix sockets',
      'ok 3 - ran',
      '1..3',
    ),
  );
  t.equal(report.passed, 1);
  t.equal(report.failed, 0);
  t.strictSame(report.skips, [
    { path: [], reason: 'vectors are not there' },
    { path: ['unix sockets'], reason: 'not on this platform: no AF_UNIX' },
  ]);
});

await t.test('a sub-test that its closing point alone calls failed', async (t) => {
  const report = readTap(
    tap('# Subtest: plan', '    ok 1 - a', '    1..1', 'not ok 1 - plan', '1..1'),
  );
  t.equal(report.failed, 1);
});

await t.test('a file that ends early is not complete', async (t) => {
  const report = readTap(tap('# Subtest: long', '    ok 1 - a'));
  t.equal(report.complete, false);
});

await t.test('what a test logs is kept and counts for nothing', async (t) => {
  const report = readTap(tap('ok 1 - a', 'okay, a log line', 'notes: ok', '# a comment', '1..1'));
  t.equal(report.passed, 1);
  t.strictSame(report.noise, ['okay, a log line', 'notes: ok']);
});

await t.test('figures are kept, whichever test comments them', async (t) => {
  const report = readTap(
    tap(
      '# Subtest: flow',
      '    # figure: 6 MiB',
      '    ok 1 - a',
      '    1..1',
      'ok 1 - flow',
      '# figure: b',
      '1..1',
    ),
  );
  t.strictSame(report.figures, ['6 MiB', 'b']);
});
