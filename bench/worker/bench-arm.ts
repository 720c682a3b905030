/** What an arm is to its worker process: something that serves bench.proto, and something that calls it under a load. */

import type { Load, TlsMaterial } from '../protocol.ts';
import type { Meter } from './meter.ts';

/** Every call of every arm that has deadlines carries this one. */
export const callTimeoutMs = 60_000;

/** The name the certificate of a TLS run is made out to. */
export const serverName = 'localhost';

/** The service of bench.proto. */
export const serviceName = 'purewire.bench.Bench';

/** Largest message any workload sends, with room for its own framing. */
export const maxMessageOctets: number = 8 * 1024 * 1024;

export interface ServerSettings {
  readonly tls: TlsMaterial | null;
  readonly library: string | null;
  /** Streams a connection may have open at once; null: what the implementation has by default. */
  readonly maxStreams: number | null;
  readonly interceptors: boolean;
}

export interface ClientSettings {
  readonly port: number;
  readonly tls: TlsMaterial | null;
  readonly load: Load;
  readonly library: string | null;
}

/** A server listening on 127.0.0.1; its process ends with it, so there is no close. */
export interface BenchServer {
  readonly port: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** The client of an arm. */
export interface BenchClient {
  readonly versions: Readonly<Record<string, string>>;
  /**
   * Runs the load until the meter stops it; resolves when the last call has ended. Rejects at the first call that fails or whose
   * response is wrong.
   */
  run(meter: Meter): Promise<void>;
  /** Opens `count` further idle connections, or idle streams on one connection, and keeps them. */
  hold(what: 'connections' | 'streams', count: number): Promise<void>;
}

/** Each module in arms/ has these two functions. */
export interface ArmModule {
  startServer(settings: ServerSettings): Promise<BenchServer>;
  startClient(settings: ClientSettings): Promise<BenchClient>;
}
