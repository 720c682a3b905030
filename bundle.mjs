/**
 * `npm run bundle`: writes dist/bundle anew, which is the code that the package publishes: a file per entry and what they share. Every file
 * that an entry loads costs its import a third of a millisecond or more. esbuild makes one for each set of entries with something in common,
 * six of them for `purewire` alone; so the entries that need most of it are made to need all of it. `purewire/protobuf` needs little, and
 * shares a small file.
 */

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('.', import.meta.url));
const outdir = join('dist', 'bundle');
const core = join(root, 'lib', 'index.ts');
const needAll = {
  services: join(root, 'lib', 'services', 'index.ts'),
  testing: join(root, 'lib', 'testing', 'index.ts'),
  'blocking-worker': join(root, 'lib', 'alpha', 'blocking-worker.ts'),
};

/** Adds an import of `purewire` to the entries of `needAll`, at the end, so that no line moves. */
const dependOnCore = {
  name: 'depend-on-core',
  setup({ onLoad, onResolve }) {
    const paths = new Set(Object.values(needAll));
    onLoad({ filter: /\.ts$/ }, ({ path }) =>
      paths.has(path)
        ? { contents: `${readFileSync(path, 'utf8')}\nimport 'core:';\n`, loader: 'ts' }
        : undefined,
    );
    onResolve({ filter: /^core:$/ }, () => ({ path: core }));
  },
};

// Files are named by a hash of what is in them: those of earlier builds would stay, and be published.
rmSync(join(root, outdir), { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: { index: core, protobuf: join(root, 'lib', 'protobuf', 'index.ts'), ...needAll },
  plugins: [dependOnCore],
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  // Names stay: stack traces and `console.log` show them. Lines stay short, so that the one that a stack trace names says something.
  minifyWhitespace: true,
  lineLimit: 120,
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'warning',
  // Only what binds the entries together is wanted of `import 'core:'`; that it does nothing is known.
  logOverride: { 'ignored-bare-import': 'silent' },
});
