/** grpc.health.v1: Check, Watch and List (grpc/grpc doc/health-checking.md, gRFC A90), and the functions that ask. */

import { type RpcContext, RpcError, type Server, Status, server, stub } from '../../lib/index.ts';
import { healthDefinition } from '../../lib/services/health-definition.ts';
import {
  HealthService,
  healthCheck,
  listServices,
  ServingStatus,
  watchHealth,
} from '../../lib/services/index.ts';
import { t } from '../support/tap.ts';

const HOST = '127.0.0.1';

async function serve(health: HealthService): Promise<Server> {
  const running = await server(health.services(), 0, { host: HOST }).start();
  t.teardown(async () => {
    if (!stopped.has(running)) await running.stop(0);
  });
  return running;
}

const stopped = new Set<Server>();

async function stop(running: Server, graceSeconds?: number): Promise<void> {
  stopped.add(running);
  await running.stop(graceSeconds);
}

/** The code that a promise is rejected with. */
async function codeOf(promise: Promise<unknown>): Promise<number | null> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RpcError) return error.code;
    throw error;
  }
  return null;
}

await t.test(
  'Check: the server as a whole serves, other names are unknown until set',
  async (t) => {
    const health = new HealthService();
    const port = (await serve(health)).port();
    t.equal(await healthCheck(HOST, port), ServingStatus.SERVING);
    t.equal(await healthCheck(HOST, port, 'demo.Files'), ServingStatus.SERVICE_UNKNOWN);
    health.setStatus('demo.Files', ServingStatus.NOT_SERVING);
    t.equal(await healthCheck(HOST, port, 'demo.Files'), ServingStatus.NOT_SERVING);
    health.setStatus('demo.Files', ServingStatus.UNKNOWN);
    t.equal(await healthCheck(HOST, port, 'demo.Files'), ServingStatus.UNKNOWN);
    health.clearStatus('demo.Files');
    t.equal(await healthCheck(HOST, port, 'demo.Files'), ServingStatus.SERVICE_UNKNOWN);
    t.equal(await healthCheck(HOST, port), ServingStatus.SERVING);
  },
);

await t.test('Check of an unknown service ends with NOT_FOUND on the wire', async (t) => {
  const { name, invocationDescriptions } = healthDefinition();
  const port = (await serve(new HealthService())).port();
  const raw = stub(name, invocationDescriptions(), HOST, port).open();
  t.equal(await codeOf(raw.Check({ service: 'no.Such' }, 10)), Status.NOT_FOUND);
  await raw.close();
});

await t.test('List: every status by name; more than a hundred are refused', async (t) => {
  const health = new HealthService();
  const { name, invocationDescriptions } = healthDefinition();
  const raw = stub(name, invocationDescriptions(), HOST, (await serve(health)).port()).open();
  health.setStatus('a.B', ServingStatus.NOT_SERVING);
  const { statuses } = await raw.List({}, 10);
  t.strictSame({ ...statuses }, { '': { status: 'SERVING' }, 'a.B': { status: 'NOT_SERVING' } });
  for (let n = 0; n < 98; n += 1) health.setStatus(`s${n}`, ServingStatus.SERVING);
  t.equal(Object.keys((await raw.List({}, 10)).statuses).length, 100);
  health.setStatus('one.more', ServingStatus.SERVING);
  t.equal(await codeOf(raw.List({}, 10)), Status.RESOURCE_EXHAUSTED);
  await raw.close();
});

await t.test('Watch: the status at once, then each change, and no repetition', async (t) => {
  const health = new HealthService();
  const port = (await serve(health)).port();
  const seen: ServingStatus[] = [];
  const watch = watchHealth(HOST, port, 'demo.Files');
  const take = async (): Promise<void> => {
    const { value } = await watch.next();
    seen.push(value as ServingStatus);
  };
  await take();
  health.setStatus('other', ServingStatus.SERVING);
  health.setStatus('demo.Files', ServingStatus.SERVING);
  await take();
  health.setStatus('demo.Files', ServingStatus.SERVING);
  health.setStatus('demo.Files', ServingStatus.NOT_SERVING);
  await take();
  health.clearStatus('demo.Files');
  await take();
  t.strictSame(seen, ['SERVICE_UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']);
  await watch.return();
});

