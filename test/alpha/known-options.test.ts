/** Misspelt options: every function that takes an object of options refuses a name that is none, before it does anything else. */

import {
  blockingStub,
  edge,
  type RpcOptions,
  type StubOptions,
  server,
  stub,
} from '../../lib/index.ts';
import { assertKnownOptions, type KnownOptions } from '../../lib/known-options.ts';
import {
  loadRoot,
  loadRootAsync,
  loadService,
  loadServiceAsync,
} from '../../lib/protobuf/index.ts';
import { describe, healthCheck, listServices, watchHealth } from '../../lib/services/index.ts';
import { memoryStub } from '../../lib/testing/index.ts';
import { t } from '../support/tap.ts';
import { MATH, MATH_METHODS, MATH_SERVICE } from './support/math-service.ts';

const TIMEOUT = 30;
const HOST = '127.0.0.1';
const PROTO = {
  text: 'syntax = "proto3"; package a; message M {} service S { rpc R(M) returns (M); }',
};

/** What a program without types gives. */
function options(given: object): never {
  return given as never;
}

/** What `act` throws. */
function refusal(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return null;
}

function typeError(message: string): { name: string; message: string } {
  return { name: 'TypeError', message };
}

/** The message of the TypeError that `act` throws. */
function message(act: () => unknown): string | null {
  const error = refusal(act);
  return error instanceof TypeError ? error.message : null;
}

await t.test('stub: a misspelt secure is refused, and opens no plaintext connection', async (t) => {
  t.throws(
    () => stub(MATH, MATH_METHODS, HOST, 1, options({ sercure: true })),
    typeError('unknown option "sercure" for stub(): did you mean "secure"?'),
  );
});

await t.test('stub: every kind of option, inner ones included', async (t) => {
  const refused = (given: object): string | null =>
    message(() => stub(MATH, MATH_METHODS, HOST, 1, options(given)));
  for (const [given, unknown, meant] of [
    [{ rootCertificate: null }, 'rootCertificate', 'rootCertificates'],
    [{ privatekey: null }, 'privatekey', 'privateKey'],
    [{ keepAliveWithoutCalls: true }, 'keepAliveWithoutCalls', 'keepaliveWithoutCalls'],
    [{ connectTimeoutMs: 5 }, 'connectTimeoutMs', 'connectTimeout'],
    [{ interceptor: [] }, 'interceptor', 'interceptors'],
    [{ keepaliveTimeMs: 20_000 }, 'keepaliveTimeMs', 'limits.keepaliveTimeMs'],
    [{ limits: { keepAliveTimeMs: 1 } }, 'limits.keepAliveTimeMs', 'limits.keepaliveTimeMs'],
    [{ backoff: { initalMs: 1 } }, 'backoff.initalMs', 'backoff.initialMs'],
    [{ backoff: { secure: true } }, 'backoff.secure', 'secure'],
    [{ secrue: undefined }, 'secrue', 'secure'],
  ] as const) {
    t.equal(refused(given), `unknown option "${unknown}" for stub(): did you mean "${meant}"?`);
  }
});

await t.test('stub: where no option is spelt like it, there is a list of them', async (t) => {
  t.equal(
    message(() => stub(MATH, MATH_METHODS, HOST, 1, options({ backoff: { x: 1 } }))),
    'unknown option "backoff.x" for stub(); there is backoff.initialMs, backoff.multiplier, backoff.maxMs, backoff.jitter, backoff.random',
  );
  t.equal(
    message(() => stub(MATH, MATH_METHODS, HOST, 1, options({ limits: { x: 1 } }))),
    'unknown option "limits.x" for stub()',
  );
});

await t.test('options that are no object are refused', async (t) => {
  for (const [given, what] of [
    [null, 'null'],
    [5, 'number'],
    [true, 'boolean'],
  ] as const) {
    t.equal(
      message(() => stub(MATH, MATH_METHODS, HOST, 1, given as never)),
      `the options for stub() must be an object, got ${what}`,
    );
  }
});

await t.test('known options may be undefined, inherited, or those of a preset', async (t) => {
  const all: StubOptions = { secure: undefined, limits: undefined, backoff: undefined };
  t.equal(
    refusal(() => stub(MATH, MATH_METHODS, HOST, 1, all)),
    null,
  );
  t.equal(
    refusal(() => stub(MATH, MATH_METHODS, HOST, 1, { limits: edge, backoff: {} })),
    null,
  );
  t.equal(
    refusal(() => stub(MATH, MATH_METHODS, HOST, 1, options(Object.create({ secure: false })))),
    null,
  );
  t.throws(
    () => stub(MATH, MATH_METHODS, HOST, 1, options(Object.create({ sercure: true }))),
    typeError('unknown option "sercure" for stub(): did you mean "secure"?'),
  );
  t.equal(
    refusal(() => server(MATH, MATH_SERVICE, 0, { limits: edge, host: undefined })),
    null,
  );
});

