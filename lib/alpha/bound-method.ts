/** What the RPCs of one stay of a stub in its context share: the channel, and per method its descriptor and description. */

import type { Clock } from '../../transport/clock.ts';
import type { CallFactory } from '../call/call.ts';
import { keptRange } from '../call/message-range.ts';
import type { ScopeStorage } from '../call-scope.ts';
import type { ChannelStats } from '../channel/channel.ts';
import { type ErrorReporter, reportSafely } from '../error-reporter.ts';
import type { MetadataValue } from '../metadata.ts';
import type { MethodDescriptor } from '../method.ts';
import type { RangeDeserializer } from '../range-deserializer.ts';
import type { ClientInterceptor } from './interceptors.ts';
import type { RpcMethodInvocationDescription } from './interfaces.ts';
import { Deferred } from './promise-holder.ts';
import { responseRangeDeserializer } from './utilities.ts';

/** What a stub needs of a channel. `Channel` is one. */
export interface StubChannel extends CallFactory {
  /** The clock of the calls' deadlines; with timers where interceptors may hold calls up. */
  readonly clock: Pick<Clock, 'now'> & Partial<Pick<Clock, 'setTimer'>>;
  /** The `:authority` of the calls; absent when the channel is in another thread. */
  readonly authority?: string;
  /** Knows the served call that running code belongs to; null or absent where nothing is inherited. */
  readonly scopes?: ScopeStorage | null;
  /** Responses that are kept deserialized ahead of their reader, per RPC (L18). */
  readonly maxUndeliveredMessages: number;
  /** What the channel is doing; absent when it is in another thread. */
  stats?(): ChannelStats;
  /** Takes no new calls; fulfilled when those in flight have ended. */
  close(): Promise<void>;
}

/** Called once per RPC with an empty list; gives the pairs of key and value to send as initial metadata. */
export type MetadataTransformer = (
  metadata: readonly (readonly [string, MetadataValue])[],
) => Iterable<readonly [string, MetadataValue]>;

/** One stay of a stub in its context, from `open` to `close`. Callables taken in it end with it. */
export class Activation {
  isOpen: boolean;
  readonly serviceName: string;
  readonly channel: StubChannel;
  readonly metadataTransformer: MetadataTransformer | null;
  readonly report: ErrorReporter;
  /** Null for none. */
  readonly interceptors: readonly ClientInterceptor[] | null;
  /** RPCs with interceptors in flight; the channel knows those only that have a call. */
  #intercepted: number;
  #idle: Deferred<void> | null;

  constructor(
    serviceName: string,
    channel: StubChannel,
    metadataTransformer: MetadataTransformer | null,
    report: ErrorReporter,
    interceptors: readonly ClientInterceptor[] | null = null,
  ) {
    this.isOpen = true;
    this.serviceName = serviceName;
    this.channel = channel;
    this.metadataTransformer = metadataTransformer;
    this.report = report;
    this.interceptors = interceptors;
    this.#intercepted = 0;
    this.#idle = null;
  }

  /** An RPC with interceptors begins. */
  begin(): void {
    this.#intercepted++;
  }

  /** One of those has ended. */
  end(): void {
    this.#intercepted--;
    if (this.#intercepted === 0) this.#idle?.resolve();
  }

  /** No new RPCs; fulfilled when those in flight have ended and the channel is closed. */
  async close(): Promise<void> {
    this.isOpen = false;
    if (this.#intercepted > 0) {
      this.#idle = new Deferred();
      await this.#idle.promise;
    }
    await this.channel.close();
  }
}

/** A method in one activation. */
export class BoundMethod<Request, Response> {
  readonly activation: Activation;
  readonly descriptor: MethodDescriptor;
  readonly description: RpcMethodInvocationDescription<Request, Response>;
  /** The response in a range, which may be lent. Throws what the deserializer throws. */
  readonly responseOf: RangeDeserializer<Response>;

  constructor(
    activation: Activation,
    descriptor: MethodDescriptor,
    description: RpcMethodInvocationDescription<Request, Response>,
  ) {
    this.activation = activation;
    this.descriptor = descriptor;
    this.description = description;
    this.responseOf =
      responseRangeDeserializer(description) ??
      ((chunk, start, end) => description.deserializeResponse(keptRange(chunk, start, end)));
  }

  /** Hands on an exception that no caller can be told of. */
  report(error: unknown, what: string): void {
    reportSafely(this.activation.report, error, `${this.descriptor.path}: ${what}`);
  }
}