await t.test('Watch: a slow watcher hears the latest, and nothing it knows already', async (t) => {
  const health = new HealthService();
  const { Watch } = health.services()['grpc.health.v1.Health']!;
  const context = { addAbortionCallback(): void {} } as unknown as RpcContext;
  const responses = Watch!.serviceUnaryStream({ service: '' }, context);
  const watch = (responses as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  t.strictSame(await watch.next(), { done: false, value: { status: 'SERVING' } });
  health.setStatus('', ServingStatus.NOT_SERVING);
  health.setStatus('', ServingStatus.SERVING);
  const next = watch.next();
  health.setStatus('', ServingStatus.UNKNOWN);
  t.strictSame(await next, { done: false, value: { status: 'UNKNOWN' } }, 'SERVING is old news');
  health.setStatus('', ServingStatus.SERVING);
  health.setStatus('', ServingStatus.NOT_SERVING);
  t.strictSame(await watch.next(), { done: false, value: { status: 'NOT_SERVING' } });
  const last = watch.next();
  await watch.return?.();
  t.strictSame(await last, { done: true, value: undefined }, 'leaving ends the wait');
});

await t.test('Watch: two watchers of one service, one leaves', async (t) => {
  const health = new HealthService();
  const port = (await serve(health)).port();
  const [first, second] = [watchHealth(HOST, port), watchHealth(HOST, port)];
  t.equal((await first.next()).value, 'SERVING');
  t.equal((await second.next()).value, 'SERVING');
  await first.return();
  health.setStatus('', ServingStatus.NOT_SERVING);
  t.equal((await second.next()).value, 'NOT_SERVING');
  await second.return();
});

await t.test(
  'shutdown: watchers hear NOT_SERVING and end, so that a graceful stop ends',
  async (t) => {
    const health = new HealthService();
    health.setStatus('demo.Files', ServingStatus.SERVING);
    const running = await serve(health);
    const watch = watchHealth(HOST, running.port(), 'demo.Files');
    t.equal((await watch.next()).value, 'SERVING');
    health.shutdown();
    t.equal((await watch.next()).value, 'NOT_SERVING');
    t.equal(await codeOf(watch.next()), Status.UNAVAILABLE);
    health.setStatus('demo.Files', ServingStatus.SERVING);
    t.equal(health.status('demo.Files'), ServingStatus.NOT_SERVING, 'nothing changes it now');
    t.equal(await healthCheck(HOST, running.port()), ServingStatus.NOT_SERVING);
    health.resume();
    t.equal(await healthCheck(HOST, running.port(), 'demo.Files'), ServingStatus.SERVING);
    health.shutdown();
    await stop(running);
  },
);

await t.test('a server without the services: UNIMPLEMENTED', async (t) => {
  const running = await server({}, 0, { host: HOST }).start();
  const port = running.port();
  t.equal(await codeOf(healthCheck(HOST, port)), Status.UNIMPLEMENTED);
  t.equal(await codeOf(watchHealth(HOST, port).next()), Status.UNIMPLEMENTED);
  t.equal(await codeOf(listServices(HOST, port)), Status.UNIMPLEMENTED);
  await running.stop(0);
  t.equal(await codeOf(healthCheck(HOST, port)), Status.UNAVAILABLE, 'and nobody there');
});

await t.test('what cannot be set is refused', async (t) => {
  const health = new HealthService();
  t.throws(() => health.setStatus('x', 'FINE' as ServingStatus), TypeError);
  t.throws(() => health.setStatus('x', ServingStatus.SERVICE_UNKNOWN), TypeError);
  t.throws(() => health.setStatus(5 as unknown as string, ServingStatus.SERVING), TypeError);
  health.setStatus('__proto__', ServingStatus.NOT_SERVING);
  t.equal(health.status('__proto__'), ServingStatus.NOT_SERVING);
  t.equal(health.status('toString'), ServingStatus.SERVICE_UNKNOWN);
});

await t.test('watchHealth: return() ends it while next() waits; throw() too', async (t) => {
  const health = new HealthService();
  const running = await serve(health);
  for (const leave of ['return', 'throw', 'dispose'] as const) {
    const watch = watchHealth(HOST, running.port());
    await watch.next();
    const waiting = watch.next();
    if (leave === 'return') t.strictSame(await watch.return(), { value: undefined, done: true });
    else if (leave === 'dispose') await watch[Symbol.asyncDispose]();
    else await t.rejects(watch.throw(new RangeError('mine')), RangeError);
    t.equal((await waiting).done, true, leave);
    t.equal((await watch.next()).done, true);
  }
  // Only now, with every stub closed, can a stop without grace time end.
  await stop(running);
});

await t.test(
  'watchHealth: a timeout that is none is told at each next(), and holds nothing',
  async (t) => {
    const running = await serve(new HealthService());
    const watch = watchHealth(HOST, running.port(), '', { timeout: Number.NaN });
    for (let tries = 0; tries < 2; tries++) {
      await t.rejects(watch.next(), { name: 'TypeError', message: /^timeout must be a number/ });
    }
    t.strictSame(await watch.return(), { value: undefined, done: true });
    await stop(running);
  },
);

await t.test('an AbortSignal ends every function that asks', async (t) => {
  const running = await serve(new HealthService());
  const aborted = { signal: AbortSignal.abort() };
  t.equal(await codeOf(healthCheck(HOST, running.port(), '', aborted)), Status.CANCELLED);
  t.equal(await codeOf(listServices(HOST, running.port(), aborted)), Status.CANCELLED);
  const controller = new AbortController();
  const watch = watchHealth(HOST, running.port(), '', { signal: controller.signal });
  t.equal((await watch.next()).value, 'SERVING');
  const waiting = watch.next();
  controller.abort();
  t.equal(await codeOf(waiting), Status.CANCELLED);
  await stop(running);
});
