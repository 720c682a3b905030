/** The version in code is that of the package. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VERSION } from '../../lib/version.ts';
import { projectFolder } from '../support/project.ts';
import { t } from '../support/tap.ts';

await t.test('VERSION is the version in package.json', async (t) => {
  const text = readFileSync(join(projectFolder, 'package.json'), 'utf8');
  t.equal(VERSION, (JSON.parse(text) as { version: string }).version);
});
