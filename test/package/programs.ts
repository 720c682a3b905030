/** The programs that a user of the packed tarball would write, as text: they are put into an empty folder and run there. */

const PROTO = `
syntax = "proto3";
package shop;
message Order { string item = 1; uint32 count = 2; }
message Receipt { string text = 1; }
service Counter {
  rpc Buy (Order) returns (Receipt);
  rpc Watch (Order) returns (stream Receipt);
}
`;

/** Serves until its input ends; prints the port. */
const SERVE = `
import { server } from 'purewire';
import { loadService } from 'purewire/protobuf';
import { reflectionServices } from 'purewire/services';

const counter = loadService({ file: new URL('./shop.proto', import.meta.url) }, 'shop.Counter');
const methods = counter.serviceDescriptions({
  Buy: (order) => ({ text: order.count + ' ' + order.item }),
  *Watch(order) {
    for (let n = 1; n <= order.count; n++) yield { text: n + ' ' + order.item };
  },
});
const running = await server({ [counter.name]: methods, ...reflectionServices([counter]) }, 0).start();
console.log(running.port());
process.stdin.resume();
process.stdin.on('end', () => running.stop(5));
`;

/** The body shared by the ESM and the require() program. */
const CALLS = `
async function main() {
  const counter = loadService({ file: require.resolve('./shop.proto') }, 'shop.Counter');
  const methods = counter.invocationDescriptions();
  const port = Number(process.argv[2]);

  const remote = stub(counter.name, methods, '127.0.0.1', port).open();
  const receipt = await remote.Buy({ item: 'pears', count: 3 }, 10);
  const watched = [];
  for await (const { text } of remote.Watch({ item: 'pears', count: 2 }, 10)) watched.push(text);
  await remote.close();

  const blocking = blockingStub(counter.name, methods, '127.0.0.1', port).open();
  const second = blocking.Buy({ item: 'plums', count: 4 }, 10);
  await blocking.close();

  const { describe, listServices } = await import('purewire/services');
  const [listed] = (await listServices('127.0.0.1', port)).slice(-1);
  if (listed !== 'shop.Counter') throw new Error('listServices gave ' + listed);
  (await describe('127.0.0.1', port, listed)).lookupType('shop.Receipt');

  const { stub: alphaStub } = await import('purewire/alpha');
  if (alphaStub !== stub) throw new Error('purewire/alpha is another copy than purewire');
  for (const entry of ['purewire', 'purewire/protobuf', 'purewire/services', 'purewire/testing']) {
    for (const [name, value] of Object.entries(await import(entry))) {
      if (typeof value === 'function' && value.name !== name) throw new Error(name + ' calls itself ' + value.name);
    }
  }
  console.log(JSON.stringify([receipt.text, watched, second.text]));
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
`;

const CALL_ESM = `
import { createRequire } from 'node:module';
import { blockingStub, stub } from 'purewire';
import { loadService } from 'purewire/protobuf';

const require = createRequire(import.meta.url);
${CALLS}`;

const CALL_CJS = `
const { blockingStub, stub } = require('purewire');
const { loadService } = require('purewire/protobuf');
${CALLS}`;

/** Uses the types of every entry point; the lines after ts-expect-error must not compile. */
const CONSUMER_TS = `
import { Abortion, RpcError, type RpcContext, server, stub, unaryUnaryInvocationDescription } from 'purewire';
import { Cardinality } from 'purewire/alpha';
import { loadService, type UnaryStream, type UnaryUnary } from 'purewire/protobuf';
import { HealthService, healthCheck, reflectionServices, ServingStatus } from 'purewire/services';
import * as testing from 'purewire/testing';

interface Order { item: string; count: number }
interface Receipt { text: string }
interface Counter {
  Buy: UnaryUnary<Order, Receipt>;
  Watch: UnaryStream<Order, Receipt>;
}

const counter = loadService<Counter>({ file: 'shop.proto' }, 'shop.Counter');

export async function run(port: number): Promise<string[]> {
  const remote = stub(counter.name, counter.invocationDescriptions(), '127.0.0.1', port).open();
  const receipt: Receipt = await remote.Buy({ item: 'pears', count: 3 }, 10);
  const texts = [receipt.text];
  try {
    for await (const { text } of remote.Watch({ item: 'pears', count: 3 }, 10)) texts.push(text);
  } catch (error) {
    if (error instanceof RpcError) texts.push(String(error.code));
  }
  // @ts-expect-error: no such method
  void remote.Sell;
  // @ts-expect-error: the request has another type
  void remote.Buy({ item: 5 }, 10);
  // @ts-expect-error: the timeout is missing
  void remote.Buy({ item: 'pears', count: 3 });
  await remote.close();
  return texts;
}

const health = new HealthService();
export const operated = server({ ...health.services(), ...reflectionServices([counter, health.definition]) }, 0);
export const isServing = async (port: number): Promise<boolean> =>
  (await healthCheck('127.0.0.1', port, counter.name)) === ServingStatus.SERVING;

export const running = server(
  counter.name,
  counter.serviceDescriptions({
    Buy: (order: Order, context: RpcContext) => {
      context.addAbortionCallback((abortion) => void (abortion === Abortion.CANCELLED));
      return { text: order.item };
    },
    *Watch(order: Order) {
      yield { text: order.item };
    },
  }),
  0,
);

export const echo = unaryUnaryInvocationDescription(
  (text: string) => new TextEncoder().encode(text),
  (octets) => new TextDecoder().decode(octets),
);
export const kind: typeof Cardinality.UNARY_UNARY = echo.cardinality();
export const extras: object = testing;
`;

const COMPILER_OPTIONS = {
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable', 'dom'],
  module: 'nodenext',
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
};

/** As in most projects: with the types of Node; every declaration file is checked. `typeRoots` is where those types are. */
export function tsconfigWithNode(typeRoots: string): string {
  const options = {
    ...COMPILER_OPTIONS,
    types: ['node'],
    typeRoots: [typeRoots],
    skipLibCheck: false,
  };
  return JSON.stringify({ compilerOptions: options, files: ['consumer.ts'] });
}

/** Without the types of Node, which purewire's own types do not need. */
const TSCONFIG_BARE = JSON.stringify({
  compilerOptions: { ...COMPILER_OPTIONS, types: [], skipLibCheck: true },
  files: ['consumer.ts'],
});

/** File name → content. */
export const consumerFiles: Readonly<Record<string, string>> = {
  'shop.proto': PROTO,
  'serve.mjs': SERVE,
  'call.mjs': CALL_ESM,
  'call.cjs': CALL_CJS,
  'consumer.ts': CONSUMER_TS,
  'tsconfig.json': TSCONFIG_BARE,
};

/** What both calling programs print. */
export const expectedOutput: string = JSON.stringify([
  '3 pears',
  ['1 pears', '2 pears'],
  '4 plums',
]);
