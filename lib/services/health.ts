/**
 * The health service of a server: what load balancers and orchestrators ask (grpc/grpc doc/health-checking.md, gRFC A17, A90).
 */

import type { RpcContext, ServiceMethods } from '../alpha/interfaces.ts';
import type { ProtoService } from '../protobuf/service-descriptions.ts';
import { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthListResponse,
  type HealthMethods,
  healthDefinition,
  ServingStatus,
} from './health-definition.ts';

/** Services that `List` names; more is an error (gRFC A90). */
const MAX_LISTED_SERVICES = 100;

const SETTABLE: readonly unknown[] = [
  ServingStatus.UNKNOWN,
  ServingStatus.SERVING,
  ServingStatus.NOT_SERVING,
];

/** The statuses of the services of one server, and the service that tells them. The server as a whole has the name '' and is SERVING at first. */
export class HealthService {
  /** The definition, for reflection. */
  readonly definition: ProtoService<HealthMethods>;
  readonly #statuses: Map<string, ServingStatus>;
  readonly #watches: Map<string, Set<StatusWatch>>;
  #isShutDown: boolean;

  constructor() {
    this.definition = healthDefinition();
    this.#statuses = new Map([['', ServingStatus.SERVING]]);
    this.#watches = new Map();
    this.#isShutDown = false;
  }

  /** What `server` takes: the methods of grpc.health.v1.Health by service name. Several servers may share one HealthService. */
  services(): Readonly<Record<string, ServiceMethods>> {
    const methods = this.definition.serviceDescriptions({
      Check: (request) => this.#check(request),
      List: () => this.#list(),
      Watch: (request, context) => this.#watch(request, context),
    });
    return { [this.definition.name]: methods as unknown as ServiceMethods };
  }

  /** The status of `service`: SERVICE_UNKNOWN when none was set. */
  status(service = ''): ServingStatus {
    return this.#statuses.get(service) ?? ServingStatus.SERVICE_UNKNOWN;
  }

  /**
   * Sets the status of `service` ('' : the server as a whole) and tells those who watch it. Without effect after `shutdown`, until `resume`.
   * Throws TypeError for a status that is none or cannot be set.
   */
  setStatus(service: string, status: ServingStatus): void {
    if (typeof service !== 'string') {
      throw new TypeError(`service must be the name of a service, got ${typeof service}`);
    }
    if (!SETTABLE.includes(status)) {
      throw new TypeError(`status must be one of ${SETTABLE.join(', ')}, got ${String(status)}`);
    }
    if (!this.#isShutDown) this.#set(service, status);
  }

  /** Forgets `service`: its status is SERVICE_UNKNOWN from now on. */
  clearStatus(service: string): void {
    if (this.#statuses.delete(service)) this.#tell(service);
  }

  /**
   * Before the server stops: every status becomes NOT_SERVING and stays so, and watches end with UNAVAILABLE behind that news, since they
   * would hold up a graceful stop for ever.
   */
  shutdown(): void {
    if (this.#isShutDown) return;
    this.#isShutDown = true;
    this.#setAll(ServingStatus.NOT_SERVING);
    for (const watches of this.#watches.values()) for (const watch of watches) watch.end();
  }

  /** After `shutdown`: every status becomes SERVING, and may be set again. */
  resume(): void {
    if (!this.#isShutDown) return;
    this.#isShutDown = false;
    this.#setAll(ServingStatus.SERVING);
  }

  #setAll(status: ServingStatus): void {
    for (const service of [...this.#statuses.keys()]) this.#set(service, status);
  }

  #set(service: string, status: ServingStatus): void {
    if (this.#statuses.get(service) === status) return;
    this.#statuses.set(service, status);
    this.#tell(service);
  }

  #tell(service: string): void {
    const status = this.status(service);
    for (const watch of this.#watches.get(service) ?? []) watch.push(status);
  }

  // ---- behaviours -------------------------------------------------------------------------------------------------

  #check({ service }: HealthCheckRequest): HealthCheckResponse {
    const status = this.#statuses.get(service);
    if (status === undefined) throw new RpcError(Status.NOT_FOUND, 'unknown service');
    return { status };
  }

  #list(): HealthListResponse {
    if (this.#statuses.size > MAX_LISTED_SERVICES) {
      throw new RpcError(
        Status.RESOURCE_EXHAUSTED,
        `there are more than ${MAX_LISTED_SERVICES} services: check them one by one`,
      );
    }
    // Names are the server's own, but nobody keeps them from being '__proto__'.
    const statuses: Record<string, HealthCheckResponse> = Object.create(null) as object as Record<
      string,
      HealthCheckResponse
    >;
    for (const [service, status] of this.#statuses) statuses[service] = { status };
    return { statuses };
  }

  #watch({ service }: HealthCheckRequest, context: RpcContext): AsyncIterable<HealthCheckResponse> {
    const watches = this.#watches.get(service) ?? new Set<StatusWatch>();
    const watch = new StatusWatch(this.status(service), () => {
      watches.delete(watch);
      // Clients may watch any name: nothing of it stays.
      if (watches.size === 0 && this.#watches.get(service) === watches) {
        this.#watches.delete(service);
      }
    });
    watches.add(watch);
    this.#watches.set(service, watches);
    context.addAbortionCallback(() => watch.stop());
    if (this.#isShutDown) watch.end();
    return watch;
  }
}

/** The responses of one `Watch`: the status at first, then each change; for a slow client only the latest. */
class StatusWatch
  implements AsyncIterable<HealthCheckResponse>, AsyncIterator<HealthCheckResponse>
{
  readonly #onStopped: () => void;
  /** News that the client has not been told. */
  #status: ServingStatus | null;
  #told: ServingStatus | null;
  /** The client's `next` that waits. */
  #waiting: ((result: IteratorResult<HealthCheckResponse>) => void) | null;
  #fail: ((error: RpcError) => void) | null;
  #ending: boolean;
  #stopped: boolean;

  constructor(status: ServingStatus, onStopped: () => void) {
    this.#onStopped = onStopped;
    this.#status = status;
    this.#told = null;
    this.#waiting = null;
    this.#fail = null;
    this.#ending = false;
    this.#stopped = false;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** A new status. */
  push(status: ServingStatus): void {
    this.#status = status === this.#told ? null : status;
    this.#serve();
  }

  /** No more news after what there is. */
  end(): void {
    this.#ending = true;
    this.#serve();
  }

  /** Nobody listens any more. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#waiting?.({ done: true, value: undefined });
    this.#waiting = null;
    this.#onStopped();
  }

  next(): Promise<IteratorResult<HealthCheckResponse>> {
    return new Promise((resolve, reject) => {
      this.#waiting = resolve;
      this.#fail = reject;
      this.#serve();
    });
  }

  async return(): Promise<IteratorResult<HealthCheckResponse>> {
    this.stop();
    return { done: true, value: undefined };
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    if (this.#stopped) waiting({ done: true, value: undefined });
    else if (this.#status !== null) {
      const status = this.#status;
      this.#told = status;
      this.#status = null;
      waiting({ done: false, value: { status } });
    } else if (this.#ending) {
      this.#fail?.(new RpcError(Status.UNAVAILABLE, 'the server is shutting down'));
      this.stop();
    } else return;
    this.#waiting = null;
  }
}
