/** What the compiler must accept and must refuse of servers and behaviours. Compiled with the suite, never run. */

import {
  type Abortion,
  type RequestIterator,
  type RpcContext,
  type Server,
  server,
  streamStreamServiceDescription,
  streamUnaryServiceDescription,
  unaryStreamServiceDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';

/** True if both are the same type. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function same<_Check extends true>(): void {}

interface Ask {
  readonly question: string;
}
interface Answer {
  readonly text: string;
}

declare function readAsk(octets: Uint8Array): Ask;
declare function writeAnswer(answer: Answer): Uint8Array;

const answer: Answer = { text: '!' };

/** Behaviours: synchronous, asynchronous, generators, iterables. */
const METHODS = {
  sync: unaryUnaryServiceDescription((_request: Ask) => answer, readAsk, writeAnswer),
  async: unaryUnaryServiceDescription(
    async (request: Ask, context) => {
      same<Same<typeof context, RpcContext>>();
      context.addAbortionCallback((abortion) => same<Same<typeof abortion, Abortion>>());
      return { text: request.question };
    },
    readAsk,
    writeAnswer,
  ),
  array: unaryStreamServiceDescription((_request: Ask) => [answer], readAsk, writeAnswer),
  generator: unaryStreamServiceDescription(
    function* (_request: Ask) {
      yield answer;
    },
    readAsk,
    writeAnswer,
  ),
  asyncGenerator: unaryStreamServiceDescription(
    async function* (_request: Ask) {
      yield answer;
    },
    readAsk,
    writeAnswer,
  ),
  promised: unaryStreamServiceDescription(async (_request: Ask) => [answer], readAsk, writeAnswer),
  collect: streamUnaryServiceDescription(
    async (requests: RequestIterator<Ask>) => {
      for await (const request of requests) same<Same<typeof request, Ask>>();
      return answer;
    },
    readAsk,
    writeAnswer,
  ),
  chat: streamStreamServiceDescription(
    async function* (requests: RequestIterator<Ask>) {
      for await (const request of requests) yield { text: request.question };
    },
    readAsk,
    writeAnswer,
  ),
} as const;

export async function servers(): Promise<void> {
  const one = server('test.Echo', METHODS, 50_051, { limits: { maxConcurrentStreams: 10 } });
  same<Same<typeof one, Server>>();
  same<Same<Awaited<ReturnType<typeof one.start>>, Server>>();
  const several = server({ 'test.A': METHODS, 'test.B': METHODS }, 0);
  same<Same<typeof several, Server>>();
  server(new Map([['test.A', METHODS]]), 0, { host: 'localhost' });
  await using _stopping = await one.start();
  // @ts-expect-error a port is required
  server('test.Echo', METHODS);
  // @ts-expect-error a number
  server('test.Echo', METHODS, '50051');
  // @ts-expect-error no description
  server('test.Echo', { Say: () => answer }, 0);
  // @ts-expect-error no such limit
  server('test.Echo', METHODS, 0, { limits: { maxStreams: 1 } });
  // @ts-expect-error seconds
  await one.stop('1');
}

export function mistakes(): void {
  // @ts-expect-error the behaviour gives what the serializer does not take
  unaryUnaryServiceDescription((_request: Ask) => 7, readAsk, writeAnswer);
  // @ts-expect-error the behaviour takes what the deserializer does not give
  unaryUnaryServiceDescription((_request: number) => answer, readAsk, writeAnswer);
  // @ts-expect-error no iterable
  unaryStreamServiceDescription((_request: Ask) => answer, readAsk, writeAnswer);
  const writeText = (_answer: Answer): string => 'text';
  // @ts-expect-error no octets
  unaryUnaryServiceDescription((_request: Ask) => answer, readAsk, writeText);
}

export function context(given: RpcContext): void {
  same<Same<ReturnType<RpcContext['timeRemaining']>, number>>();
  // @ts-expect-error codes are numbers
  given.setStatus('NOT_FOUND');
  // @ts-expect-error no member of the original or of purewire
  given.cancel();
  same<Same<ReturnType<RpcContext['abort']>, never>>();
}
