/**
 * What importing the library loads: modules of the runtime for sockets, TLS, compression and threads come at their first use, because loading
 * them takes longer than loading all of the library.
 */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { outputFolder } from './support/project.ts';
import { t } from './support/tap.ts';

/** Prints the modules of the runtime that an import loads, one a line. */
const LOADED = `
const before = new Set(process.moduleLoadList);
await import(process.argv[1]);
console.log(process.moduleLoadList.filter((each) => !before.has(each)).join('\\n'));
process.exit(0);
`;
const COSTLY =
  /^NativeModule (net|tls|crypto|zlib|worker_threads|async_hooks|perf_hooks|dns|stream|http2?)$/;

function costlyModulesOf(entry: string): string[] {
  const url = pathToFileURL(join(outputFolder, 'lib', entry)).href;
  const program = ['--input-type=module', '--eval', LOADED, url];
  const done = spawnSync(process.execPath, program, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stderr);
  return done.stdout.split('\n').filter((line) => COSTLY.test(line));
}

const tells =
  process.versions['deno'] === undefined &&
  Array.isArray((process as { moduleLoadList?: unknown }).moduleLoadList);

for (const entry of ['index', 'alpha/index', 'protobuf/index', 'services/index', 'testing/index']) {
  await t.test(
    `importing lib/${entry} loads no sockets, TLS, compression or threads`,
    async (t) => {
      if (!tells) {
        t.skip('this runtime does not tell what it has loaded');
        return;
      }
      t.strictSame(costlyModulesOf(`${entry}.js`), []);
    },
  );
}
