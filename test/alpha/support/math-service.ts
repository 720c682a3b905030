/** The service `math.Math` of the original's tests: Div, DivMany, Fib, Sum. */

import {
  type Cardinality,
  type RpcMethodInvocationDescription,
  type ServiceMethods,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../../lib/index.ts';
import { fromJson, toJson } from './loopback.ts';

export const MATH = 'math.Math';

export interface DivArgs {
  readonly dividend: number;
  readonly divisor: number;
}

export interface DivReply {
  readonly quotient: number;
  readonly remainder: number;
}

export interface FibArgs {
  readonly limit: number;
}

function divide({ dividend, divisor }: DivArgs): DivReply {
  return { quotient: Math.floor(dividend / divisor), remainder: dividend % divisor };
}

function* fibonacci({ limit }: FibArgs): Generator<number> {
  let [current, next] = [0, 1];
  for (let i = 0; i < limit; i++) {
    yield current;
    [current, next] = [next, (current + next) % 1e9];
  }
}

export const MATH_SERVICE: ServiceMethods = {
  Div: unaryUnaryServiceDescription(divide, fromJson<DivArgs>, toJson),
  DivMany: streamStreamServiceDescription(
    async function* (requests) {
      for await (const request of requests) yield divide(request);
    },
    fromJson<DivArgs>,
    toJson,
  ),
  Fib: unaryStreamServiceDescription(fibonacci, fromJson<FibArgs>, toJson),
  Sum: streamUnaryServiceDescription(
    async (requests) => {
      let sum = 0;
      for await (const request of requests) sum += request;
      return sum;
    },
    fromJson<number>,
    toJson,
  ),
};

type Invocation<Request, Response, Kind extends Cardinality> = RpcMethodInvocationDescription<
  Request,
  Response,
  Kind
>;

export const MATH_METHODS: {
  readonly Div: Invocation<DivArgs, DivReply, typeof Cardinality.UNARY_UNARY>;
  readonly DivMany: Invocation<DivArgs, DivReply, typeof Cardinality.STREAM_STREAM>;
  readonly Fib: Invocation<FibArgs, number, typeof Cardinality.UNARY_STREAM>;
  readonly Sum: Invocation<number, number, typeof Cardinality.STREAM_UNARY>;
} = {
  Div: unaryUnaryInvocationDescription<DivArgs, DivReply>(toJson, fromJson),
  DivMany: streamStreamInvocationDescription<DivArgs, DivReply>(toJson, fromJson),
  Fib: unaryStreamInvocationDescription<FibArgs, number>(toJson, fromJson),
  Sum: streamUnaryInvocationDescription<number, number>(toJson, fromJson),
};
