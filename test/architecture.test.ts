/** The rules of ARCHITECTURE.md that a compiler does not check: who imports what, and how files are written. */

import { type ProjectFile, projectFiles, readProjectFile } from './support/project.ts';
import { importsOf, undocumentedExports, withoutComments } from './support/source-rules.ts';
import { t } from './support/tap.ts';

interface Layer {
  readonly name: string;
  /** Which files belong to it; the first layer that fits counts. */
  readonly files: RegExp;
  /** Project files it may import, besides its own. */
  readonly imports: readonly RegExp[];
  /** Project files of which it may import types only. */
  readonly types?: readonly RegExp[];
  /** Packages and built-ins. */
  readonly packages?: readonly RegExp[];
}

const CORE = /^lib\/[^/]+\.ts$/;
const FRAMING = /^framing\//;
const FRAMING_VALUES = /^framing\/(constants|frame-handler)\.ts$/;
/** How octets are copied, cut into messages, and lent for one read. */
const MESSAGE_FRAMING = /^framing\/(message\/|bytes\.ts$|lent-octets\.ts$)/;
const TRANSPORT = /^transport\/[^/]+\.ts$/;
/** The part of the transport that the call engine sees: interfaces, limits, time. */
const TRANSPORT_INTERFACES =
  /^transport\/(stream-listener|byte-duplex|clock|limits|observer|connector|listener)\.ts$/;
const ENGINE = [CORE, FRAMING_VALUES, MESSAGE_FRAMING, TRANSPORT_INTERFACES];
const CALL = /^lib\/(call|protocol)\//;

