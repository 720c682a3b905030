/**
 * No false alarms: honest clients of other implementations, grpc-go and C-core, which send PINGs to estimate the bandwidth (BDP), at a server
 * with the default limits. Thousands of calls half of which are cancelled, thousands of deadlines, large messages, slow readers: each call must
 * end as it should, and no limit may trip. Built and started by what the interoperability matrix has.
 */

import { spawn } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { buildAgainst, GRPC_GO } from '../conformance/outside-tools.ts';
import { pythonWithGrpcio } from '../interop/matrix/python-peer.ts';
import { projectFolder } from '../support/project.ts';
import { type Attack, type AttackContext, must, NotRun } from './attack.ts';

const PROGRAMS = 'test/hostile/peers';
const TIME_LIMIT_MS = 240_000;
const MIB = 2 ** 20;
const PREFACE_OCTETS = 24;
const FRAME_HEAD_OCTETS = 9;

/** How a client is called, before the port; a string: why it is not here. */
type Program = { readonly version: string; readonly command: readonly string[] } | string;

function goClient(): Program {
  const built = buildAgainst(GRPC_GO, `${PROGRAMS}/honest.go`, console.log);
  if (typeof built === 'string') return built;
  return { version: `grpc-go ${built.version}`, command: [built.path] };
}

function pythonClient(): Program {
  const python = pythonWithGrpcio(console.log);
  if (typeof python === 'string') return python;
  const program = join(projectFolder, PROGRAMS, 'honest.py');
  return { version: `grpcio ${python.version}`, command: [python.path, program] };
}

/** Counts the PINGs, acknowledgements aside, among the frames of one client. */
function pingCounter(onPing: () => void): (chunk: Buffer) => void {
  let skip = PREFACE_OCTETS;
  let head = Buffer.alloc(0);
  return (chunk) => {
    let rest = chunk;
    while (rest.length > 0) {
      const skipped = Math.min(skip, rest.length);
      skip -= skipped;
      rest = rest.subarray(skipped);
      if (skip > 0 || rest.length === 0) return;
      const wanted = FRAME_HEAD_OCTETS - head.length;
      head = Buffer.concat([head, rest.subarray(0, wanted)]);
      rest = rest.subarray(wanted);
      if (head.length < FRAME_HEAD_OCTETS) return;
      if (head[3] === 6 && (head[4]! & 1) === 0) onPing();
      skip = head.readUIntBE(0, 3);
      head = Buffer.alloc(0);
    }
  };
}

/** A relay to `port` that counts PINGs on their way to the server. */
async function countingRelay(port: number) {
  const sockets: Socket[] = [];
  const seen = { pings: 0, connections: 0 };
  const relay = createServer((client) => {
    const server = connect({ port, host: '127.0.0.1', noDelay: true });
    sockets.push(client, server);
    client.setNoDelay();
    seen.connections += 1;
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
    client.on(
      'data',
      pingCounter(() => (seen.pings += 1)),
    );
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  return {
    port: (relay.address() as { port: number }).port,
    seen,
    close(): void {
      relay.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function run(command: readonly string[]): Promise<{ code: number | null; said: string }> {
  const [program, ...rest] = command;
  const child = spawn(program!, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', GRPC_VERBOSITY: 'NONE' },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      said = `${said}${text.toString()}`.slice(-3000);
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), TIME_LIMIT_MS);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, said: error.message }));
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, said: said.trim() });
    });
  });
}

async function honest({ victim, note }: AttackContext, program: Program): Promise<void> {
  if (typeof program === 'string') throw new NotRun(program);
  const relay = await countingRelay(victim.port);
  try {
    const { code, said } = await run([...program.command, `--server_port=${relay.port}`]);
    const { pings, connections } = relay.seen;
    const { trips } = await victim.report();
    must(Object.keys(trips).length === 0, `tripped: ${JSON.stringify(trips)}; ${said}`);
    must(code === 0, `exit code ${code}: ${said}`);
    note(
      `${program.version}: ${said.replaceAll('\n', ', ')}; ${pings} PINGs, ${connections} connections`,
    );
    must(pings > 0, 'no PING came');
    must(connections === 3, `${connections} connections instead of three`);
  } finally {
    relay.close();
  }
}

/** H01 and H02. */
export const honestPeers: readonly Attack[] = [
  {
    id: 'H01',
    title: 'honest: grpc-go',
    limits: {},
    // Eight messages of 3 MiB there and back at a time, and 54 downloads.
    peakOctets: 256 * MIB,
    run: (context) => honest(context, goClient()),
  },
  {
    id: 'H02',
    title: 'honest: C-core (grpcio)',
    limits: {},
    peakOctets: 256 * MIB,
    run: (context) => honest(context, pythonClient()),
  },
];
