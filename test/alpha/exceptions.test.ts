import {
  ABORTION_OF_CALL,
  CancellationError,
  ERROR_OF_STATUS,
  ExpirationError,
  RpcError,
  rpcErrorOfAbortion,
  rpcErrorOfStatus,
  STATUS_OF_ABORTION,
} from '../../lib/alpha/exceptions.ts';
import { CancelledError, TimeoutError } from '../../lib/alpha/future.ts';
import { Abortion } from '../../lib/alpha/interfaces.ts';
import { RpcError as CoreRpcError } from '../../lib/rpc-error.ts';
import { Status } from '../../lib/status.ts';
import { t } from '../support/tap.ts';

await t.test('RpcError is the one class of the core, and the base of both others', async (t) => {
  t.equal(RpcError, CoreRpcError);
  for (const error of [new CancellationError('why'), new ExpirationError('why')]) {
    t.ok(error instanceof RpcError);
    t.ok(error instanceof Error);
    t.equal(error.details, 'why');
    t.equal(error.metadata.size, 0);
  }
  t.equal(new CancellationError().code, Status.CANCELLED);
  t.equal(new CancellationError().name, 'CancellationError');
  t.equal(new ExpirationError().code, Status.DEADLINE_EXCEEDED);
  t.equal(new ExpirationError().name, 'ExpirationError');
  t.match(String(new ExpirationError('late')), /^ExpirationError: DEADLINE_EXCEEDED: late$/);
});

await t.test('CancelledError and TimeoutError of the Future are not RpcErrors', async (t) => {
  for (const error of [new CancelledError(), new TimeoutError()]) {
    t.ok(error instanceof Error);
    t.notOk(error instanceof RpcError);
  }
  t.equal(new CancelledError().name, 'CancelledError');
  t.equal(new TimeoutError().name, 'TimeoutError');
});

await t.test(
  'every status has its error class, with code, details, metadata and cause',
  async (t) => {
    const cause = new Error('behind it');
    for (const code of [...Object.values(Status).filter((code) => code !== 0), 42]) {
      const error = rpcErrorOfStatus({
        code,
        message: 'because',
        trailers: ['grpc-status', String(code), 'x-key', 'value'],
        cause,
      });
      const wanted =
        code === Status.CANCELLED
          ? CancellationError
          : code === Status.DEADLINE_EXCEEDED
            ? ExpirationError
            : RpcError;
      t.equal(error.constructor, wanted, `status ${code}`);
      t.equal(error.code, code);
      t.equal(error.details, 'because');
      t.equal(error.metadata.get('x-key'), 'value');
      t.notOk(error.metadata.has('grpc-status'));
      t.equal(error.cause, cause);
    }
    t.strictSame(
      [...ERROR_OF_STATUS.keys()],
      [Status.CANCELLED, Status.DEADLINE_EXCEEDED],
      'only two statuses have a class of their own',
    );
  },
);

await t.test('two looks at one status give two errors', async (t) => {
  const status = { code: Status.CANCELLED, message: '', trailers: [], cause: undefined };
  t.not(rpcErrorOfStatus(status), rpcErrorOfStatus(status));
});

await t.test('abortions of the engine, their alpha names and their statuses', async (t) => {
  t.strictSame(ABORTION_OF_CALL, {
    cancelled: Abortion.CANCELLED,
    expired: Abortion.EXPIRED,
    network: Abortion.NETWORK_FAILURE,
  });
  t.strictSame(STATUS_OF_ABORTION, {
    cancelled: Status.CANCELLED,
    expired: Status.DEADLINE_EXCEEDED,
    'network failure': Status.INTERNAL,
    'serviced failure': Status.UNKNOWN,
    'servicer failure': Status.UNKNOWN,
  });
  t.equal(rpcErrorOfAbortion(Abortion.CANCELLED, undefined).constructor, CancellationError);
  t.equal(rpcErrorOfAbortion(Abortion.EXPIRED, undefined).constructor, ExpirationError);
  const failure = rpcErrorOfAbortion(Abortion.NETWORK_FAILURE, 'why');
  t.equal(failure.constructor, RpcError);
  t.equal(failure.code, Status.INTERNAL);
  t.equal(failure.cause, 'why');
});
