/** grpc-java, with the programs of test/interop/java: Maven gets its libraries, a Java compiler the programs, all below `.tools/`. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { loadRoot } from '../../../lib/protobuf/index.ts';
import { describedFiles } from '../../../lib/services/described-files.ts';
import { encodeFileDescriptor } from '../../../lib/services/file-descriptor.ts';
import { projectFolder } from '../../support/project.ts';
import { PROTO_FOLDER } from '../service/definition.ts';
import type { MatrixPeer } from './peer.ts';
import { type Command, runClientOfMany, startServer } from './programs.ts';

const FOLDER = join(projectFolder, '.tools', 'interop', 'java');
const LIBRARIES = join(FOLDER, 'lib');
const CLASSES = join(FOLDER, 'classes');
const DESCRIPTORS = join(FOLDER, 'test.descriptors');
const SOURCES = join(projectFolder, 'test', 'interop', 'java');

const NO_FLAG = 'its API does not tell whether a request was compressed';

/** grpc-java. */
export const GRPC_JAVA: MatrixPeer = {
  name: 'grpc-java',
  clientGaps: {
    max_concurrent_streams_connection_scaling: 'has one connection per address',
  },
  serverGaps: {
    client_compressed_unary: NO_FLAG,
    client_compressed_streaming: NO_FLAG,
  },
  async prepare(say) {
    const refusal = install(say);
    if (refusal !== '') return refusal;
    const path = [CLASSES, join(LIBRARIES, '*')].join(delimiter);
    const program = (name: string): Command => ({
      program: 'java',
      arguments: ['-XX:+UseSerialGC', '-cp', path, name, `--descriptors=${DESCRIPTORS}`],
    });
    return {
      version: versionOfCore(),
      startServer: (setup) => startServer(program('InteropServer'), setup),
      runClient: (cases, target, told) =>
        runClientOfMany(program('InteropClient'), cases, target, told),
    };
  },
};

/** Makes what is not there yet. Returns an empty string, or what went wrong. */
function install(say: (text: string) => void): string {
  if (spawnSync('javac', ['-version']).status !== 0)
    return 'a Java compiler is not on this machine';
  const complete = join(FOLDER, 'complete');
  if (!existsSync(complete)) {
    if (spawnSync('mvn', ['-version']).status !== 0) return 'Maven is not on this machine';
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    say('getting grpc-java with Maven');
    const refusal = run('mvn', [
      ...['-q', '-B', '-f', join(SOURCES, 'pom.xml')],
      ...['dependency:copy-dependencies', `-DoutputDirectory=${LIBRARIES}`],
    ]);
    if (refusal !== '') return refusal;
    writeFileSync(complete, '');
  }
  writeFileSync(DESCRIPTORS, descriptorSet());
  const sources = readdirSync(SOURCES)
    .filter((name) => name.endsWith('.java'))
    .map((name) => join(SOURCES, name));
  return run('javac', ['-cp', join(LIBRARIES, '*'), '-d', CLASSES, ...sources]);
}

/** A google.protobuf.FileDescriptorSet of the services: files in field 1. */
function descriptorSet(): Uint8Array {
  const roots = ['test.proto', 'orca.proto'].map((name) =>
    loadRoot({ file: join(PROTO_FOLDER, name) }),
  );
  const parts = describedFiles(roots).flatMap((file) => {
    const octets = encodeFileDescriptor(file);
    return [Uint8Array.of(0x0a), varint(octets.length), octets];
  });
  return Buffer.concat(parts);
}

function varint(value: number): Uint8Array {
  const octets: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Uint8Array.of(...octets, left);
    octets.push((left % 128) | 128);
  }
}

function versionOfCore(): string {
  const jar = readdirSync(LIBRARIES).find((name) => name.startsWith('grpc-core-'));
  return jar?.slice('grpc-core-'.length, -'.jar'.length) ?? 'of unknown version';
}

function run(program: string, args: readonly string[]): string {
  const done = spawnSync(program, args, { encoding: 'utf8' });
  if (done.status === 0) return '';
  const text = `${done.stdout ?? ''}${done.stderr ?? ''}`.trim();
  const words = text.split('\n').find((line) => /error/i.test(line)) ?? String(done.error);
  return `${program}: ${words}`;
}
