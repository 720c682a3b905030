/**
 * What the compiler must accept and must refuse of stubs. Compiled with the suite, never run: each `@ts-expect-error` is a mistake that has
 * to stay a compile error.
 */

import {
  type BlockingCancellableIterator,
  type BlockingStub,
  blockingStub,
  type CancellableIterator,
  type Future,
  type Metadata,
  type RpcMethodInvocationDescription,
  type RpcOptions,
  type Stub,
  streamStreamInvocationDescription,
  streamUnaryInvocationDescription,
  stub,
  unaryStreamInvocationDescription,
  unaryUnaryInvocationDescription,
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

declare function writeAsk(ask: Ask): Uint8Array;
declare function readAnswer(octets: Uint8Array): Answer;

const METHODS = {
  Say: unaryUnaryInvocationDescription(writeAsk, readAnswer),
  Tell: unaryStreamInvocationDescription(writeAsk, readAnswer),
  Collect: streamUnaryInvocationDescription(writeAsk, readAnswer),
  Chat: streamStreamInvocationDescription(writeAsk, readAnswer),
};

export async function asynchronous(options: RpcOptions): Promise<void> {
  const echo = stub('test.Echo', METHODS, 'localhost', 50_051);
  same<Same<typeof echo, Stub<typeof METHODS>>>();
  same<Same<ReturnType<typeof echo.open>, Stub<typeof METHODS>>>();

  // Responses.
  same<Same<ReturnType<typeof echo.Say>, Promise<Answer>>>();
  same<Same<ReturnType<typeof echo.Say.async>, Future<Answer>>>();
  same<Same<ReturnType<typeof echo.Collect>, Promise<Answer>>>();
  same<Same<ReturnType<typeof echo.Collect.async>, Future<Answer>>>();
  same<Same<ReturnType<typeof echo.Tell>, CancellableIterator<Answer>>>();
  same<Same<ReturnType<typeof echo.Chat>, CancellableIterator<Answer>>>();
  const { text } = await echo.Say({ question: '?' }, 1);
  same<Same<typeof text, string>>();
  for await (const answer of echo.Tell({ question: '?' }, 1)) same<Same<typeof answer, Answer>>();
  same<Same<Awaited<Future<Answer>>, Answer>>();

  // Requests and timeouts.
  await echo.Say({ question: '?' }, options);
  await echo.Say({ question: '?' }, { timeout: 1, metadata: { 'x-key': 'v' }, waitForReady: true });
  await echo.Collect([{ question: '?' }], 1);
  await echo.Collect(
    (async function* () {
      yield { question: '?' };
    })(),
    1,
  );
  // @ts-expect-error a timeout is required
  await echo.Say({ question: '?' });
  // @ts-expect-error also in the async form
  echo.Say.async({ question: '?' });
  // @ts-expect-error also for streams
  echo.Tell({ question: '?' });
  // @ts-expect-error also in the options
  await echo.Say({ question: '?' }, { waitForReady: true });
  // @ts-expect-error null is no timeout
  await echo.Say({ question: '?' }, null);
  // @ts-expect-error a string is no timeout
  await echo.Say({ question: '?' }, '1');
  // @ts-expect-error there is no such option
  await echo.Say({ question: '?' }, { timeout: 1, timeoutMs: 1 });
  // @ts-expect-error wrong request
  await echo.Say({ question: 7 }, 1);
  // @ts-expect-error wrong request
  await echo.Say('?', 1);
  // @ts-expect-error an iterable is needed
  await echo.Collect({ question: '?' }, 1);
  // @ts-expect-error wrong requests
  await echo.Collect(['?'], 1);
  // @ts-expect-error wrong requests
  echo.Chat(['?'], 1);

  // Names.
  // @ts-expect-error no such RPC
  await echo.Shout({ question: '?' }, 1);
  // @ts-expect-error no such RPC
  echo.rpc('Shout');
  // @ts-expect-error a response stream has no async form
  echo.Tell.async({ question: '?' }, 1);
  // @ts-expect-error nor has a bidirectional one
  echo.Chat.async([{ question: '?' }], 1);
  // @ts-expect-error RPCs cannot be replaced
  echo.Say = echo.rpc('Say');
  same<Same<ReturnType<typeof echo.rpc<'Say'>>, typeof echo.Say>>();
  await using _closing = echo.open();
}

/** RPCs called as members: the members win, rpc() reaches the RPCs. */
export function hidden(): void {
  const { Say, Tell } = METHODS;
  // biome-ignore lint/suspicious/noThenProperty: that is the point.
  const methods = { open: Say, close: Tell, then: Say, rpc: Say }; // oxlint-disable-line unicorn/no-thenable
  const odd = stub('test.Odd', methods, 'localhost', 1);
  same<Same<ReturnType<typeof odd.close>, Promise<void>>>();
  same<Same<ReturnType<ReturnType<typeof odd.rpc<'close'>>>, CancellableIterator<Answer>>>();
  same<Same<ReturnType<ReturnType<typeof odd.rpc<'open'>>>, Promise<Answer>>>();
  // @ts-expect-error a stub is no thenable, whatever its RPCs are called
  void odd.then;
}

export function blocking(): void {
  const echo = blockingStub('test.Echo', METHODS, 'localhost', 50_051);
  same<Same<typeof echo, BlockingStub<typeof METHODS>>>();
  same<Same<ReturnType<typeof echo.Say>, Answer>>();
  same<Same<ReturnType<typeof echo.Collect>, Answer>>();
  same<Same<ReturnType<typeof echo.Say.async>, Future<Answer>>>();
  same<Same<ReturnType<typeof echo.Collect.async>, Future<Answer>>>();
  same<Same<ReturnType<typeof echo.Tell>, BlockingCancellableIterator<Answer>>>();
  same<Same<ReturnType<typeof echo.Chat>, BlockingCancellableIterator<Answer>>>();
  same<Same<ReturnType<ReturnType<typeof echo.Tell>['initialMetadata']>, Metadata>>();
  for (const answer of echo.Chat([{ question: '?' }], 1)) same<Same<typeof answer, Answer>>();
  async function* requests(): AsyncGenerator<Ask> {
    yield { question: '?' };
  }
  echo.Collect.async(requests(), 1);
  // @ts-expect-error a blocked thread can await nothing
  echo.Collect(requests(), 1);
  // @ts-expect-error a blocked thread can await nothing
  echo.Chat(requests(), 1);
  // @ts-expect-error a timeout is required
  echo.Say({ question: '?' });
  // @ts-expect-error wrong request
  echo.Say({ question: 7 }, 1);
  // @ts-expect-error no such RPC
  echo.Shout({ question: '?' }, 1);
}

/** Descriptions of one's own, and maps that are typed by hand, do as well. */
export function ownDescriptions(
  own: RpcMethodInvocationDescription<Ask, Answer, 'request-unary/response-unary'>,
  loose: RpcMethodInvocationDescription<Ask, Answer>,
  map: Record<string, RpcMethodInvocationDescription<Ask, Answer, 'request-unary/response-unary'>>,
): void {
  const echo = stub('test.Echo', { own, loose }, 'localhost', 1);
  same<Same<ReturnType<typeof echo.own>, Promise<Answer>>>();
  const any = stub('test.Echo', map, 'localhost', 1);
  same<Same<ReturnType<ReturnType<typeof any.rpc>>, Promise<Answer>>>();
  // @ts-expect-error no description
  stub('test.Echo', { Say: {} }, 'localhost', 1);
  // @ts-expect-error no port
  stub('test.Echo', METHODS, 'localhost', '50051');
  // @ts-expect-error a transformer gives pairs
  stub('test.Echo', METHODS, 'localhost', 1, { metadataTransformer: () => [['k']] });
  // @ts-expect-error no such option
  stub('test.Echo', METHODS, 'localhost', 1, { secured: true });
}
