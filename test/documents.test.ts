/** The documents say what is so: their code compiles and runs, their paths exist, their table of limits is that of the code. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLIENT_LIMITS, type Limits, SERVER_LIMITS } from '../transport/limits.ts';
import { outputFolder, projectFiles, projectFolder, readProjectFile } from './support/project.ts';
import { withoutComments } from './support/source-rules.ts';
import { t } from './support/tap.ts';

const DOCUMENTS = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
];

const OCTET_UNITS: readonly (readonly [number, string])[] = [
  [1_048_576, 'MiB'],
  [1024, 'KiB'],
  [1, 'octets'],
];
const TIME_UNITS: readonly (readonly [number, string])[] = [
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
  [1, 'ms'],
];

interface Program {
  readonly section: string;
  readonly code: string;
  readonly runs: boolean;
}

/** The code blocks of each `##` section of the README as one program. A section with a "not run" comment is only compiled. */
function readmePrograms(): Program[] {
  return readProjectFile('README.md')
    .split(/^## /m)
    .slice(1)
    .map((section) => ({
      section: section.slice(0, section.indexOf('\n')),
      code: [...section.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code).join('\n'),
      runs: !section.includes('<!-- compiled, not run'),
    }))
    .filter(({ code }) => code !== '');
}

const isNode = process.versions['bun'] === undefined && process.versions['deno'] === undefined;
// The package's own name leads to dist; a build elsewhere has nothing there to compile the README against.
const isBuilt = outputFolder === join(projectFolder, 'dist');
const whyNot = isNode
  ? 'the tests were compiled to another folder than dist'
  : 'the compiler of the README runs on Node';

if (isNode && isBuilt) {
  await t.test("the README's code compiles in strict mode and runs", async (t) => {
    // Inside the project, so that the name purewire leads to its own package.json.
    mkdirSync(join(projectFolder, '.tools'), { recursive: true });
    const folder = mkdtempSync(join(projectFolder, '.tools', 'readme-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const programs = readmePrograms();
    t.ok(programs.length >= 4, 'the code blocks were found');
    programs.forEach(({ code }, n) => {
      writeFileSync(join(folder, `section${n}.ts`), code);
    });
    const config = {
      extends: join(projectFolder, 'tsconfig.json'),
      compilerOptions: {
        rootDir: folder,
        outDir: folder,
        incremental: false,
        tsBuildInfoFile: null,
        isolatedDeclarations: false,
        declaration: false,
        declarationMap: false,
        sourceMap: false,
        noUnusedLocals: false,
      },
      include: [],
      files: programs.map((_, n) => `section${n}.ts`),
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const compiler = join(projectFolder, 'node_modules', 'typescript', 'bin', 'tsc');
    const compiled = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' });
    t.equal(compiled.stdout + compiled.stderr, '', 'no complaints of the compiler');
    programs.forEach(({ section, runs }, n) => {
      if (!runs) return;
      const ran = spawnSync(process.execPath, [join(folder, `section${n}.js`)], {
        encoding: 'utf8',
        timeout: 30_000,
      });
      t.equal(ran.stderr, '', `"${section}" writes nothing to stderr`);
      t.equal(ran.status, 0, `"${section}" exits with 0`);
    });
  });
} else {
  t.skip(`the README's code: ${whyNot}`);
}

await t.test('every path and every link in the documents leads somewhere', async (t) => {
  for (const document of DOCUMENTS) {
    const text = readProjectFile(document);
    const paths = [...text.matchAll(/`((?:lib|framing|transport|test|bench|\.ci)\/[\w./-]*)`/g)];
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)];
    const dead = [...paths, ...links]
      .map(([, path]) => path!)
      .filter((path) => !existsSync(join(projectFolder, path)));
    t.strictSame(dead, [], document);
  }
});

await t.test('every npm script in the documents exists', async (t) => {
  const { scripts } = JSON.parse(readProjectFile('package.json')) as {
    scripts: Record<string, string>;
  };
  for (const document of DOCUMENTS) {
    const text = readProjectFile(document);
    const named = [...text.matchAll(/npm run ([a-z:]+)|npm (start|test)\b/g)].map(
      ([, script, short]) => (script ?? short)!,
    );
    t.strictSame(
      named.filter((name) => scripts[name] === undefined),
      [],
      document,
    );
  }
});

await t.test('the table of limits in SECURITY.md is that of the code', async (t) => {
  const rows = new Map(
    [
      ...readProjectFile('SECURITY.md').matchAll(
        /^\| (L\d+) \| `(\w+)` \| ([^|]+) \| [^|]+ \| ([^|]+) \|$/gm,
      ),
    ].map(([, id, name, value, enforced]) => [name!, { id, value, enforced }]),
  );
  const names = Object.keys(SERVER_LIMITS) as (keyof Limits)[];
  t.strictSame([...rows.keys()].sort(), [...names].sort(), 'one row per limit');
  const code = ['framing', 'transport', 'lib']
    .flatMap((folder) => projectFiles(folder, /\.ts$/))
    .filter(({ path }) => path !== 'transport/limits.ts')
    .map(({ text }) => withoutComments(text))
    .join('\n');
  for (const name of names) {
    const row = rows.get(name);
    t.equal(row?.value, describeLimit(name), `default of ${name}`);
    const isUsed = new RegExp(`\\b${name}\\b`).test(code);
    t.equal(row?.enforced, 'yes', `${name} is enforced`);
    t.ok(isUsed, `${name} is used`);
  }
});

function describeLimit(name: keyof Limits): string {
  const [server, client] = [SERVER_LIMITS[name], CLIENT_LIMITS[name]].map((value) =>
    describeValue(name, value),
  );
  return server === client ? server! : `${server} (client: ${client})`;
}

function describeValue(name: string, value: number): string {
  if (value === Number.POSITIVE_INFINITY) return 'off';
  const units = name.endsWith('Octets') ? OCTET_UNITS : name.endsWith('Ms') ? TIME_UNITS : [];
  const fit = units.find(([size]) => value % size === 0);
  return fit === undefined ? String(value) : `${value / fit[0]} ${fit[1]}`;
}
