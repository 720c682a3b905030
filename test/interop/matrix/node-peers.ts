/** Ours and the other implementations for Node. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { benchRoot, peerVersions } from '../../../bench/project.ts';
import { outputFolder, readProjectFile } from '../../support/project.ts';
import type { Gaps, MatrixPeer, PreparedPeer } from './peer.ts';
import { type Command, runClientOfMany, startServer } from './programs.ts';

function program(file: string, ...args: readonly string[]): Command {
  const path = join(outputFolder, 'test', 'interop', `${file}.js`);
  return { program: process.execPath, arguments: [path, ...args] };
}

function nodePeer(version: string, client: Command, server: Command | null): PreparedPeer {
  return {
    version,
    runClient: (cases, target, told) => runClientOfMany(client, cases, target, told),
    ...(server === null ? {} : { startServer: (setup) => startServer(server, setup) }),
  };
}

function versionIn(path: string): string {
  return (JSON.parse(readProjectFile(path)) as { version: string }).version;
}

/** Our own two ends. */
export const PUREWIRE: MatrixPeer = {
  name: 'purewire',
  clientGaps: {},
  serverGaps: {},
  prepare: async () => nodePeer(versionIn('package.json'), program('client'), program('server')),
};

function same(names: readonly string[], reason: string): Gaps {
  return Object.fromEntries(names.map((name) => [name, reason]));
}

const CLIENT_COMPRESSED = ['client_compressed_unary', 'client_compressed_streaming'];
const SERVER_COMPRESSED = ['server_compressed_unary', 'server_compressed_streaming'];
const SCALING = 'max_concurrent_streams_connection_scaling';

/** @grpc/grpc-js. */
export const GRPC_JS: MatrixPeer = {
  name: 'grpc-js',
  clientGaps: {
    ...same(CLIENT_COMPRESSED, 'compresses all messages of a channel or none'),
    ...same(SERVER_COMPRESSED, 'does not tell whether a response was compressed'),
    [SCALING]: 'has one connection per address',
  },
  serverGaps: {
    ...same(CLIENT_COMPRESSED, 'does not tell whether a request was compressed'),
    ...same(SERVER_COMPRESSED, 'does not compress responses'),
    orca_oob: 'has no OpenRcaService',
  },
  prepare: async () =>
    nodePeer(
      versionIn('node_modules/@grpc/grpc-js/package.json'),
      program('client', '--library=grpc-js'),
      program('programs/grpc-js-server'),
    ),
};

/** node:http2 with the gRPC of test/interop/peers on it. */
export const NODE_HTTP2: MatrixPeer = {
  name: 'node:http2',
  clientGaps: {
    ...same([...CLIENT_COMPRESSED, ...SERVER_COMPRESSED], 'the client for it has no compression'),
    [SCALING]: 'has one connection',
  },
  serverGaps: {},
  prepare: async () => nodePeer(process.version, program('client', '--library=node:http2'), null),
};

/** @connectrpc/connect-node, as installed for the benchmarks. */
export const CONNECT: MatrixPeer = {
  name: 'connect',
  clientGaps: {
    ...same(CLIENT_COMPRESSED, 'compresses all messages of a transport or none'),
    ...same(SERVER_COMPRESSED, 'does not tell whether a response was compressed'),
    orca_oob: 'OpenRcaService is not set up for it',
    [SCALING]: 'has one connection',
  },
  serverGaps: {
    ...same(CLIENT_COMPRESSED, 'does not tell whether a request was compressed'),
    ...same(SERVER_COMPRESSED, 'compresses by size, not by message'),
    orca_per_rpc: 'reports are not set up for it',
    orca_oob: 'OpenRcaService is not set up for it',
    server_speaks_first: 'sends headers with the first message only',
    cancel_after_headers: 'sends headers with the first message only',
    [SCALING]: 'does not tell the address of its client',
  },
  async prepare(say) {
    const name = '@connectrpc/connect-node';
    if (!existsSync(join(benchRoot, 'node_modules', name))) {
      say(`installing ${name} with npm`);
      const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts'];
      const done = spawnSync('npm', args, { cwd: benchRoot, encoding: 'utf8' });
      if (done.status !== 0) return `npm ci: ${done.stderr.trim().split('\n').at(-1)}`;
    }
    return nodePeer(
      peerVersions(name)[name]!,
      program('client', '--library=connect'),
      program('programs/connect-server'),
    );
  },
};
