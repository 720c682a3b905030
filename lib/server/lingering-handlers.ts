/**
 * L2: handlers that run on after their calls have ended. They keep their slots, which is what slots are for (CVE-2023-44487), so whoever runs
 * the server has to see them: in `stats()` at once, as the trip `handler.lingers` and in the error report after `lingeringHandlerMs`.
 */

import type { Clock, Timer } from '../../transport/clock.ts';
import type { LingeringCall, SlotCall } from '../call/server-call-host.ts';

/** The lingering handlers of one method. */
export interface LingeringHandlers {
  readonly handlers: number;
  /** How long ago the first of their calls ended, in milliseconds. */
  readonly longestMs: number;
}

/** The token of the trip. */
export const HANDLER_LINGERS = 'handler.lingers';

/** Peers can cause any number of lingering handlers: one line in this time per method. */
const REPORT_INTERVAL_MS = 60_000;

interface Lingerer {
  readonly sinceMs: number;
  told: boolean;
}

/** What the report says of the connection of a handler. */
export interface LingeringHost {
  readonly peerAddress: string;
  readonly runningHandlers: number;
  readonly waitingCalls: number;
}

/** The lingering handlers of one server. */
export class LingeringRegister {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #maxRunningHandlers: number;
  readonly #onTrip: () => void;
  readonly #report: (message: string, path: string) => void;
  /** In order of the ends of their calls. */
  readonly #lingerers: Map<LingeringCall, Lingerer & { readonly host: LingeringHost }>;
  /** When a method was reported last. */
  readonly #reportedMs: Map<string, number>;
  #timer: Timer | null;
  /** When the timer fires; Infinity without one. */
  #dueMs: number;

  /** `onTrip`: a handler has lingered for `limitMs`; `report`: a line about those of a method. */
  constructor(
    clock: Clock,
    limits: { readonly lingeringHandlerMs: number; readonly maxRunningHandlers: number },
    onTrip: () => void,
    report: (message: string, path: string) => void,
  ) {
    this.#clock = clock;
    this.#limitMs = limits.lingeringHandlerMs;
    this.#maxRunningHandlers = limits.maxRunningHandlers;
    this.#onTrip = onTrip;
    this.#report = report;
    this.#lingerers = new Map();
    this.#reportedMs = new Map();
    this.#timer = null;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  get size(): number {
    return this.#lingerers.size;
  }

  /** The call of a handler has ended before the handler. */
  add(call: LingeringCall, host: LingeringHost): void {
    const nowMs = this.#clock.now();
    this.#lingerers.set(call, { sinceMs: nowMs, told: false, host });
    this.#arm(nowMs, this.#limitMs);
  }

  /** A handler has settled, perhaps one that lingered. */
  delete(call: SlotCall): void {
    if (this.#lingerers.size === 0 || !this.#lingerers.delete(call as LingeringCall)) return;
    if (this.#lingerers.size === 0) this.stop();
  }

  /** Nobody is told any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  /** By method path. */
  snapshot(): ReadonlyMap<string, LingeringHandlers> {
    const nowMs = this.#clock.now();
    const byPath = new Map<string, LingeringHandlers>();
    for (const [{ method }, { sinceMs }] of this.#lingerers) {
      const { handlers, longestMs } = byPath.get(method.path) ?? {
        handlers: 0,
        longestMs: nowMs - sinceMs,
      };
      byPath.set(method.path, { handlers: handlers + 1, longestMs });
    }
    return byPath;
  }

  /** Looks in `delayMs`, or sooner if that is settled: the timer may be that of a line to come, a minute away. */
  #arm(nowMs: number, delayMs: number): void {
    if (nowMs + delayMs >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = nowMs + delayMs;
    this.#timer = this.#clock.setTimer(delayMs, () => this.#look(), false);
  }

  #look(): void {
    this.stop();
    const nowMs = this.#clock.now();
    const paths = new Map<string, LingeringCall>();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [call, lingerer] of this.#lingerers) {
      const dueMs = lingerer.sinceMs + this.#limitMs;
      if (dueMs > nowMs) {
        nextMs = dueMs;
        break;
      }
      const { path } = call.method;
      if (!paths.has(path)) paths.set(path, call);
      if (lingerer.told) continue;
      lingerer.told = true;
      this.#onTrip();
    }
    for (const [path, first] of paths) {
      const againMs = (this.#reportedMs.get(path) ?? Number.NEGATIVE_INFINITY) + REPORT_INTERVAL_MS;
      if (againMs > nowMs) {
        nextMs = Math.min(nextMs, againMs);
        continue;
      }
      this.#reportedMs.set(path, nowMs);
      nextMs = Math.min(nextMs, nowMs + REPORT_INTERVAL_MS);
      this.#report(this.#text(path, first), path);
    }
    if (this.#lingerers.size > 0) this.#arm(nowMs, nextMs - nowMs);
  }

  #text(path: string, first: LingeringCall): string {
    const { handlers, longestMs } = this.snapshot().get(path) ?? { handlers: 0, longestMs: 0 };
    const host = this.#lingerers.get(first)?.host;
    const slots = this.#maxRunningHandlers;
    const subject = handlers === 1 ? '1 handler runs' : `${handlers} handlers run`;
    const reason = first.abortReason === '' ? '' : `; that of the first: ${first.abortReason}`;
    const taken =
      host !== undefined && host.runningHandlers >= slots
        ? ` The connection from ${host.peerAddress} has no slot left, ${host.waitingCalls} calls wait.`
        : '';
    return (
      `${subject} on after the calls have ended, the longest for ${(longestMs / 1000).toFixed(1)} s${reason}. ` +
      `Each holds one of the ${slots} handler slots (maxRunningHandlers) of its connection.${taken} ` +
      'Let what they wait for end with context.signal, or wait with context.untilAborted()'
    );
  }
}
