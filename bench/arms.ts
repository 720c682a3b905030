/** Who runs: the implementations of bench.proto, and the arms made of a client and a server implementation. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectRoot } from './project.ts';
import type { Workload } from './workloads.ts';

/** One program that can serve or call bench.proto. */
export interface Implementation {
  readonly name: string;
  readonly description: string;
  /** Loads packages from bench/node_modules. */
  readonly needsPeers: boolean;
  /** Null: a Node worker. Else the program that speaks the worker protocol, if it can be had here. */
  readonly program: (() => string | null) | null;
}

/** A client and a server to measure together. */
export interface Arm {
  /** `grpc-js`, or `purewire:grpc-js` for a client against another's server. */
  readonly name: string;
  readonly client: Implementation;
  readonly server: Implementation;
}

const implementations: readonly Implementation[] = [
  node('raw-echo', 'L0: socket echo of the same octet counts, no protocol'),
  node('framed-echo', 'L1: L0 plus frame headers, streams by id, callbacks'),
  node('framed-codec', 'L2: L1 plus protobufjs on both sides'),
  node('purewire', 'purewire through its public alpha API'),
  node('control', 'purewire once more: the A/A control'),
  node('grpc-js', '@grpc/grpc-js', true),
  node('node-http2', 'bare node:http2 in the shape of gRPC, no codec'),
  node('nice-grpc', 'nice-grpc (on @grpc/grpc-js)', true),
  node('connect-node', '@connectrpc/connect-node, gRPC transport (its own codec)', true),
  built('grpc-go', 'grpc-go with GOMAXPROCS=1'),
  built('tonic', 'tonic on a runtime of one thread, plaintext only'),
  built('grpc-cpp', 'gRPC C++ (C-core), callback API'),
  node('against', 'purewire of the revision that --against names'),
];

/** The name of the arm everything is compared with, where it takes part. */
export const subjectName = 'purewire';

/** The subject against itself: what differs here is noise. */
export const controlName = 'control';

/** Another revision of the subject. */
export const againstName = 'against';

/** Clients that can resume TLS sessions, by themselves or through an option. */
const resuming: readonly string[] = [
  'raw-echo',
  subjectName,
  controlName,
  againstName,
  'node-http2',
  'grpc-go',
];

/** All implementation names with their descriptions, for `--help`. */
export function describeImplementations(): readonly { name: string; description: string }[] {
  return implementations;
}

/** The arm named `client` or `client:server`; throws RangeError for an unknown name. */
export function armNamed(name: string): Arm {
  const [client, server = client, ...rest] = name.split(':');
  const find = (part: string | undefined): Implementation => {
    const found = implementations.find((each) => each.name === part);
    if (found === undefined || rest.length > 0) {
      const known = implementations.map((each) => each.name).join(', ');
      throw new RangeError(`no arm named '${name}'; there are ${known}, and pairs client:server`);
    }
    return found;
  };
  return { name, client: find(client), server: find(server) };
}

/** Why `arm` cannot run `workload` here, or null when it can. */
export function whyNot(arm: Arm, workload: Workload): string | null {
  for (const each of [arm.client, arm.server]) {
    if (each.program !== null && each.program() === null) {
      return `${each.name} is not built (npm run bench -- --build-peers; needs its toolchain)`;
    }
  }
  const { kind } = workload.load;
  const rawClient = arm.client.name === 'raw-echo';
  if (rawClient !== (arm.server.name === 'raw-echo')) return 'the raw echo speaks no HTTP/2';
  if (rawClient && kind === 'open-loop') return 'the raw echo has no calls to do that with';
  if (kind === 'connect' && /^(framed-|grpc-cpp)/.test(arm.client.name)) {
    return `${arm.client.name} keeps its connections`;
  }
  if (workload.load.resumeTls && !resuming.includes(arm.client.name)) {
    return `${arm.client.name} gives no access to the TLS sessions of its connections`;
  }
  if (kind === 'open-loop' && arm.client.program !== null) {
    return `${arm.client.name} has no open-loop client`;
  }
  if (workload.tls && [arm.client.name, arm.server.name].includes('tonic')) {
    return 'tonic takes no certificate that is its own authority';
  }
  if (rawClient && workload.load.kind === 'server-stream' && workload.load.inFlight > 1) {
    return 'the raw echo runs one stream';
  }
  return null;
}

/** The command that starts a worker of `implementation`. */
export function workerCommand(
  implementation: Implementation,
  nodeFlags: readonly string[],
): readonly string[] {
  if (implementation.program !== null) {
    const program = implementation.program();
    if (program === null) throw new Error(`${implementation.name} is not built`);
    return [program];
  }
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const main = join(dirname(fileURLToPath(import.meta.url)), 'worker', `main.${extension}`);
  return [process.execPath, ...nodeFlags, main];
}

/** What a Node worker loads for `implementation`: control and against are purewire under other names. */
export function moduleName({ name }: Implementation): string {
  return name === controlName || name === againstName ? subjectName : name;
}

function node(name: string, description: string, needsPeers = false): Implementation {
  return { name, description, needsPeers, program: null };
}

function built(name: string, description: string): Implementation {
  return { name, description, needsPeers: false, program: () => builtProgram(name) };
}

function builtProgram(name: string): string | null {
  const path = join(projectRoot, '.tools', 'bench', name);
  return existsSync(path) ? path : null;
}
