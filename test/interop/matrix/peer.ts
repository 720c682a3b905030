/** What the matrix needs to know of an implementation: how it is started as a server, how its client is run, and what it cannot do. */

/** Cases that a peer cannot run, by name, with the reason. */
export type Gaps = Readonly<Record<string, string>>;

/** How one case went with one client and one server. */
export interface CaseOutcome {
  readonly name: string;
  readonly result: 'passed' | 'failed' | 'unable';
  /** What went wrong, or what is missing. */
  readonly text: string;
}

/** Where a client under test is to connect. */
export interface MatrixTarget {
  readonly port: number;
  readonly tls: boolean;
}

/** A server that runs. */
export interface RunningServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** How a server is to be started. */
export interface ServerSetup {
  readonly tls: boolean;
  /** SETTINGS_MAX_CONCURRENT_STREAMS, for the one case that wants it; 0: the server's own. */
  readonly maxStreams: number;
}

/** An implementation that is there, with its programs. */
export interface PreparedPeer {
  readonly version: string;
  /** Absent: it has no server. */
  startServer?(setup: ServerSetup): Promise<RunningServer>;
  /** Runs the cases one after the other and tells of each as it ends. Absent: it has no client. */
  runClient?(
    cases: readonly string[],
    target: MatrixTarget,
    told: (outcome: CaseOutcome) => void,
  ): Promise<void>;
}

/** An implementation that our ends are tried with. */
export interface MatrixPeer {
  readonly name: string;
  readonly clientGaps: Gaps;
  readonly serverGaps: Gaps;
  /** Finds its programs, or makes them where their toolchain is. Returns why they are not to be had as a string. */
  prepare(say: (text: string) => void): Promise<PreparedPeer | string>;
}
