/** What an application installs with a library, and what of it a bundler puts into a client that reads its `.proto` or its generated code. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { benchRoot, projectRoot } from '../project.ts';
import { figure } from '../report.ts';
import type { Probe } from './probe.ts';

const kib = 1024;

interface Manifest {
  readonly name: string;
  readonly files?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
}

interface Size {
  readonly arm: string;
  readonly octets: number;
  readonly packages: number;
  /** The client as one minified file, and that compressed with gzip. */
  readonly bundledOctets: number;
  readonly gzippedOctets: number;
}

/** The packages an application names in its package.json for each arm. */
const installed: Readonly<Record<string, readonly string[]>> = {
  'grpc-js': ['@grpc/grpc-js'],
  'nice-grpc': ['nice-grpc'],
  'connect-node': ['@connectrpc/connect-node', '@connectrpc/connect', '@bufbuild/protobuf'],
};

/** What a client with calls of all kinds imports. Generated code, which nice-grpc and connect-node need beside, is not counted. */
const clients: Readonly<Record<string, string>> = {
  purewire: `import { stub } from './dist/lib/index.js';
    import { loadService } from './dist/lib/protobuf/index.js';
    console.log(stub, loadService);`,
  'grpc-js': `import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
    import { loadSync } from '@grpc/proto-loader';
    console.log(credentials, loadPackageDefinition, loadSync);`,
  'nice-grpc': `import { createChannel, createClient } from 'nice-grpc';
    console.log(createChannel, createClient);`,
  'connect-node': `import { createClient } from '@connectrpc/connect';
    import { createGrpcTransport } from '@connectrpc/connect-node';
    import { create } from '@bufbuild/protobuf';
    console.log(createClient, createGrpcTransport, create);`,
};

/** Production dependencies only, types included, as npm unpacks them. */
export const installSize: Probe = {
  name: 'install-size',
  title: 'installed files, dependencies included, and a client bundled by esbuild',
  plannedMs: 2_000,
  arms: ['purewire', 'grpc-js', 'nice-grpc', 'connect-node'],
  run: async (arms) => {
    const sizes = arms.map(sizeOf);
    return {
      columns: ['', 'installed', 'packages', 'client minified', 'and gzipped'],
      lines: sizes.map((each) => [
        each.arm,
        `${figure(each.octets / kib)} KiB`,
        String(each.packages),
        `${figure(each.bundledOctets / kib)} KiB`,
        `${figure(each.gzippedOctets / kib)} KiB`,
      ]),
      goals: [],
      data: sizes,
    };
  },
};

function sizeOf(arm: string): Size {
  const seen = new Map<string, number>();
  if (arm === 'purewire') {
    const manifest = readManifest(projectRoot);
    // What `npm pack` takes: the listed files, package.json and README.
    const packed = [...(manifest.files ?? []), 'package.json', 'README.md', 'LICENSE'];
    seen.set(
      projectRoot,
      packed.reduce((sum, name) => sum + octetsIn(join(projectRoot, name)), 0),
    );
    addDependencies(projectRoot, manifest, seen);
  } else {
    const names = installed[arm];
    if (names === undefined) throw new Error(`${arm} is not a package`);
    const dependencies = Object.fromEntries(names.map((name) => [name, '*']));
    addDependencies(benchRoot, { name: '', dependencies }, seen);
  }
  const octets = [...seen.values()].reduce((sum, each) => sum + each, 0);
  return { arm, octets, packages: seen.size, ...bundleOf(arm) };
}

function bundleOf(arm: string): Pick<Size, 'bundledOctets' | 'gzippedOctets'> {
  const { outputFiles } = buildSync({
    stdin: {
      contents: clients[arm] ?? '',
      resolveDir: arm === 'purewire' ? projectRoot : benchRoot,
    },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    write: false,
    logLevel: 'error',
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error(`esbuild made no bundle of ${arm}`);
  return {
    bundledOctets: file.contents.length,
    gzippedOctets: gzipSync(file.contents, { level: 9 }).length,
  };
}

function addDependencies(folder: string, manifest: Manifest, seen: Map<string, number>): void {
  for (const name of Object.keys(manifest.dependencies ?? {})) {
    const found = packageFolder(folder, name);
    if (found === null || seen.has(found)) continue;
    seen.set(found, octetsIn(found));
    addDependencies(found, readManifest(found), seen);
  }
}

/** Where `name` is installed for a package in `folder`; null when it is not (an optional dependency). */
function packageFolder(folder: string, name: string): string | null {
  const paths = createRequire(join(folder, 'package.json')).resolve.paths(name) ?? [];
  for (const path of paths) {
    const candidate = join(path, name);
    try {
      statSync(join(candidate, 'package.json'));
      return candidate;
    } catch {
      // Not here: one folder up.
    }
  }
  return null;
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** All files below `path`, but not packages nested in it, which count by themselves. */
function octetsIn(path: string): number {
  let stat: ReturnType<typeof statSync>;
  try {
    stat = statSync(path);
  } catch {
    return 0;
  }
  if (stat.isFile()) return stat.size;
  return readdirSync(path)
    .filter((name) => name !== 'node_modules')
    .reduce((sum, name) => sum + octetsIn(join(path, name)), 0);
}
