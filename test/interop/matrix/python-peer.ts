/** grpcio, Python's gRPC on C-core, with the small programs of test/interop/python: in a virtual environment below `.tools/`. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../../support/project.ts';
import { PROTO_FOLDER } from '../service/definition.ts';
import type { MatrixPeer } from './peer.ts';
import { runClientOfMany, startServer } from './programs.ts';

const FOLDER = join(projectFolder, '.tools', 'interop', 'python');
const PROGRAMS = join(projectFolder, 'test', 'interop', 'python');
const PYTHON = join(FOLDER, 'venv', 'bin', 'python');
const PACKAGES = ['grpcio>=1.80', 'grpcio-tools>=1.80'];
const PROTO_FILES = ['messages.proto', 'test.proto', 'orca.proto', 'orca_load_report.proto'];

const NO_FLAG = 'its API does not tell whether a message was compressed';
const NO_CASE = 'not in the program for it';

/** C-core. */
export const GRPCIO: MatrixPeer = {
  name: 'grpcio',
  clientGaps: {
    client_compressed_streaming: 'its API compresses all requests of a stream or none',
    server_compressed_unary: NO_FLAG,
    server_compressed_streaming: NO_FLAG,
    orca_per_rpc: 'keeps load reports from its API',
    orca_oob: 'keeps load reports from its API',
    max_concurrent_streams_connection_scaling: 'has one connection per address',
    large_message_pushback: NO_CASE,
    thousands_of_simultaneous_calls: 'its calls need a thread each',
    thousands_of_simultaneous_deadlines: 'its calls need a thread each',
  },
  serverGaps: {
    client_compressed_unary: NO_FLAG,
    client_compressed_streaming: NO_FLAG,
    orca_oob: 'has no OpenRcaService',
    thousands_of_simultaneous_calls: 'its calls need a thread each',
    // Seen: trailers with CANCELLED 50 to 106 ms before deadlines of 230 to 290 ms; the threads of what it drops are missing afterwards.
    thousands_of_simultaneous_deadlines:
      'its calls need a thread each, and it ends them with CANCELLED before their deadline',
  },
  async prepare(say) {
    const refusal = install(say);
    if (refusal !== '') return refusal;
    const made = generate();
    if (made !== '') return made;
    const environment = {
      PYTHONPATH: join(FOLDER, 'generated'),
      GRPC_VERBOSITY: 'NONE',
      PYTHONDONTWRITEBYTECODE: '1',
    };
    const program = (name: string) => ({
      program: PYTHON,
      arguments: [join(PROGRAMS, name)],
      environment,
    });
    return {
      version: versionOfGrpcio(),
      startServer: (setup) => startServer(program('server.py'), setup),
      runClient: (cases, target, told) =>
        runClientOfMany(program('client.py'), cases, target, told),
    };
  },
};

/** A Python that has grpcio, with the version of that; or why there is none. */
export function pythonWithGrpcio(
  say: (text: string) => void,
): { readonly path: string; readonly version: string } | string {
  return install(say) || { path: PYTHON, version: versionOfGrpcio() };
}

function versionOfGrpcio(): string {
  const run = spawnSync(PYTHON, ['-c', 'import grpc; print(grpc.__version__)'], {
    encoding: 'utf8',
  });
  return run.stdout.trim();
}

/** Makes what is not there yet. Returns an empty string, or what went wrong. */
function install(say: (text: string) => void): string {
  if (spawnSync('python3', ['--version']).status !== 0) return 'Python 3 is not on this machine';
  if (!existsSync(join(FOLDER, 'venv', 'complete'))) {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    say('installing grpcio with pip');
    const refusal =
      run('python3', ['-m', 'venv', join(FOLDER, 'venv')]) ||
      run(PYTHON, ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', ...PACKAGES]) ||
      run('touch', [join(FOLDER, 'venv', 'complete')]);
    if (refusal !== '') return refusal;
  }
  return '';
}

/** Makes the modules of the definitions. Returns an empty string, or what went wrong. */
function generate(): string {
  const generated = join(FOLDER, 'generated');
  mkdirSync(generated, { recursive: true });
  return run(PYTHON, [
    ...['-m', 'grpc_tools.protoc', `-I${PROTO_FOLDER}`],
    ...[`--python_out=${generated}`, `--grpc_python_out=${generated}`],
    ...PROTO_FILES,
  ]);
}

function run(program: string, args: readonly string[]): string {
  const done = spawnSync(program, args, { encoding: 'utf8' });
  if (done.status === 0) return '';
  const words = (done.stderr || String(done.error)).trim().split('\n').at(-1);
  return `${args.slice(0, 3).join(' ')}: ${words}`;
}
