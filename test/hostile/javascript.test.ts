/** JavaScript's own traps (security reference, section 1.6), where other tests do not stand on them already. */

import { MessageQueue } from '../../lib/call/message-queue.ts';
import { Metadata, metadataOfHeaders } from '../../lib/metadata.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { createMemoryChannel } from '../../lib/testing/memory-channel.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { countingObserver, TripCounters } from '../../transport/trip-counters.ts';
import { callOptions, startUnary, withTimeout } from '../support/client-calls.ts';
import { ECHO, EchoService } from '../support/echo-service.ts';
import { t } from '../support/tap.ts';
import { message } from './octets.ts';

const NAMES = [
  '__proto__',
  'constructor',
  'tostring',
  'hasownproperty',
  'prototype',
  'valueof',
  '0',
  '-1',
];

await t.test('F1 metadata named like inherited properties is data', async (t) => {
  const metadata = new Metadata();
  for (const name of NAMES) metadata.append(name, `value of ${name}`);
  const copy = metadataOfHeaders(metadata.toHeaderList());
  t.strictSame([...copy.keys()].sort(), [...NAMES].sort());
  for (const name of NAMES) t.strictSame(copy.getAll(name), [`value of ${name}`]);
  t.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
  t.equal(({} as Record<string, unknown>)['x'], undefined);
});

await t.test('F1 the echo of such metadata leaves no trace on Object.prototype', async (t) => {
  const before = Object.getOwnPropertyNames(Object.prototype).sort();
  const server = new GrpcServer();
  server.addMethods(new EchoService().methods);
  const channel = createMemoryChannel(server);
  const metadata = new Metadata();
  for (const name of NAMES) metadata.append(name, 'polluted');
  const { outcome } = startUnary(
    channel,
    ECHO,
    new Uint8Array(1),
    callOptions({ metadata: metadata.toHeaderList() }),
  );
  t.equal((await outcome).status.code, 0);
  t.strictSame(Object.getOwnPropertyNames(Object.prototype).sort(), before);
  await channel.closeNow();
  await server.closeNow();
});

await t.test('F2 the table of methods has no inherited entries', async (t) => {
  const server = new GrpcServer();
  const { MethodTable } = await import('../../lib/server/method-table.ts');
  const table = new MethodTable();
  table.add(new EchoService().methods);
  for (const path of ['/__proto__/x', '__proto__', 'constructor', '/test.Echo/constructor']) {
    t.equal(table.lookup(path), null, path);
  }
  await server.closeNow();
});

await t.test('E8 deadlines of months and of ever do not fire, and give no warning', async (t) => {
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => {
    warnings.push(warning.name);
  };
  process.on('warning', onWarning);
  const server = new GrpcServer();
  server.addMethods(new EchoService().methods);
  const channel = createMemoryChannel(server);
  for (const timeoutMs of [3e9, 2 ** 31, 2 ** 31 - 1, 1e15, Number.POSITIVE_INFINITY]) {
    const { status } = await startUnary(channel, ECHO, new Uint8Array(1), withTimeout(timeoutMs))
      .outcome;
    t.equal(status.code, 0, `${timeoutMs} ms`);
  }
  const timer = systemClock.setTimer(2 ** 31, () => t.fail('fired'), false);
  await new Promise((resolve) => setTimeout(resolve, 30));
  timer.cancel();
  await channel.closeNow();
  await server.closeNow();
  process.off('warning', onWarning);
  t.strictSame(warnings, []);
});

await t.test('F10 a message that waits does not keep its read buffer', async (t) => {
  const read = new Uint8Array(65_536);
  const small = message('s'.repeat(300));
  read.set(small, 1000);
  read.set(small, 9000);
  const queue = new MessageQueue(4_194_304);
  queue.push(read, 1000, 1000 + small.length);
  queue.push(read, 9000, 9000 + small.length);
  queue.compact();
  for (let i = 0; i < 2; i++) {
    const { chunk, start, end } = queue;
    t.ok(chunk !== null && chunk.buffer.byteLength < 16_384, 'a small buffer');
    t.equal(new TextDecoder().decode(chunk!.subarray(start, end)), 's'.repeat(300));
    queue.shift();
    queue.compact();
  }
});

await t.test('counters: tokens named like inherited properties count like others', async (t) => {
  const counters = new TripCounters();
  for (const name of NAMES) counters.count(name);
  counters.count('__proto__');
  t.equal(counters.of('__proto__'), 2);
  t.equal(counters.of('toString'), 0);
  const heard: string[] = [];
  const observer = countingObserver(counters, {
    onProtocolError: (_streamId, _errorCode, token) => heard.push(token),
  });
  observer.onProtocolError?.(0, 11, 'too_many_resets');
  t.strictSame(heard, ['too_many_resets']);
  t.equal(counters.snapshot().get('too_many_resets'), 1);
});
