/**
 * What the coordinator and its worker processes say to each other: one JSON object per line, requests on the worker's stdin, responses
 * on its stdout. Plain lines rather than Node's IPC, so that peers in other languages are workers like any other.
 */

/** TLS material of a run: one self-signed certificate, trusted by the clients as their only root. */
export interface TlsMaterial {
  readonly certificate: string;
  readonly privateKey: string;
}

/** Which loop the client runs. */
export type WorkloadKind =
  | 'unary'
  | 'server-stream'
  | 'client-stream'
  | 'ping-pong'
  | 'open-loop'
  | 'connect';

/** What a client has to do: the part of a workload that its process must know. */
export interface Load {
  readonly kind: WorkloadKind;
  /** 0: the method Nothing with no octets at all. Else the octets of `Message.body`. */
  readonly bodyOctets: number;
  /** Calls, streams or connection attempts kept going at once, over all connections. */
  readonly inFlight: number;
  readonly connections: number;
  /** Messages of one stream; 0 when the slice alone bounds it. */
  readonly messagesPerStream: number;
  /** Metadata entries per call, a quarter of them with a value that differs in each call. */
  readonly metadataEntries: number;
  /** Each side has one interceptor, which sees metadata and status of each call; see worker/interception.ts. */
  readonly interceptors: boolean;
  /** `connect` over TLS: connections resume the sessions of earlier ones, each once; else every handshake is a full one. */
  readonly resumeTls: boolean;
  /** Records a latency per call. */
  readonly latency: boolean;
}

/** `start` of a server or a client. */
export interface StartParams {
  readonly role: 'server' | 'client';
  readonly implementation: string;
  readonly tls: TlsMaterial | null;
  /** Client: where the server listens, and its load. */
  readonly port: number;
  readonly load: Load | null;
  /** Folder of a compiled purewire; null for the published bundle of this one. */
  readonly library: string | null;
  /** Server: streams a connection may have open at once; null: the implementation's default. */
  readonly maxStreams: number | null;
  /** Server: as in the load of its clients. */
  readonly interceptors: boolean;
}

export interface StartResult {
  /** The bound port of a server, 0 for a client. */
  readonly port: number;
  readonly pid: number;
  /** For instance `node v20.20.2` and the versions of the peer's packages. */
  readonly versions: Readonly<Record<string, string>>;
}

/** `run` of a client: one slice. */
export interface RunParams {
  /** Time at the start whose calls count for the CPU figures but not for the rate. */
  readonly rampMs: number;
  readonly durationMs: number;
  /** Ends the slice early after this many completions; 0: never. */
  readonly maxCompletions: number;
  /** Calls or streams kept going at once; 0: as many as the load says. */
  readonly inFlight: number;
  /** Open loop: arrivals per second; 0 elsewhere. */
  readonly arrivalsPerSecond: number;
  /** Seed of the arrival times. */
  readonly seed: number;
}

/** Latencies in microseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface RunResult {
  /** Completions within the measured window, and the window's true length. */
  readonly completions: number;
  readonly windowMs: number;
  /** Completions of the whole slice, ramp and drain included: the divisor of the CPU figures. */
  readonly totalCompletions: number;
  readonly totalMs: number;
  readonly latency: LatencySummary | null;
  /** What this client process used for the whole slice. */
  readonly usage: Usage;
}

/** Counters of a process since its start, or their difference over a slice. Unknown ones are 0. */
export interface Usage {
  readonly userMicros: number;
  readonly systemMicros: number;
  readonly involuntarySwitches: number;
  readonly readCalls: number;
  readonly writeCalls: number;
  readonly readOctets: number;
  readonly writtenOctets: number;
  readonly loopTurns: number;
  /** Not a difference: the state at the end. */
  readonly rssOctets: number;
  readonly heapUsedOctets: number;
}

/** One function of a CPU profile, as shown in its summary. */
export interface ProfileEntry {
  readonly where: string;
  readonly selfShare: number;
}

/** The requests of the protocol, by method name. */
export interface WorkerMethods {
  start: { params: StartParams; result: StartResult };
  usage: { params: Record<string, never>; result: Usage };
  run: { params: RunParams; result: RunResult };
  /** Client: opens this many further connections, or streams on one, that then stay idle. */
  hold: { params: { what: 'connections' | 'streams'; count: number }; result: { held: number } };
  /** Waits, collects garbage where the process can, then reports; `externalOctets` are what the heap holds outside, array buffers included. */
  settle: { params: { quietMs: number }; result: Usage & { externalOctets: number } };
  'profile-start': { params: { kind: 'cpu' | 'allocations' }; result: Record<string, never> };
  'profile-stop': {
    params: { file: string | null };
    result: { entries: ProfileEntry[]; allocatedOctets: number };
  };
  stop: { params: Record<string, never>; result: Record<string, never> };
}

export type WorkerMethod = keyof WorkerMethods;

/** One line to a worker. */
export interface WorkerRequest<M extends WorkerMethod = WorkerMethod> {
  readonly id: number;
  readonly method: M;
  readonly params: WorkerMethods[M]['params'];
}

/** One line from a worker: a result, or the text of an error. */
export interface WorkerResponse {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Cuts arriving text into lines; keeps the unfinished last one for the next call. */
export class LineSplitter {
  #rest: string;

  constructor() {
    this.#rest = '';
  }

  /** Returns the lines that `text` completes, without their line ends. */
  push(text: string): string[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.filter((line) => line.trim() !== '');
  }
}
