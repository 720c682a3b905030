/** Initial and trailing metadata of a running RPC, for those who ask before or after they arrive. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import { Metadata, metadataOfHeaders } from '../metadata.ts';
import { Deferred } from './promise-holder.ts';

/** One kind of metadata of one RPC: arrived or not, asked for or not. */
class AwaitedMetadata {
  #headers: HeaderList | null;
  #metadata: Metadata | null;
  #asked: Deferred<Metadata> | null;

  constructor() {
    this.#headers = null;
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

/** Both kinds. */
export class ReceivedMetadata {
  readonly initial: AwaitedMetadata;
  readonly trailing: AwaitedMetadata;

  constructor() {
    this.initial = new AwaitedMetadata();
    this.trailing = new AwaitedMetadata();
  }

  /** The RPC has ended: what has not come is empty. */
  end(trailers: HeaderList): void {
    this.initial.arrive([]);
    this.trailing.arrive(trailers);
  }
}
