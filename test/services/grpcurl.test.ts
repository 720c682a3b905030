/** grpcurl, the usual tool of those who debug gRPC, against our reflection: lists, describes and calls. Skipped where it is not to be had. */

import { spawn } from 'node:child_process';
import { server } from '../../lib/index.ts';
import { loadService } from '../../lib/protobuf/index.ts';
import { HealthService, reflectionServices } from '../../lib/services/index.ts';
import { findBuilt, GRPCURL, type OutsideTool } from '../conformance/outside-tools.ts';
import { t } from '../support/tap.ts';
import { circularRoot, EDITION_PROTO, LEGACY_PROTO, rootOf, SHOP_PROTO } from './definitions.ts';

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

function run(program: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

const counter = loadService({ text: SHOP_PROTO, filename: 'shop.proto' }, 'shop.v1.Counter');
const health = new HealthService();
const reflected = [
  counter,
  { name: 'legacy.Old', root: rootOf(LEGACY_PROTO, 'legacy.proto') },
  { name: 'modern.Things', root: rootOf(EDITION_PROTO, 'modern.proto') },
  { name: 'a.S', root: circularRoot() },
  health.definition,
];

const program = findBuilt(GRPCURL)?.get('grpcurl');

async function withGrpcurl(
  program: OutsideTool,
  use: (
    grpcurl: (...args: readonly string[]) => Promise<Outcome>,
    address: string,
  ) => Promise<void>,
): Promise<void> {
  const behaviors = {
    Buy: (order: object) => ({ order, total: 2.5 }),
    *Watch(order: object) {
      for (const total of [1, 2]) yield { order, total };
    },
    Fill: () => ({}),
    *Haggle() {},
  };
  const services = {
    [counter.name]: counter.serviceDescriptions(behaviors),
    ...health.services(),
    ...reflectionServices(reflected),
  };
  const running = await server(services, 0, { host: '127.0.0.1' }).start();
  try {
    const grpcurl = (...args: readonly string[]): Promise<Outcome> =>
      run(program.path, ['-plaintext', '-max-time', '20', ...args]);
    await use(grpcurl, `127.0.0.1:${running.port()}`);
  } finally {
    await running.stop(0);
  }
}

if (program === undefined) {
  t.skip('grpcurl is not here: `npm run conformance -- grpcurl` builds it');
} else {
  await t.test('grpcurl lists the services and the methods of one', async (t) => {
    await withGrpcurl(program, async (grpcurl, address) => {
      const { code, output } = await grpcurl(address, 'list');
      t.equal(code, 0, output);
      t.strictSame(output.trim().split('\n'), [
        'a.S',
        'grpc.health.v1.Health',
        'grpc.reflection.v1.ServerReflection',
        'grpc.reflection.v1alpha.ServerReflection',
        'legacy.Old',
        'modern.Things',
        'shop.v1.Counter',
      ]);
      const methods = await grpcurl(address, 'list', 'shop.v1.Counter');
      t.equal(
        methods.output,
        ['Buy', 'Fill', 'Haggle', 'Watch'].map((name) => `shop.v1.Counter.${name}\n`).join(''),
      );
    });
  });

  await t.test('grpcurl describes every definition: it checks them strictly', async (t) => {
    await withGrpcurl(program, async (grpcurl, address) => {
      for (const { name } of reflected) {
        const { code, output } = await grpcurl(address, 'describe', name);
        t.equal(code, 0, `${name}: ${output}`);
      }
      const { output } = await grpcurl(address, 'describe', 'shop.v1.Order');
      for (const line of [
        'string item_name = 1;',
        'optional int32 gift_count = 2;',
        'oneof pay_by {',
        'map<string, .shop.v1.Order> by_name = 6;',
        'repeated int32 loose_sizes = 9 [packed = false];',
        'bytes label = 12 [json_name = "tag"];',
        'reserved 20, 30 to 40, 1000 to max;',
      ]) {
        t.ok(output.includes(line), `${line} in ${output}`);
      }
      const legacy = await grpcurl(address, 'describe', 'legacy.Base');
      for (const line of [
        'required string the_name = 1;',
        '[default = "say \\"hi\\"\\n"]',
        'repeated group Entry = 10 {',
        'extensions 100 to 199, 500 to max;',
      ]) {
        t.ok(legacy.output.includes(line), `${line} in ${legacy.output}`);
      }
      const modern = await grpcurl(address, 'describe', 'modern.Thing');
      t.equal(modern.code, 0, modern.output);
    });
  });

  await t.test('grpcurl calls what it has described', async (t) => {
    await withGrpcurl(program, async (grpcurl, address) => {
      const request =
        '{"itemName":"pears","giftCount":0,"byName":{"a":{"sizes":[1,2]}},"tag":"AQI="}';
      const bought = await grpcurl('-d', request, address, 'shop.v1.Counter/Buy');
      t.equal(bought.code, 0, bought.output);
      t.strictSame(JSON.parse(bought.output), { order: JSON.parse(request), total: 2.5 });
      const watched = await grpcurl('-d', '{"color":"BLUE"}', address, 'shop.v1.Counter/Watch');
      t.match(watched.output, /"total": 1[\s\S]*"total": 2/);
      const checked = await grpcurl(address, 'grpc.health.v1.Health/Check');
      t.strictSame(JSON.parse(checked.output), { status: 'SERVING' });
      const unknown = await grpcurl(
        '-d',
        '{"service":"x"}',
        address,
        'grpc.health.v1.Health/Check',
      );
      t.match(unknown.output, /Code: NotFound/);
    });
  });
}
