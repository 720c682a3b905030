/** Initial and trailing metadata of a running RPC, for those who ask before or after they arrive. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import { Metadata, metadataOfHeaders } from '../metadata.ts';
import { Deferred } from './promise-holder.ts';

const NO_FIELDS: HeaderList = [];

/** One kind of metadata of one RPC: arrived or not, asked for or not. */
class AwaitedMetadata {
  #headers: HeaderList | null;
  #metadata: Metadata | null;
  #asked: Deferred<Metadata> | null;

  constructor(headers: HeaderList | null) {
    this.#headers = headers;
    this.#metadata = null;
    this.#asked = null;
  }

  /** The first list counts. */
  arrive(headers: HeaderList): void {
    if (this.#headers !== null) return;
    this.#headers = headers;
    this.#asked?.resolve(this.now() ?? new Metadata());
  }

  now(): Metadata | null {
    if (this.#metadata === null && this.#headers !== null) {
      this.#metadata = metadataOfHeaders(this.#headers);
    }
    return this.#metadata;
  }

  ask(): Promise<Metadata> {
    const metadata = this.now();
    if (metadata !== null) return Promise.resolve(metadata);
    this.#asked ??= new Deferred<Metadata>();
    return this.#asked.promise;
  }
}

/** Both kinds; most callers ask for none. */
export class ReceivedMetadata {
  #headers: HeaderList | null;
  #trailers: HeaderList | null;
  /** Each made when it is asked for. */
  #initial: AwaitedMetadata | null;
  #trailing: AwaitedMetadata | null;

  constructor() {
    this.#headers = null;
    this.#trailers = null;
    this.#initial = null;
    this.#trailing = null;
  }

  get initial(): AwaitedMetadata {
    this.#initial ??= new AwaitedMetadata(this.#headers);
    return this.#initial;
  }

  get trailing(): AwaitedMetadata {
    this.#trailing ??= new AwaitedMetadata(this.#trailers);
    return this.#trailing;
  }

  /** Response headers came. */
  begin(headers: HeaderList): void {
    this.#headers ??= headers;
    if (this.#initial !== null) this.#initial.arrive(headers);
  }

  /** The RPC has ended: what has not come is empty. */
  end(trailers: HeaderList): void {
    this.begin(NO_FIELDS);
    this.#trailers ??= trailers;
    if (this.#trailing !== null) this.#trailing.arrive(trailers);
  }
}
