/** Each attack and property that was asked for (S, C and P) has its test: an attack of this folder with its id, or tests named here. */

import { projectFiles } from '../support/project.ts';
import { t } from '../support/tap.ts';

/** The ids of the lists; numbers that are missing were merged into others. */
const ASKED: Readonly<Record<string, readonly number[]>> = {
  S: [
    ...[1, 2, 3, 4, 6, 7, 8, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 25, 26, 27, 28, 29],
    ...[31, 32, 33, 34, 35, 36, 37, 39, 40, 41, 43, 44, 45, 46, 50, 51, 53, 55, 56, 58, 59, 60],
    ...[61, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 80, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91],
    ...[92, 93, 94, 95, 96, 99, 100, 102, 103, 104, 105, 106, 107, 109, 110],
  ],
  C: [
    ...[1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 19, 20, 21, 23, 24, 25, 27, 28, 29],
    ...[31, 32, 34, 35, 36, 37, 38],
  ],
  P: [1, 2, 3, 5, 6, 7, 8],
};

/** Where what is no attack over a socket is proved, by a part of the test's title or, for fuzz targets, of its code. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  S02: ['L3 S02 30 resets a second are borne for ever'],
  S96: ['S96 illegal keys are refused', 'S96 illegal values are refused'],
  C38: ['§5.1.1 a stream open across the change goes on over its own connection'],
  P01: ['P01 encoder, decoder and model agree'],
  P02: ['the events depend on how the octets are cut (P02)'],
  P03: ['RFC 9113 over random histories of two endpoints', '§6.9 credit + held + pending'],
  P05: ['messages depend on the chunks (P05)'],
  P06: ['P06'],
  P07: ['P07 no stream starves another'],
  P08: ['security reference, P08'],
};

const files = projectFiles('test', /\.ts$/).filter(
  ({ path }) => !path.endsWith('attack-list.test.ts'),
);
const attacks = files
  .filter(({ path }) => path.includes('test/hostile/'))
  .map(({ text }) => text)
  .join('\n');
const all = files.map(({ text }) => text).join('\n');

await t.test('no id is without its test', async (t) => {
  for (const [letter, numbers] of Object.entries(ASKED)) {
    for (const number of numbers) {
      const id = `${letter}${String(number).padStart(2, '0')}`;
      const wanted = ELSEWHERE[id];
      if (wanted === undefined) {
        // In `id: 'S01'`, or as the first argument of what makes an attack.
        t.match(attacks, new RegExp(`(?:id: |\\(\\s*)'${id}[a-z]?'`), id);
      } else {
        for (const title of wanted) t.ok(all.includes(title), `${id}: ${title}`);
      }
    }
  }
});