await t.test('names of Object.prototype are options of nobody', async (t) => {
  const make = (given: object): unknown => stub(MATH, MATH_METHODS, HOST, 1, options(given));
  for (const name of ['constructor', 'toString', '__proto__']) {
    const own = Object.defineProperty({}, name, { value: 1, enumerable: true });
    t.match(message(() => make(own)) ?? '', new RegExp(`^unknown option "${name}" for stub\\(\\)`));
  }
  // Some other library of the program did this; it is not the fault of the call.
  Object.defineProperty(Object.prototype, 'polluted', {
    value: 1,
    enumerable: true,
    configurable: true,
  });
  try {
    t.equal(
      refusal(() => make({ limits: {}, backoff: {} })),
      null,
    );
  } finally {
    delete (Object.prototype as { polluted?: number }).polluted;
  }
});

await t.test('blockingStub', async (t) => {
  t.throws(
    () => blockingStub(MATH, MATH_METHODS, HOST, 1, options({ secured: true })),
    typeError('unknown option "secured" for blockingStub(): did you mean "secure"?'),
  );
  t.throws(
    () => blockingStub(MATH, MATH_METHODS, HOST, 1, options({ interceptors: [() => null] })),
    /a blocking stub has none/,
  );
  const shared: StubOptions = { interceptors: [] };
  t.equal(
    refusal(() => blockingStub(MATH, MATH_METHODS, HOST, 1, shared)),
    null,
  );
});

await t.test('server, of one service and of several', async (t) => {
  t.throws(
    () => server(MATH, MATH_SERVICE, 0, options({ clientCertificate: 'require' })),
    typeError(
      'unknown option "clientCertificate" for server(): did you mean "clientCertificates"?',
    ),
  );
  t.throws(
    () => server({ [MATH]: MATH_SERVICE }, 0, options({ limits: { maxConcurentStreams: 5 } })),
    typeError(
      'unknown option "limits.maxConcurentStreams" for server(): did you mean "limits.maxConcurrentStreams"?',
    ),
  );
  t.throws(
    () => server(MATH, MATH_SERVICE, 0, options({ maxReceiveMessageOctets: 5 })),
    typeError(
      'unknown option "maxReceiveMessageOctets" for server(): did you mean "limits.maxReceiveMessageOctets"?',
    ),
  );
});

await t.test('memoryStub', async (t) => {
  const make = (given: object): unknown =>
    memoryStub(MATH, MATH_METHODS, MATH_SERVICE, options(given));
  t.throws(
    () => make({ serverInterceptor: [] }),
    typeError(
      'unknown option "serverInterceptor" for memoryStub(): did you mean "serverInterceptors"?',
    ),
  );
  t.throws(
    () => make({ serverLimits: { maxHeaderField: 1 } }),
    /"serverLimits.maxHeaderField" for memoryStub\(\): did you mean "serverLimits.maxHeaderFields"\?/,
  );
});

await t.test('the options of an RPC, whatever its cardinality', async (t) => {
  const math = memoryStub(MATH, MATH_METHODS, MATH_SERVICE).open();
  const given = { timeout: TIMEOUT, waitForReaddy: true } as RpcOptions;
  const told = (method: string): { name: string; message: string } =>
    typeError(
      `unknown option "waitForReaddy" for /math.Math/${method}: did you mean "waitForReady"?`,
    );
  t.throws(() => math.Div({ dividend: 4, divisor: 2 }, given), told('Div'));
  t.throws(() => math.Div.async({ dividend: 4, divisor: 2 }, given), told('Div'));
  t.throws(() => math.Sum([1], given), told('Sum'));
  t.throws(() => math.Fib({ limit: 1 }, given), told('Fib'));
  t.throws(() => math.DivMany([], given), told('DivMany'));
  t.throws(
    () => math.Sum([1], options({ timeoutMs: 5 })),
    typeError('unknown option "timeoutMs" for /math.Math/Sum: did you mean "timeout"?'),
  );
  const all: RpcOptions = {
    timeout: TIMEOUT,
    signal: undefined,
    metadata: undefined,
    waitForReady: undefined,
    compression: undefined,
    compressRequest: undefined,
    propagate: undefined,
    onInitialMetadata: undefined,
    onTrailingMetadata: undefined,
  };
  t.equal(await math.Sum([1, 2], all), 3);
  await math.close();
});

