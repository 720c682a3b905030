/**
 * Whether a header list is well-formed HTTP/2 (RFC 9113 §8.1 – §8.3). Pure functions of the list; the connection turns a token into a
 * stream error PROTOCOL_ERROR (§8.1.1). Nothing here knows gRPC.
 *
 * Where the RFC leaves a choice:
 * - names are held to the token rule of RFC 9110 §5.6.2 (a SHOULD of §8.2.1), values to the minimum of §8.2.1: obs-text and control
 *   characters other than NUL, CR and LF pass;
 * - a `:path` without leading slash passes, so that the call layer can answer it; blanks, control characters and `*` outside OPTIONS do not;
 * - a request needs `:authority` or `host`, with one value (§8.3.1; RFC 9110 §7.2);
 * - `content-length` appears at most once, as digits (RFC 9110 §8.6 would allow equal repetitions); it means nothing in trailers;
 * - `te` must be `trailers` wherever it appears, responses included.
 */

import type { ErrorToken } from '../framing/errors.ts';
import type { HeaderList } from '../framing/frame-handler.ts';

const PADDED_VALUE: ErrorToken = 'http.field.value-padded';
const NOT_IN_NAMES = 0;
const IN_NAMES = 1;

/** Lower-case token characters (RFC 9110 §5.6.2 without capitals, RFC 9113 §8.2.1). */
const NAME_CHARACTERS = characterTable("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz");

function characterTable(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)] = IN_NAMES;
  return table;
}

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const DELETE = 0x7f;

/** Decimal digits that are sure to be an exact number. */
const MAX_CONTENT_LENGTH_DIGITS = 15;

const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;

/** Pseudo-header fields seen, as bits. */
const Seen = { METHOD: 1, SCHEME: 2, PATH: 4, AUTHORITY: 8, STATUS: 16 } as const;

/** Kinds of list, which differ in the pseudo-header fields they may hold. */
const Kind = { REQUEST: 0, RESPONSE: 1, TRAILERS: 2 } as const;
type Kind = (typeof Kind)[keyof typeof Kind];

/** Lists remembered as well-formed, per kind: as many as a decoder is likely to hand out again. */
const MEMO_SLOTS = 4;

/** A list found well-formed, and what it said. */
interface CheckedList {
  readonly headers: HeaderList;
  readonly contentLength: number;
  readonly status: number;
  /** The one of its kind that was found before. */
  older: CheckedList | null;
}

/**
 * The checks of one connection. Lists found well-formed are remembered by identity, because the decoder returns the same array for the
 * same block; the fields tell about the list checked last.
 */
export class HeaderRules {
  /** The `content-length` of the list just checked; -1: none. */
  contentLength: number;
  /** The `:status` of the response just checked, 100 … 999; 0 for other lists. */
  status: number;
  #method: string;
  #path: string;
  #authority: string;
  #goodAuthority: string;
  #host: string | null;
  /** By kind; each made when it has something to remember, as an end sees two kinds at most and mostly one list of each. */
  #requests: CheckedList | null;
  /** The first request was checked. */
  #requestsBegun: boolean;
  #responses: CheckedList | null;
  #trailers: CheckedList | null;

  constructor() {
    this.contentLength = -1;
    this.status = 0;
    this.#method = '';
    this.#path = '';
    this.#authority = '';
    this.#goodAuthority = '';
    this.#host = null;
    this.#requests = null;
    this.#requestsBegun = false;
    this.#responses = null;
    this.#trailers = null;
  }

  /** Checks a request's initial list (RFC 9113 §8.3.1); null when it is well-formed. Sets `contentLength`. */
  checkRequest(headers: HeaderList): ErrorToken | null {
    if (this.#recall(this.#requests, headers)) return null;
    const token = this.#check(headers, Kind.REQUEST);
    // The first block of a connection fills the dynamic table, so that its list does not come again: idle connections need not hold it.
    if (token === null && this.#requestsBegun) {
      this.#requests = this.#remember(this.#requests, headers);
    }
    this.#requestsBegun = true;
    return token;
  }

  /** Checks a response's initial list (RFC 9113 §8.3.2), 1xx included. Sets `contentLength` and `status`. */
  checkResponse(headers: HeaderList): ErrorToken | null {
    if (this.#recall(this.#responses, headers)) return null;
    const token = this.#check(headers, Kind.RESPONSE);
    if (token === null) this.#responses = this.#remember(this.#responses, headers);
    return token;
  }

  /** Checks a trailing list of either side (RFC 9113 §8.1). */
  checkTrailers(headers: HeaderList): ErrorToken | null {
    if (this.#recall(this.#trailers, headers)) return null;
    const token = this.#check(headers, Kind.TRAILERS);
    if (token === null) this.#trailers = this.#remember(this.#trailers, headers);
    return token;
  }

  #check(headers: HeaderList, kind: Kind): ErrorToken | null {
    this.contentLength = -1;
    this.status = 0;
    return this.#scan(headers, kind);
  }

  #recall(latest: CheckedList | null, headers: HeaderList): boolean {
    for (let known = latest; known !== null; known = known.older) {
      if (known.headers !== headers) continue;
      this.contentLength = known.contentLength;
      this.status = known.status;
      return true;
    }
    return false;
  }

  /** Remembers the list just checked as the latest of its kind, and forgets the oldest when there are too many. */
  #remember(latest: CheckedList | null, headers: HeaderList): CheckedList {
    let kept = 1;
    for (let known = latest; known !== null; known = known.older) {
      kept += 1;
      if (kept === MEMO_SLOTS) known.older = null;
    }
    const { contentLength, status } = this;
    return { headers, contentLength, status, older: latest };
  }