/** The table of ARCHITECTURE.md, section "Layers". */
const LAYERS: readonly Layer[] = [
  { name: 'framing', files: FRAMING, imports: [] },
  {
    name: 'transport/node',
    files: /^transport\/node\//,
    imports: [TRANSPORT, /^framing\/lent-octets\.ts$/],
    packages: [/^node:(net|tls|crypto)$/],
  },
  { name: 'transport', files: /^transport\//, imports: [FRAMING] },
  {
    name: 'lib (core values)',
    files: CORE,
    imports: [FRAMING_VALUES],
    types: [/^transport\/clock\.ts$/],
  },
  {
    name: 'lib/protocol',
    files: /^lib\/protocol\//,
    imports: ENGINE,
    types: [/^lib\/call\/call\.ts$/],
  },
  { name: 'lib/call', files: /^lib\/call\//, imports: [...ENGINE, /^lib\/protocol\//] },
  {
    name: 'lib/platform',
    files: /^lib\/platform\//,
    imports: [CORE, TRANSPORT_INTERFACES],
    packages: [/^node:(async_hooks|async_hooks|zlib|dns|fs|fs\/promises|path|url|process)$/],
  },
  {
    name: 'lib/channel',
    files: /^lib\/channel\//,
    imports: [...ENGINE, CALL, TRANSPORT, /^transport\/node\//, /^lib\/platform\//],
  },
  {
    name: 'lib/server',
    files: /^lib\/server\//,
    imports: [...ENGINE, CALL, TRANSPORT, /^transport\/node\//, /^lib\/platform\//],
  },
  {
    name: 'lib/alpha',
    files: /^lib\/alpha\//,
    imports: [CORE, FRAMING_VALUES, TRANSPORT_INTERFACES, CALL, /^lib\/(channel|server)\//],
  },
  {
    name: 'lib/protobuf',
    files: /^lib\/protobuf\//,
    imports: [CORE, /^lib\/platform\//, /^lib\/call\/message-range\.ts$/],
    packages: [/^protobufjs(\/|$)/],
  },
  {
    name: 'lib/services',
    files: /^lib\/services\//,
    imports: [CORE, /^lib\/(alpha|protobuf)\//],
    packages: [/^protobufjs(\/|$)/],
  },
  {
    name: 'lib/testing',
    files: /^lib\/testing\//,
    imports: [...ENGINE, CALL, TRANSPORT, /^lib\/(channel|server|platform|alpha)\//],
  },
];

/** Single files with more rights than their layer. */
const FILE_RIGHTS: readonly (readonly [files: RegExp, imports: RegExp])[] = [
  [/^lib\/index\.ts$/, /^lib\/alpha\//],
  [/^lib\/alpha\/index\.ts$/, /^transport\/frame-trace\.ts$/],
  [/^lib\/protobuf\/service-descriptions\.ts$/, /^lib\/alpha\//],
  [/^lib\/alpha\/blocking[^/]*\.ts$/, /^node:worker_threads$/],
  [/^lib\/call\/message-range\.ts$/, /^lib\/platform\/shared-slab\.ts$/],
  [/^lib\/platform\/shared-slab\.ts$/, /^node:worker_threads$/],
];

/** Tables of data, not code: the limit of lines does not apply to them. */
const DATA_TABLES: ReadonlySet<string> = new Set<string>([]);
const MAX_LINES = 600;

const LAYER_FOLDERS = ['framing', 'transport', 'lib'];
const layered = LAYER_FOLDERS.flatMap((folder) => projectFiles(folder, /\.ts$/));
const sources = [...layered, ...['test', 'bench'].flatMap((f) => projectFiles(f, /\.ts$/))];

function layerOf(path: string): Layer | undefined {
  return LAYERS.find((layer) => layer.files.test(path));
}

/** The imports of one file that its layer does not allow, in words. */
function forbiddenImports(file: ProjectFile): string[] {
  const layer = layerOf(file.path);
  if (layer === undefined) return [`${file.path} belongs to no layer`];
  const own = FILE_RIGHTS.filter(([files]) => files.test(file.path)).map(([, imports]) => imports);
  return importsOf(file)
    .filter(({ target, isRelative, typeOnly }) => {
      if (isRelative && layerOf(target) === layer) return false;
      const ofLayer = isRelative ? layer.imports : (layer.packages ?? []);
      const types = typeOnly ? (layer.types ?? []) : [];
      return ![...ofLayer, ...types, ...own].some((pattern) => pattern.test(target));
    })
    .map(({ target }) => `${file.path} (${layer.name}) imports ${target}`);
}

await t.test('every import goes to the same layer or one below it', async (t) => {
  t.ok(layered.length > 50, 'the source files were found');
  for (const file of layered) t.strictSame(forbiddenImports(file), [], file.path);
});

await t.test('no layer reaches itself through another one, types left out', async (t) => {
  const edges = new Map<string, Set<string>>();
  for (const file of layered) {
    const from = layerOf(file.path)!.name;
    for (const { target, isRelative, typeOnly } of importsOf(file)) {
      const to = isRelative ? layerOf(target)?.name : undefined;
      // lib/index.ts is the public entry, above all layers.
      if (to === undefined || to === from || typeOnly || file.path === 'lib/index.ts') continue;
      if (!edges.has(from)) edges.set(from, new Set());
      edges.get(from)!.add(to);
    }
  }
  const reachable = (from: string, seen: Set<string>): Set<string> => {
    for (const to of edges.get(from) ?? []) {
      if (!seen.has(to)) {
        seen.add(to);
        reachable(to, seen);
      }
    }
    return seen;
  };
  for (const layer of edges.keys()) {
    t.notOk(reachable(layer, new Set()).has(layer), `${layer} does not depend on itself`);
  }
});

await t.test('node:http2 is used in test/ and bench/ only', async (t) => {
  const users = layered.filter(({ text }) => /['"`](node:)?http2['"`]/.test(text));
  t.strictSame(
    users.map(({ path }) => path),
    [],
  );
});

await t.test(
  'no default exports; enums, namespaces and the like are off in the compiler',
  async (t) => {
    for (const file of sources) {
      const isDefault = /^export default\b|^export \{[^}]*\bas default\b/m;
      t.notOk(isDefault.test(withoutComments(file.text)), file.path);
    }
    t.match(readProjectFile('tsconfig.json'), /"erasableSyntaxOnly": true/);
  },
);

await t.test(`no file is longer than ${MAX_LINES} lines, tables of data excepted`, async (t) => {
  const long = sources
    .filter(({ path, text }) => !DATA_TABLES.has(path) && text.split('\n').length - 1 > MAX_LINES)
    .map(({ path, text }) => `${path}: ${text.split('\n').length - 1}`);
  t.strictSame(long, []);
});

await t.test('every source file says at its head what it is for', async (t) => {
  const silent = layered.filter(({ text }) => !text.startsWith('/**')).map(({ path }) => path);
  t.strictSame(silent, []);
});

await t.test('every exported symbol of framing, transport and lib has a docstring', async (t) => {
  for (const file of layered) t.strictSame(undocumentedExports(file), [], file.path);
});

await t.test('no loop stands outside a function', async (t) => {
  // V8 takes a loop for a sign that the code around it is hot, and compiles that anew: here all that the bundle's modules do when they are loaded,
  // which takes as long as doing it.
  const loops = layered.flatMap(({ path, text }) =>
    [...withoutComments(text).matchAll(/^(?:\w+: )?(?:for|while|do)\b.*/gm)].map(
      ([line]) => `${path}: ${line}`,
    ),
  );
  t.strictSame(loops, []);
});

await t.test('files are kebab-case', async (t) => {
  const odd = sources.filter(
    ({ path }) => !/^[a-z0-9./-]+$/i.test(path) || /[A-Z]{2}|_/.test(path),
  );
  t.strictSame(
    odd.map(({ path }) => path),
    [],
  );
});

await t.test('protobufjs is the only runtime dependency', async (t) => {
  const manifest = JSON.parse(readProjectFile('package.json')) as Record<
    string,
    object | undefined
  >;
  t.strictSame(Object.keys(manifest['dependencies'] ?? {}), ['protobufjs']);
  for (const kind of ['optionalDependencies', 'peerDependencies', 'bundleDependencies']) {
    t.equal(manifest[kind], undefined, kind);
  }
});

await t.test('no file names a folder of one machine or a package registry', async (t) => {
  // Put together here so that this file does not find itself.
  const traces = new RegExp(
    ['/wor' + 'k/', '/roo' + 't/', '/hom' + 'e/[a-z]', 'registry\\.npm' + 'js'].join('|'),
  );
  const text = /\.(ts|js|mjs|json|md|yml|yaml|proto|sh)$|(^|\/)(\.taprc|\.gitignore|LICENSE|run)$/;
  const found = projectFiles('.', text).filter((file) => traces.test(file.text));
  t.strictSame(
    found.map(({ path, text }) => `${path}: ${traces.exec(text)?.[0]}`),
    [],
  );
});