await t.test('the options of an RPC with interceptors', async (t) => {
  const math = memoryStub(MATH, MATH_METHODS, MATH_SERVICE, {
    interceptors: [(_rpc, next) => next()],
  }).open();
  t.throws(
    () => math.Sum([1], options({ timeout: 5, sginal: null })),
    typeError('unknown option "sginal" for /math.Math/Sum: did you mean "signal"?'),
  );
  await math.close();
});

await t.test('the options of a blocking RPC', async (t) => {
  const math = blockingStub(MATH, MATH_METHODS, HOST, 1).open();
  t.throws(
    () => math.Sum([1], options({ timeout: 5, sginal: null })),
    typeError('unknown option "sginal" for /math.Math/Sum: did you mean "signal"?'),
  );
  await math.close();
});

await t.test('loadService and loadRoot', async (t) => {
  t.throws(
    () => loadService(PROTO, 'a.S', options({ keepcase: true })),
    typeError('unknown option "keepcase" for loadService(): did you mean "keepCase"?'),
  );
  t.throws(
    () => loadService(PROTO, 'a.S', options({ toObjekt: {} })),
    typeError('unknown option "toObjekt" for loadService(): did you mean "toObject"?'),
  );
  t.throws(
    () => loadService(PROTO, 'a.S', options({ longs: String })),
    typeError(
      'unknown option "longs" for loadService(); there is includeDirs, keepCase, toObject, unchecked, maxMessageDepth',
    ),
  );
  t.equal(
    refusal(() => loadService(PROTO, 'a.S', options({ toObject: { ofLaterVersions: true } }))),
    null,
    'what is in toObject is for protobufjs to know',
  );
  await t.rejects(
    loadServiceAsync(PROTO, 'a.S', options({ includeDir: [] })),
    typeError('unknown option "includeDir" for loadServiceAsync(): did you mean "includeDirs"?'),
  );
  t.throws(
    () => loadRoot(PROTO, options({ includedDirs: [] })),
    typeError('unknown option "includedDirs" for loadRoot(): did you mean "includeDirs"?'),
  );
  await t.rejects(
    loadRootAsync(PROTO, options({ unchecked: true })),
    typeError('unknown option "unchecked" for loadRootAsync(); there is includeDirs, keepCase'),
  );
  t.equal(
    refusal(() =>
      loadService(PROTO, 'a.S', { keepCase: true, toObject: { longs: String }, unchecked: false }),
    ),
    null,
  );
});

await t.test('the methods told of a static module', async (t) => {
  const methods = { R: { request: 'a.M', response: 'a.M', requestStreaming: true } };
  t.throws(
    () => loadService({ module: {}, methods } as never, 'a.S'),
    typeError(
      'unknown option "requestStreaming" for methods.R of the static module: did you mean "requestStream"?',
    ),
  );
});

await t.test('health and reflection of other servers', async (t) => {
  const given = options({ timeuot: 1 });
  const told = (place: string): { name: string; message: string } =>
    typeError(`unknown option "timeuot" for ${place}(): did you mean "timeout"?`);
  await t.rejects(healthCheck(HOST, 1, '', given), told('healthCheck'));
  await t.rejects(listServices(HOST, 1, given), told('listServices'));
  await t.rejects(describe(HOST, 1, 'a.S', given), told('describe'));
  t.throws(() => watchHealth(HOST, 1, '', given), told('watchHealth'));
});

await t.test('a long name costs no time', async (t) => {
  t.throws(
    () => assertKnownOptions({ ['a'.repeat(1_000_000)]: 1 }, { a: true }, 'it'),
    /; there is a$/,
  );
});

await t.test('the compiler refuses a table that is not that of the interface', async (t) => {
  interface Two {
    readonly one?: number;
    readonly two: number | undefined;
  }
  const whole: KnownOptions<Two> = { one: true, two: true };
  // @ts-expect-error: an option of the interface is missing.
  const short: KnownOptions<Two> = { one: true };
  // @ts-expect-error: one that is none.
  const long: KnownOptions<Two> = { one: true, two: true, three: true };
  t.strictSame(
    [whole, short, long].map((table) => Object.keys(table).length),
    [2, 1, 3],
  );
});
