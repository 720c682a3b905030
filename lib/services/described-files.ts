/**
 * The definitions of protobufjs Roots as a set of `.proto` files that import each other. protobufjs remembers at most the path that a
 * definition was read from: import names, imports, and for definitions without a path the files themselves, are made here. Paths of this
 * machine are not told: of them only the folders that the package is named after, and the name of the file.
 */

import protobuf from 'protobufjs';
import { definitionsIn, fullNameOf, isService, isType } from '../protobuf/proto-check.ts';
import { isEnum, isExtension, mentionedBy } from './definitions.ts';
import type { DescribedFile } from './file-descriptor.ts';
import { strongComponents } from './strong-components.ts';

/** A definition that is in no other, and the file it was read from, if that is known. */
interface Unit {
  readonly definition: protobuf.ReflectionObject;
  readonly name: string;
  readonly packageName: string;
  readonly path: string | null;
  /** Names of the units that it mentions. */
  readonly mentions: ReadonlySet<string>;
}

/** Units that become one file. */
interface Group {
  readonly fileName: string;
  readonly units: readonly Unit[];
}

/** The files of well-known types, under the names that every protoc knows them by. */
const BUNDLED = ['any', 'duration', 'empty', 'field_mask', 'struct', 'timestamp', 'wrappers'].map(
  (name) => `google/protobuf/${name}.proto`,
);

/**
 * The files of `roots`. Of definitions with the same name the first counts: roots that were loaded separately may share files. Throws
 * TypeError for an extension of nothing known, ReferenceError for an unknown type.
 */
export function describedFiles(roots: readonly protobuf.Root[]): DescribedFile[] {
  const units = new Map<string, Unit>();
  for (const root of roots) {
    root.resolveAll();
    for (const unit of unitsOf(root)) if (!units.has(unit.name)) units.set(unit.name, unit);
  }
  const groups = acyclic(groupByFile([...units.values()]), units);
  const fileOfUnit = new Map<string, string>();
  for (const { fileName, units: members } of groups) {
    for (const { name } of members) fileOfUnit.set(name, fileName);
  }
  return groups.map(({ fileName, units: members }) => ({
    name: fileName,
    packageName: members[0]?.packageName ?? '',
    dependencies: importsOf(fileName, members, fileOfUnit),
    definitions: members.map(({ definition }) => definition),
  }));
}

function importsOf(
  fileName: string,
  members: readonly Unit[],
  fileOfUnit: ReadonlyMap<string, string>,
): string[] {
  const imports = new Set<string>();
  for (const { mentions } of members) {
    for (const name of mentions) {
      const file = fileOfUnit.get(name);
      if (file !== undefined && file !== fileName) imports.add(file);
    }
  }
  return [...imports].sort();
}

function* unitsOf(root: protobuf.Root): Generator<Unit> {
  for (const definition of definitionsIn(root)) {
    if (!isUnit(definition)) continue;
    const { parent } = definition;
    const mentions = new Set<string>();
    for (const mentioned of mentionedBy(definition)) mentions.add(fullNameOf(unitOf(mentioned)));
    yield {
      definition,
      name: fullNameOf(definition),
      packageName: parent === null ? '' : fullNameOf(parent),
      path: definition.filename?.replaceAll('\\', '/') ?? null,
      mentions,
    };
  }
}

/** Whether `definition` is one, and is directly in a package. */
function isUnit(definition: protobuf.ReflectionObject): boolean {
  const isOne =
    isType(definition) || isEnum(definition) || isService(definition) || isExtension(definition);
  return isOne && !isType(definition.parent);
}

/** The outermost definition that `definition` is part of. */
function unitOf(definition: protobuf.ReflectionObject): protobuf.ReflectionObject {
  let unit = definition;
  while (isType(unit.parent)) unit = unit.parent;
  return unit;
}

function groupByFile(units: readonly Unit[]): Group[] {
  const bundled = bundledFiles();
  const names = importNames(units);
  const groups = new Map<string, Unit[]>();
  for (const unit of units) {
    const { name, path, packageName } = unit;
    const fileName =
      bundled.get(name) ?? (path === null ? fileOfPackage(packageName) : (names.get(path) ?? path));
    const members = groups.get(fileName);
    if (members === undefined) groups.set(fileName, [unit]);
    else members.push(unit);
  }
  return Array.from(groups, ([fileName, members]) => ({ fileName, units: members }));
}

/** Path → import name. As many folders of an absolute path as its package is named after; more where two files would have one name. */
function importNames(units: readonly Unit[]): Map<string, string> {
  const names = new Map<string, string>();
  const paths = new Map<string, string>();
  for (const { path, packageName } of units) {
    if (path === null || names.has(path)) continue;
    const folders = packageName.split('.');
    const inPackage = path.endsWith(`/${[...folders, ''].join('/')}${path.split('/').at(-1)}`);
    let count = inPackage ? folders.length + 1 : 1;
    let name = wellKnownName(path) ?? (isAbsolute(path) ? lastSegments(path, count) : path);
    while (paths.has(name) && name.length < path.length) name = lastSegments(path, ++count);
    names.set(path, name);
    paths.set(name, path);
  }
  return names;
}

function lastSegments(path: string, count: number): string {
  return path.split('/').slice(-count).join('/');
}

function isAbsolute(path: string): boolean {
  return /^(?:\/|[A-Za-z]:\/)/.test(path);
}

/** Name of a well-known type → its file. */
function bundledFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const file of BUNDLED) {
    const known = protobuf.common.get(file) as unknown as BundledJson | null;
    for (const type of Object.keys(known?.nested?.google?.nested?.protobuf?.nested ?? {})) {
      files.set(`google.protobuf.${type}`, file);
    }
  }
  return files;
}

interface BundledJson {
  readonly nested?: {
    readonly google?: { readonly nested?: { readonly protobuf?: { readonly nested?: object } } };
  };
}

/** `…/google/api/http.proto` is `google/api/http.proto` wherever it lies. */
function wellKnownName(path: string): string | null {
  return (
    /(?:^|\/)(google\/(?:api|longrunning|protobuf|rpc|type)\/[^/]+\.proto)$/.exec(path)?.[1] ?? null
  );
}

function fileOfPackage(packageName: string): string {
  return packageName === '' ? 'root.proto' : `${packageName.replaceAll('.', '/')}.proto`;
}

/**
 * Files must not import each other in a circle, but packages may: where they do, definitions that need each other become a file of their own.
 */
function acyclic(groups: readonly Group[], units: ReadonlyMap<string, Unit>): Group[] {
  const groupOf = new Map<string, Group>();
  for (const group of groups) for (const { name } of group.units) groupOf.set(name, group);
  function* leadsTo({ units: members }: Group): Generator<Group> {
    for (const { mentions } of members) {
      for (const name of mentions) {
        const group = groupOf.get(name);
        if (group !== undefined) yield group;
      }
    }
  }
  return strongComponents(groups, leadsTo).flatMap((circle) => {
    if (circle.length === 1) return circle;
    const members = circle.flatMap((group) => group.units);
    return strongComponents(members, ({ mentions }) => unitsNamed(mentions, units)).map(
      (component) => ({ fileName: fileOfUnits(component), units: component }),
    );
  });
}

function* unitsNamed(names: Iterable<string>, units: ReadonlyMap<string, Unit>): Generator<Unit> {
  for (const name of names) {
    const unit = units.get(name);
    if (unit !== undefined) yield unit;
  }
}

function fileOfUnits(units: readonly Unit[]): string {
  const first = units.map(({ name }) => name).sort()[0] ?? '';
  return `${first.replaceAll('.', '/')}.proto`;
}
