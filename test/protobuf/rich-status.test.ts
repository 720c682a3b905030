/** The rich error model: written and read, against definitions of another hand, over the wire, and from a hostile peer. */

import protobuf from 'protobufjs';
import {
  Metadata,
  RpcError,
  Status,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import {
  findDetail,
  type RichStatus,
  richError,
  richStatusOf,
  type StatusDetail,
} from '../../lib/protobuf/index.ts';
import { fromJson, openStub, startServer, toJson } from '../alpha/support/loopback.ts';
import { t } from '../support/tap.ts';

const KEY = 'grpc-status-details-bin';

/** google/rpc/status.proto and error_details.proto, field numbers as published. */
const { root } = protobuf.parse(`syntax = "proto3"; package check;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
  message DebugInfo { repeated string stack_entries = 1; string detail = 2; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message QuotaFailure { message V { string subject = 1; string description = 2; } repeated V violations = 1; }
  message PreconditionFailure { message V { string type = 1; string subject = 2; string description = 3; } repeated V violations = 1; }
  message LocalizedMessage { string locale = 1; string message = 2; }
  message BadRequest {
    message V { string field = 1; string description = 2; string reason = 3; LocalizedMessage localized_message = 4; }
    repeated V field_violations = 1;
  }
  message RequestInfo { string request_id = 1; string serving_data = 2; }
  message ResourceInfo { string resource_type = 1; string resource_name = 2; string owner = 3; string description = 4; }
  message Help { message Link { string description = 1; string url = 2; } repeated Link links = 1; }
`);

function check(type: string): protobuf.Type {
  return root.lookupType(`check.${type}`);
}

const DETAILS: StatusDetail[] = [
  {
    type: 'google.rpc.ErrorInfo',
    value: { reason: 'STOCKOUT', domain: 'shop.test', metadata: { zone: 'eu', toString: 'x' } },
  },
  { type: 'google.rpc.RetryInfo', value: { retryDelayMs: 2500.5 } },
  { type: 'google.rpc.DebugInfo', value: { stackEntries: ['a:1', 'b:2'], detail: 'd' } },
  {
    type: 'google.rpc.QuotaFailure',
    value: { violations: [{ subject: 'user:1', description: 'daily' }] },
  },
  {
    type: 'google.rpc.PreconditionFailure',
    value: { violations: [{ type: 'TOS', subject: 'u', description: 'accept them' }] },
  },
  {
    type: 'google.rpc.BadRequest',
    value: {
      fieldViolations: [
        {
          field: 'a[1].b',
          description: 'is empty',
          reason: 'EMPTY',
          localizedMessage: { locale: 'de', message: 'ist leer' },
        },
      ],
    },
  },
  { type: 'google.rpc.RequestInfo', value: { requestId: 'r1', servingData: 's' } },
  {
    type: 'google.rpc.ResourceInfo',
    value: { resourceType: 'book', resourceName: 'b/1', owner: 'me', description: 'gone' },
  },
  { type: 'google.rpc.Help', value: { links: [{ description: 'docs', url: 'https://x.test' }] } },
  { type: 'google.rpc.LocalizedMessage', value: { locale: 'fr-CH', message: 'désolé' } },
  { type: 'my.own.Detail', octets: Uint8Array.of(8, 1) },
];
const RICH: RichStatus = {
  code: Status.RESOURCE_EXHAUSTED,
  message: 'no more',
  details: DETAILS,
};

/** What was read, in plain form: maps with and without prototype look alike. */
function plain(status: RichStatus | null): unknown {
  return JSON.parse(
    JSON.stringify(status, (_, value: unknown) =>
      value instanceof Uint8Array ? [...value] : value,
    ),
  );
}

await t.test('every standard detail, there and back', async (t) => {
  const error = richError(RICH);
  t.equal(error.code, RICH.code);
  t.equal(error.details, 'no more');
  t.strictSame(plain(richStatusOf(error)), plain(RICH));
  t.strictSame(findDetail(error, 'google.rpc.RetryInfo'), { retryDelayMs: 2500.5 });
  t.equal(findDetail(error, 'google.rpc.ErrorInfo')?.metadata['zone'], 'eu');
  t.equal(findDetail(new RpcError(5), 'google.rpc.Help'), null);
});

await t.test('field by field as error_details.proto has it', async (t) => {
  const octets = richError(RICH).metadata.get(KEY)!;
  const status = check('Status').toObject(check('Status').decode(octets)) as {
    code: number;
    message: string;
    details: { typeUrl: string; value: Uint8Array }[];
  };
  t.equal(status.code, 8);
  t.equal(status.message, 'no more');
  const found = status.details.slice(0, 10).map(({ typeUrl, value }) => {
    t.match(typeUrl, /^type\.googleapis\.com\/google\.rpc\.\w+$/);
    const type = check(typeUrl.slice(typeUrl.lastIndexOf('.') + 1));
    return type.toObject(type.decode(value), { longs: Number });
  });
  const wanted = DETAILS.slice(0, 10).map((detail) => 'value' in detail && detail.value);
  t.strictSame(JSON.parse(JSON.stringify(found)), [
    ...JSON.parse(JSON.stringify([wanted[0], { retryDelay: { seconds: 2, nanos: 500_500_000 } }])),
    ...JSON.parse(JSON.stringify(wanted.slice(2))),
  ]);
  t.equal(status.details[10]!.typeUrl, 'type.googleapis.com/my.own.Detail');
});

await t.test('thrown by a behaviour, read by the caller', async (t) => {
  const server = await startServer(t, 'test.Shop', {
    Buy: unaryUnaryServiceDescription(
      () => {
        throw richError(RICH, Metadata.from({ 'shop-id': '7' }));
      },
      fromJson<string>,
      toJson,
    ),
  });
  const shop = openStub(
    t,
    'test.Shop',
    { Buy: unaryUnaryInvocationDescription(toJson, fromJson<string>) },
    server,
  );
  const error = (await shop.Buy('x', 10).catch((failure: unknown) => failure)) as RpcError;
  t.ok(error instanceof RpcError);
  t.equal(error.metadata.get('shop-id'), '7');
  t.equal(error.end?.endedBy, 'peer');
  t.equal(error.end?.phase, 'trailers received');
  t.strictSame(plain(richStatusOf(error)), plain(RICH));
});

function received(code: number, octets: Uint8Array | string): RpcError {
  const text = typeof octets === 'string' ? octets : Buffer.from(octets).toString('base64');
  return new RpcError(code, 'as received', ['grpc-status', String(code), KEY, text]);
}

function encoded(type: string, message: object): Uint8Array {
  return check(type)
    .encode(message as Record<string, unknown>)
    .finish();
}

await t.test('C25 what cannot be read, or contradicts the status, is dropped', async (t) => {
  const good = encoded('Status', { code: 5, message: 'm' });
  t.equal(richStatusOf(received(5, good))?.message, 'm');
  t.equal(richStatusOf(received(7, good)), null, 'another code inside');
  for (const octets of ['!!!', 'a', Uint8Array.of(0xff, 0xff), good.subarray(0, good.length - 1)]) {
    t.equal(richStatusOf(received(5, octets)), null);
  }
  t.equal(richStatusOf(received(5, '')), null, 'empty: code 0');
  t.equal(richStatusOf(new RpcError(5)), null);
});

await t.test(
  'a detail that cannot be read, or is of no standard type, comes as octets',
  async (t) => {
    const details = [
      { typeUrl: 'type.googleapis.com/google.rpc.Help', value: Uint8Array.of(0x0a, 0x7f) },
      { typeUrl: 'google.rpc.RequestInfo', value: encoded('RequestInfo', { requestId: 'x' }) },
      { typeUrl: 'https://a.test/b/my.Type', value: Uint8Array.of(1) },
      { typeUrl: 'x/__proto__', value: new Uint8Array(0) },
      { typeUrl: '', value: new Uint8Array(0) },
    ];
    const error = received(5, encoded('Status', { code: 5, details }));
    t.strictSame(plain(richStatusOf(error)), {
      code: 5,
      message: '',
      details: [
        { type: 'google.rpc.Help', octets: [0x0a, 0x7f] },
        { type: 'google.rpc.RequestInfo', value: { requestId: 'x', servingData: '' } },
        { type: 'my.Type', octets: [1] },
        { type: '__proto__', octets: [] },
        { type: '', octets: [] },
      ],
    });
    t.equal(findDetail(error, 'google.rpc.Help'), null);
  },
);

await t.test('F2 map keys from the wire reach no prototype', async (t) => {
  const metadata = Object.fromEntries([
    ['constructor', 'c'],
    ['hasOwnProperty', 'h'],
    ['k', 'v'],
  ]);
  // { "__proto__": "evil" } as a map entry.
  const entry = Uint8Array.of(
    0x1a,
    17,
    0x0a,
    9,
    ...Buffer.from('__proto__'),
    0x12,
    4,
    ...Buffer.from('evil'),
  );
  const value = Buffer.concat([encoded('ErrorInfo', { reason: 'R', metadata }), entry]);
  const details = [{ typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value }];
  const info = findDetail(
    received(5, encoded('Status', { code: 5, details })),
    'google.rpc.ErrorInfo',
  )!;
  t.equal(Object.getPrototypeOf(info.metadata), null);
  t.equal(info.metadata['k'], 'v');
  t.equal(info.metadata['constructor'], 'c');
  t.equal(info.metadata['toString'], undefined);
  t.equal(({} as Record<string, unknown>)['evil'], undefined);
});

await t.test('what does not fit its type is refused by name', async (t) => {
  const status = (detail: unknown): RichStatus => ({
    code: 5,
    message: '',
    details: [detail as StatusDetail],
  });
  const help = { type: 'google.rpc.Help', value: { links: [{ description: 1, url: 'u' }] } };
  t.throws(() => richError(status(help)), /google\.rpc\.Help.*description/);
  for (const retryDelayMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, '1']) {
    const detail = { type: 'google.rpc.RetryInfo', value: { retryDelayMs } };
    t.throws(() => richError(status(detail)), /retryDelayMs must be a number of 0 or more/);
  }
  t.throws(() => richError(status({ type: 'my.Type', value: {} })), /give it as octets/);
  const large = { type: 'my.Type', octets: new Uint8Array(7000) };
  t.throws(() => richError(status(large)), RangeError);
});