  #scan(headers: HeaderList, kind: Kind): ErrorToken | null {
    let seen = 0;
    let regular = false;
    this.#host = null;
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const name = headers[i] as string;
      const value = headers[i + 1] as string;
      let token = valueFault(value);
      // gRPC PROTOCOL-HTTP2, Status-Message: blanks need no percent-encoding, so every server but ours sends them at the ends as they are.
      if (token !== null && (token !== PADDED_VALUE || name !== 'grpc-message')) return token;
      if (name.charCodeAt(0) === COLON) {
        // RFC 9113 §8.1: trailers hold no pseudo-header fields. §8.3: they come before all regular fields.
        if (kind === Kind.TRAILERS) return 'http.pseudo-header.in-trailers';
        if (regular) return 'http.pseudo-header.after-regular-field';
        const bit = pseudoHeaderBit(name, kind);
        if (bit === 0) return 'http.pseudo-header.unknown';
        if ((seen & bit) !== 0) return 'http.pseudo-header.duplicate';
        seen |= bit;
        token = this.#takePseudoHeader(bit, value);
      } else {
        regular = true;
        token = this.#takeField(name, value, kind);
      }
      if (token !== null) return token;
    }
    if (kind === Kind.REQUEST) return this.#finishRequest(seen);
    // RFC 9113 §8.3.2: every response has exactly one :status.
    if (kind === Kind.RESPONSE && seen === 0) return 'http.response.status-missing';
    return null;
  }

  #takePseudoHeader(bit: number, value: string): ErrorToken | null {
    switch (bit) {
      case Seen.METHOD:
        if (value !== 'POST' && !METHOD.test(value)) return 'http.request.method-invalid';
        this.#method = value;
        return null;
      case Seen.SCHEME:
        return value === 'http' || value === 'https' || SCHEME.test(value)
          ? null
          : 'http.request.scheme-invalid';
      case Seen.PATH:
        this.#path = value;
        return pathFault(value);
      case Seen.AUTHORITY:
        this.#authority = value;
        return null;
      default:
        this.status = statusNumber(value);
        return this.status === 0 ? 'http.response.status-invalid' : null;
    }
  }

  #takeField(name: string, value: string, kind: Kind): ErrorToken | null {
    switch (name) {
      // RFC 9113 §8.2.2: connection-specific fields make a message malformed.
      case 'connection':
      case 'keep-alive':
      case 'proxy-connection':
      case 'transfer-encoding':
      case 'upgrade':
        return 'http.field.connection-specific';
      case 'te':
        return value === 'trailers' || value.toLowerCase() === 'trailers'
          ? null
          : 'http.field.te-not-trailers';
      case 'content-length':
        return kind === Kind.TRAILERS ? null : this.#takeContentLength(value);
      case 'host':
        if (kind !== Kind.REQUEST) return null;
        if (this.#host !== null) return 'http.request.host-duplicate';
        this.#host = value;
        return null;
      // The names of every gRPC message need no look at their characters.
      case 'content-type':
      case 'user-agent':
      case 'grpc-timeout':
      case 'grpc-encoding':
      case 'grpc-accept-encoding':
      case 'accept-encoding':
      case 'grpc-status':
      case 'grpc-message':
        return null;
      default:
        return nameFault(name);
    }
  }

  #takeContentLength(value: string): ErrorToken | null {
    if (this.contentLength >= 0) return 'http.content-length.duplicate';
    if (value.length === 0 || value.length > MAX_CONTENT_LENGTH_DIGITS) {
      return 'http.content-length.invalid';
    }
    let length = 0;
    for (let i = 0; i < value.length; i++) {
      const digit = value.charCodeAt(i) - 0x30;
      if (digit < 0 || digit > 9) return 'http.content-length.invalid';
      length = length * 10 + digit;
    }
    this.contentLength = length;
    return null;
  }

  #finishRequest(seen: number): ErrorToken | null {
    if ((seen & Seen.METHOD) === 0) return 'http.request.method-missing';
    if (this.#method === 'CONNECT') {
      // RFC 9113 §8.5: CONNECT has :authority, and neither :scheme nor :path.
      if ((seen & (Seen.SCHEME | Seen.PATH)) !== 0) return 'http.request.connect-with-target';
    } else {
      if ((seen & Seen.SCHEME) === 0) return 'http.request.scheme-missing';
      if ((seen & Seen.PATH) === 0) return 'http.request.path-missing';
      if (this.#path === '*' && this.#method !== 'OPTIONS') return 'http.request.path-invalid';
    }
    return this.#authorityFault((seen & Seen.AUTHORITY) !== 0);
  }

  #authorityFault(hasAuthority: boolean): ErrorToken | null {
    const host = this.#host;
    if (!hasAuthority) {
      if (host === null || host === '' || this.#method === 'CONNECT') {
        return 'http.request.authority-missing';
      }
      return this.#hostFault(host);
    }
    const authority = this.#authority;
    if (authority === '') return 'http.request.authority-missing';
    const fault = this.#hostFault(authority);
    if (fault !== null) return fault;
    // RFC 9113 §8.3.1: a Host that names another authority is malformed.
    if (host !== null && host !== authority && host.toLowerCase() !== authority.toLowerCase()) {
      return 'http.request.host-mismatch';
    }
    return null;
  }

  /** What is wrong with an authority in itself. Those of one connection are nearly always the same. */
  #hostFault(authority: string): ErrorToken | null {
    if (authority === this.#goodAuthority) return null;
    // RFC 9113 §8.3.1: no userinfo for http and https.
    if (authority.includes('@')) return 'http.request.authority-userinfo';
    // RFC 3986 §3.2.2: it ends up in logs and in what programs compare.
    if (!AUTHORITY.test(authority)) return 'http.request.authority-invalid';
    this.#goodAuthority = authority;
    return null;
  }
}

