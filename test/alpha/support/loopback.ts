/** Real servers and stubs over loopback TCP for the ported scenarios. Values travel as JSON. */

import {
  type InvocationMethods,
  type Server,
  type ServerOptions,
  type ServiceMethods,
  type Stub,
  type StubOptions,
  server,
  stub,
} from '../../../lib/index.ts';
import type { TestContext } from '../../support/tap.ts';
import { octetsOf, text } from './fake-channel.ts';

/** Serializer of any JSON value. */
export function toJson(value: unknown): Uint8Array {
  return octetsOf(JSON.stringify(value));
}

/** Deserializer of JSON. */
export function fromJson<Value>(octets: Uint8Array): Value {
  return JSON.parse(text(octets)) as Value;
}

/** A started server on a free loopback port; it is stopped at the end of the test. */
export async function startServer(
  t: TestContext,
  serviceName: string,
  methods: ServiceMethods,
  options: ServerOptions = {},
): Promise<Server> {
  const started = server(serviceName, methods, 0, { host: '127.0.0.1', ...options });
  await started.start();
  t.teardown(async () => {
    // Whatever a failed test left behind must not hold up the others.
    await started.stop(0).catch(() => {});
  });
  return started;
}

/** An open stub to `to`; it is closed at the end of the test, if the test did not. */
export function openStub<Methods extends InvocationMethods>(
  t: TestContext,
  serviceName: string,
  methods: Methods,
  to: Server,
  options: StubOptions = {},
): Stub<Methods> {
  const opened = stub(serviceName, methods, '127.0.0.1', to.port(), options).open();
  t.teardown(() => opened[Symbol.asyncDispose]());
  return opened;
}

/** A promise settled from outside. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** All values of an async iterable. */
export async function collect<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}
