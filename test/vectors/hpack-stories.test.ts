/**
 * The header blocks of http2jp/hpack-test-case, decoded, and its raw stories, encoded. The files lie beside the project in
 * `../shared/vectors/hpack-test-case`; without them the test is skipped.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HeaderList } from '../../framing/frame-handler.ts';
import { HpackDecoder, type HpackDecoderLimits } from '../../framing/hpack/hpack-decoder.ts';
import { HpackEncoder } from '../../framing/hpack/hpack-encoder.ts';
import { randomFrom, testSeed } from '../support/chunkings.ts';
import { t } from '../support/tap.ts';
import { vectorsFolder } from '../support/vectors-folder.ts';

interface StoryCase {
  readonly wire?: string;
  readonly headers: readonly Readonly<Record<string, string>>[];
  readonly header_table_size?: number | null;
}

/** What nghttp2 needs for all raw stories with a table of 4096 octets. */
const NGHTTP2_WIRE_OCTETS = 360_319;
const DEFAULT_TABLE_OCTETS = 4096;
const LARGEST_TABLE_OCTETS = 16_384;

const LIMITS: HpackDecoderLimits = {
  maxTableOctets: LARGEST_TABLE_OCTETS,
  maxHeaderListOctets: 65_536,
  maxHeaderFields: 256,
  maxTableSizeUpdates: 2,
};

const vectors = vectorsFolder();
const root = vectors === null ? null : join(vectors, 'hpack-test-case');

/** A story's field list, whose fields are objects of one property because names repeat. */
function headerList(fields: StoryCase['headers']): string[] {
  const list: string[] = [];
  for (const field of fields) {
    for (const name in field) list.push(name, field[name]!);
  }
  return list;
}

function stories(folder: string): { name: string; cases: readonly StoryCase[] }[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => {
      const story = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { cases: StoryCase[] };
      return { name, cases: story.cases };
    });
}

function sameList(found: HeaderList, wanted: HeaderList): boolean {
  return found.length === wanted.length && found.every((text, i) => text === wanted[i]);
}

if (root === null || !existsSync(root)) {
  t.skip('http2jp stories: ../shared/vectors/hpack-test-case is not there');
} else {
  const folders = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();

  for (const folder of folders) {
    if (folder === 'raw-data') continue;
    await t.test(`every block of ${folder} decodes to its headers`, async (t) => {
      let blocks = 0;
      const faults: string[] = [];
      for (const { name, cases } of stories(join(root, folder))) {
        const decoder = new HpackDecoder(LIMITS);
        let tableOctets = DEFAULT_TABLE_OCTETS;
        cases.forEach((story, i) => {
          const setting = story.header_table_size ?? tableOctets;
          if (setting !== tableOctets) {
            tableOctets = setting;
            decoder.setMaxTableOctets(setting);
          }
          const wire = Buffer.from(story.wire!, 'hex');
          const list = decoder.decode(wire, 0, wire.length);
          if (!decoder.complete || !sameList(list, headerList(story.headers))) {
            faults.push(`${name} case ${i}`);
          }
          blocks += 1;
        });
      }
      t.strictSame(faults, []);
      t.ok(blocks > 3000, `${blocks} blocks`);
    });
  }

  const raw = stories(join(root, 'raw-data'));
  const target = new Uint8Array(65_536);

  await t.test(`raw-data takes at most nghttp2's ${NGHTTP2_WIRE_OCTETS} octets`, async (t) => {
    let wireOctets = 0;
    let textOctets = 0;
    const faults: string[] = [];
    for (const { name, cases } of raw) {
      const encoder = new HpackEncoder(DEFAULT_TABLE_OCTETS);
      const decoder = new HpackDecoder(LIMITS);
      cases.forEach((story, i) => {
        const list = headerList(story.headers);
        const end = encoder.encode([], list, target, 0);
        if (end > encoder.maxEncodedOctets([], list)) faults.push(`${name} case ${i}: bound`);
        if (!sameList(decoder.decode(target, 0, end), list)) faults.push(`${name} case ${i}`);
        wireOctets += end;
        for (const text of list) textOctets += text.length;
      });
    }
    t.strictSame(faults, []);
    t.comment(
      `${wireOctets} wire octets for ${textOctets} octets of text: ratio ${(wireOctets / textOctets).toFixed(4)}`,
    );
    t.ok(wireOctets <= NGHTTP2_WIRE_OCTETS, `${wireOctets} <= ${NGHTTP2_WIRE_OCTETS}`);
  });

  await t.test('raw-data survives random changes of the table size', async (t) => {
    const seed = testSeed();
    t.comment(`seed ${seed}`);
    const random = randomFrom(seed);
    const faults: string[] = [];
    for (const { name, cases } of raw) {
      const encoder = new HpackEncoder(LARGEST_TABLE_OCTETS);
      const decoder = new HpackDecoder(LIMITS);
      cases.forEach((story, i) => {
        for (let changes = Math.floor(random() * 8) - 5; changes > 0; changes -= 1) {
          const octets = Math.floor(random() * random() * (LARGEST_TABLE_OCTETS + 1));
          decoder.setMaxTableOctets(octets);
          encoder.setPeerMaxTableOctets(octets);
        }
        const list = headerList(story.headers);
        const end = encoder.encode([], list, target, 0);
        if (!sameList(decoder.decode(target, 0, end), list)) faults.push(`${name} case ${i}`);
        if (!sameList(decoder.tableEntries(), encoder.tableEntries())) {
          faults.push(`${name} case ${i}: table`);
        }
      });
    }
    t.strictSame(faults, []);
  });

  await t.test('raw-data as templates decodes to its headers', async (t) => {
    const faults: string[] = [];
    for (const { name, cases } of raw) {
      const encoder = new HpackEncoder(DEFAULT_TABLE_OCTETS);
      const decoder = new HpackDecoder(LIMITS);
      const lists = cases.map((story) => headerList(story.headers));
      for (let round = 0; round < 3; round++) {
        lists.forEach((list, i) => {
          const end = encoder.encode(list, null, target, 0);
          if (!sameList(decoder.decode(target, 0, end), list)) faults.push(`${name} case ${i}`);
        });
      }
    }
    t.strictSame(faults, []);
  });
}