/** RFC 3986 §3.2: host and port, their characters only. */
const AUTHORITY = /^[\w.~!$&'()*+,;=:[\]%-]+$/;

function pseudoHeaderBit(name: string, kind: Kind): number {
  if (kind === Kind.RESPONSE) return name === ':status' ? Seen.STATUS : 0;
  switch (name) {
    case ':method':
      return Seen.METHOD;
    case ':scheme':
      return Seen.SCHEME;
    case ':path':
      return Seen.PATH;
    case ':authority':
      return Seen.AUTHORITY;
    default:
      return 0;
  }
}

/** RFC 9113 §8.2.1: names are lower-case tokens; an empty one is none. */
function nameFault(name: string): ErrorToken | null {
  if (name.length === 0) return 'http.field.name-empty';
  for (let i = 0; i < name.length; i++) {
    if ((NAME_CHARACTERS[name.charCodeAt(i)] ?? NOT_IN_NAMES) === NOT_IN_NAMES) {
      return 'http.field.name-invalid';
    }
  }
  return null;
}

/** RFC 9113 §8.2.1: no NUL, LF or CR anywhere, no blank or tab at either end. */
function valueFault(value: string): ErrorToken | null {
  const last = value.length - 1;
  if (last < 0) return null;
  for (let i = 0; i <= last; i++) {
    const code = value.charCodeAt(i);
    if (code < SPACE && (code === NUL || code === LF || code === CR)) {
      return 'http.field.value-invalid';
    }
  }
  const first = value.charCodeAt(0);
  const end = value.charCodeAt(last);
  if (first === SPACE || first === TAB || end === SPACE || end === TAB) {
    return PADDED_VALUE;
  }
  return null;
}

/** RFC 9113 §8.3.1: `:path` is not empty; RFC 3986 allows neither blanks nor control characters. */
function pathFault(path: string): ErrorToken | null {
  if (path.length === 0) return 'http.request.path-empty';
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code <= SPACE || code === DELETE) return 'http.request.path-invalid';
  }
  return null;
}

/** The three digits of `:status` (RFC 9110 §15), or 0; 101 does not exist in HTTP/2 (RFC 9113 §8.6). */
function statusNumber(value: string): number {
  if (value.length !== 3) return 0;
  let status = 0;
  for (let i = 0; i < 3; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return 0;
    status = status * 10 + digit;
  }
  return status < 100 || status === 101 ? 0 : status;
}
