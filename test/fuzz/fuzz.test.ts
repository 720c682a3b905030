/** A short run of every fuzz target from a fixed seed, and every input that ever found a fault. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromHex, toHex } from '../support/frame-factory.ts';
import { projectFolder } from '../support/project.ts';
import { onNode, t } from '../support/tap.ts';
import { fuzzByGrammar, fuzzByMutation } from './fuzzing.ts';
import { FUZZ_TARGETS } from './targets.ts';

const SEED = 20_260_901;

/** The differential target's oracle is Node's own node:http2; what Bun and Deno have under that name judges other inputs differently. */
const targets = onNode ? FUZZ_TARGETS : FUZZ_TARGETS.filter(({ name }) => name !== 'differential');
if (!onNode) console.log('# skipped: differential needs the node:http2 of Node as its oracle');

for (const target of targets) {
  await t.test(`${target.name} bears mutated inputs`, async (t) => {
    const isWhole = target.name === 'server' || target.name === 'client';
    const budget = { seconds: 0, leastExecutions: isWhole ? 400 : 2000 };
    const { finding, executions } = await fuzzByMutation(target, SEED, budget, false);
    t.equal(finding === null ? '' : `${toHex(finding.input)} ${finding.error.message}`, '');
    t.ok(executions >= budget.leastExecutions);
    if (!isWhole && target.name !== 'frame-reader') return;
    const grammar = await fuzzByGrammar(target, SEED, { seconds: 0, leastExecutions: 200 });
    const found = grammar.finding as { input: Uint8Array; error: Error } | null;
    t.equal(found === null ? '' : `${toHex(found.input)} ${found.error.message}`, '');
  });
}

await t.test('inputs that found faults are borne now', async (t) => {
  const folder = join(projectFolder, 'test', 'fuzz', 'findings');
  const files = existsSync(folder)
    ? readdirSync(folder).filter((name) => name.endsWith('.hex'))
    : [];
  for (const file of files) {
    const target = FUZZ_TARGETS.find(({ name }) => file.startsWith(`${name}-`));
    if (target === undefined) {
      t.fail(`${file} belongs to no target`);
      continue;
    }
    if (!targets.includes(target)) continue;
    await target.run(fromHex(readFileSync(join(folder, file), 'utf8').trim()));
    t.pass(file);
  }
  t.pass(`${files.length} inputs`);
});
