import type { HeaderList } from '../../framing/frame-handler.ts';
import { HeaderRules } from '../../transport/header-rules.ts';
import { t } from '../support/tap.ts';

const REQUEST = [':method', 'POST', ':scheme', 'https', ':path', '/a/b', ':authority', 'h'];

function request(...headers: string[]): string | null {
  return new HeaderRules().checkRequest(headers);
}

function response(...headers: string[]): string | null {
  return new HeaderRules().checkResponse(headers);
}

function trailers(...headers: string[]): string | null {
  return new HeaderRules().checkTrailers(headers);
}

/** REQUEST without the field `name`. */
function without(name: string): string[] {
  const at = REQUEST.indexOf(name);
  return [...REQUEST.slice(0, at), ...REQUEST.slice(at + 2)];
}

/** REQUEST with another value of `name`. */
function replacing(name: string, value: string): string[] {
  const list = [...REQUEST];
  list[list.indexOf(name) + 1] = value;
  return list;
}

await t.test('§8.3 a gRPC request, response and trailers are well-formed', async (t) => {
  const rules = new HeaderRules();
  t.equal(
    rules.checkRequest([
      ...REQUEST,
      'te',
      'trailers',
      'content-type',
      'application/grpc',
      'content-length',
      '17',
      'x-a',
      'b',
    ]),
    null,
  );
  t.equal(rules.contentLength, 17);
  t.equal(rules.status, 0);
  t.equal(rules.checkResponse([':status', '200', 'content-type', 'application/grpc']), null);
  t.equal(rules.status, 200);
  t.equal(rules.contentLength, -1);
  t.equal(rules.checkTrailers(['grpc-status', '0', 'grpc-message', '']), null);
  t.equal(rules.checkTrailers([]), null);
});

await t.test('§8.3.1 S66 exactly one :method, :scheme and :path', async (t) => {
  t.equal(request(...without(':method')), 'http.request.method-missing');
  t.equal(request(...without(':scheme')), 'http.request.scheme-missing');
  t.equal(request(...without(':path')), 'http.request.path-missing');
  for (const name of [':method', ':scheme', ':path', ':authority']) {
    t.equal(request(...REQUEST, name, 'x'), 'http.pseudo-header.duplicate', name);
  }
});

await t.test(
  '§8.3.1 S66 :path is neither empty nor * nor holds blanks or control characters',
  async (t) => {
    t.equal(request(...replacing(':path', '')), 'http.request.path-empty');
    t.equal(request(...replacing(':path', '*')), 'http.request.path-invalid');
    t.equal(
      request(':method', 'OPTIONS', ':scheme', 'http', ':path', '*', ':authority', 'h'),
      null,
    );
    for (const path of ['/a b', '/a\u0001', '/a\u007f', '/a\tb']) {
      t.equal(
        request(...replacing(':path', path)),
        'http.request.path-invalid',
        JSON.stringify(path),
      );
    }
    t.equal(request(...replacing(':path', '/a\u0000')), 'http.field.value-invalid');
  },
);

await t.test('S67 S68 odd but legal paths are left to the call layer', async (t) => {
  for (const path of [
    'Svc/Method',
    '//Svc/Method',
    '/Svc/Method/',
    '/Svc/Method?x',
    '/svc%2F',
    'http://h/S/M',
    '/\u00e9',
    '/__proto__/x',
  ]) {
    t.equal(request(...replacing(':path', path)), null, path);
  }
});

await t.test('§8.3 S66 unknown and foreign pseudo-header fields', async (t) => {
  t.equal(request(...REQUEST, ':foo', 'x'), 'http.pseudo-header.unknown');
  t.equal(request(...REQUEST, ':', 'x'), 'http.pseudo-header.unknown');
  t.equal(request(...REQUEST, ':status', '200'), 'http.pseudo-header.unknown');
  t.equal(request(...REQUEST, ':Path', '/'), 'http.pseudo-header.unknown');
  t.equal(response(':status', '200', ':path', '/'), 'http.pseudo-header.unknown');
  t.equal(response(':status', '200', ':status', '200'), 'http.pseudo-header.duplicate');
});

await t.test('§8.3 S66 pseudo-header fields come first', async (t) => {
  t.equal(request('a', 'b', ...REQUEST), 'http.pseudo-header.after-regular-field');
  t.equal(
    request(...without(':authority'), 'a', 'b', ':authority', 'h'),
    'http.pseudo-header.after-regular-field',
  );
  t.equal(response('a', 'b', ':status', '200'), 'http.pseudo-header.after-regular-field');
});

await t.test('§8.1 S66 trailers hold no pseudo-header fields', async (t) => {
  t.equal(trailers(':status', '200'), 'http.pseudo-header.in-trailers');
  t.equal(trailers('grpc-status', '0', ':path', '/'), 'http.pseudo-header.in-trailers');
});

await t.test('§8.3.1 S69 one authority, without userinfo', async (t) => {
  t.equal(request(...without(':authority')), 'http.request.authority-missing');
  t.equal(request(...without(':authority'), 'host', ''), 'http.request.authority-missing');
  t.equal(request(...replacing(':authority', '')), 'http.request.authority-missing');
  t.equal(request(...without(':authority'), 'host', 'h'), null);
  t.equal(request(...without(':authority'), 'host', 'u@h'), 'http.request.authority-userinfo');
  t.equal(request(...replacing(':authority', 'u:p@h')), 'http.request.authority-userinfo');
  for (const odd of ['a b', 'a\x11b', '\x1b[2J', 'h\x7f', 'a>b', 'a/b', 'h\xe4']) {
    t.equal(request(...replacing(':authority', odd)), 'http.request.authority-invalid');
    t.equal(request(...without(':authority'), 'host', odd), 'http.request.authority-invalid');
  }
  t.equal(request(...REQUEST, 'host', 'H'), null, 'case does not matter');
  t.equal(request(...REQUEST, 'host', 'other'), 'http.request.host-mismatch');
  t.equal(request(...REQUEST, 'host', 'h', 'host', 'h'), 'http.request.host-duplicate');
});

await t.test('§8.5 CONNECT has :authority and no :scheme or :path', async (t) => {
  t.equal(request(':method', 'CONNECT', ':authority', 'h:1'), null);
  t.equal(
    request(':method', 'CONNECT', ':authority', 'h', ':scheme', 'http', ':path', '/'),
    'http.request.connect-with-target',
  );
  t.equal(request(':method', 'CONNECT', 'host', 'h'), 'http.request.authority-missing');
});

await t.test('§8.3.1 :method is a token and :scheme a scheme', async (t) => {
  for (const method of ['', 'PO ST', 'POST/', 'P\u00e9']) {
    t.equal(request(...replacing(':method', method)), 'http.request.method-invalid', method);
  }
  for (const scheme of ['', '1http', 'ht tp', 'http:']) {
    t.equal(request(...replacing(':scheme', scheme)), 'http.request.scheme-invalid', scheme);
  }
});

await t.test(
  '§8.2.2 S70 connection-specific fields in requests, responses and trailers',
  async (t) => {
    for (const name of [
      'connection',
      'keep-alive',
      'proxy-connection',
      'transfer-encoding',
      'upgrade',
    ]) {
      t.equal(request(...REQUEST, name, 'x'), 'http.field.connection-specific', name);
      t.equal(response(':status', '200', name, 'x'), 'http.field.connection-specific', name);
      t.equal(trailers(name, 'x'), 'http.field.connection-specific', name);
    }
    for (const te of ['gzip', 'trailers, deflate', '', 'frobnicate']) {
      t.equal(request(...REQUEST, 'te', te), 'http.field.te-not-trailers', te);
      t.equal(trailers('te', te), 'http.field.te-not-trailers', te);
    }
    t.equal(request(...REQUEST, 'te', 'Trailers'), null);
  },
);

await t.test('§8.1.1 S71 content-length is one number', async (t) => {
  for (const value of ['', '+5', '5,5', '-1', '0x5', '5 5', '1'.repeat(40), '٣']) {
    t.equal(request(...REQUEST, 'content-length', value), 'http.content-length.invalid', value);
  }
  t.equal(
    request(...REQUEST, 'content-length', '5', 'content-length', '6'),
    'http.content-length.duplicate',
  );
  t.equal(
    request(...REQUEST, 'content-length', '5', 'content-length', '5'),
    'http.content-length.duplicate',
  );
  const rules = new HeaderRules();
  t.equal(rules.checkRequest([...REQUEST, 'content-length', '0']), null);
  t.equal(rules.contentLength, 0);
  t.equal(rules.checkRequest([...REQUEST, 'content-length', '999999999999999']), null);
  t.equal(rules.contentLength, 999_999_999_999_999);
  t.equal(trailers('content-length', 'x'), null, 'without meaning in trailers');
});

await t.test('§8.2.1 S72 values: NUL, CR and LF anywhere, blanks at the ends', async (t) => {
  for (const value of ['\0', 'a\rb', 'a\nb', '\r\n']) {
    t.equal(request(...REQUEST, 'x', value), 'http.field.value-invalid', JSON.stringify(value));
    t.equal(trailers('grpc-message', value), 'http.field.value-invalid', JSON.stringify(value));
  }
  for (const value of [' a', 'a ', '\ta', 'a\t', ' ']) {
    t.equal(
      response(':status', '200', 'x', value),
      'http.field.value-padded',
      JSON.stringify(value),
    );
  }
  for (const value of [' a', 'a ', ' ']) {
    // gRPC PROTOCOL-HTTP2, Status-Message: grpc-go, grpc-java and C-core send the blanks of a message as they are.
    t.equal(trailers('grpc-status', '2', 'grpc-message', value), null, JSON.stringify(value));
  }
  for (const value of ['', 'a b', 'a\tb', '\u007f', '\u00ff', '\u0001']) {
    t.equal(request(...REQUEST, 'x', value), null, JSON.stringify(value));
  }
});

await t.test('§8.2.1 S72 S58 names: lower-case tokens, not empty', async (t) => {
  t.equal(request(...REQUEST, '', ''), 'http.field.name-empty');
  for (const name of [
    'Upper',
    'a b',
    'a:b',
    'a\u0000',
    'a\u007f',
    '\u00e9',
    'a(',
    'a/',
    'a"',
    'x@',
    'Te',
    '\u0100',
  ]) {
    t.equal(request(...REQUEST, name, 'v'), 'http.field.name-invalid', JSON.stringify(name));
    t.equal(trailers(name, 'v'), 'http.field.name-invalid', JSON.stringify(name));
  }
  t.equal(request(...REQUEST, "a!#$%&'*+-.^_`|~09", 'v'), null);
});

await t.test('§8.3.2 one :status of three digits; 101 does not exist (§8.6)', async (t) => {
  t.equal(response(), 'http.response.status-missing');
  t.equal(response('content-type', 'x'), 'http.response.status-missing');
  for (const status of ['', '20', '2000', '2x0', '099', '000', '101', ' 20', '+20']) {
    const token = response(':status', status);
    t.ok(token === 'http.response.status-invalid' || token === 'http.field.value-padded', status);
  }
  const rules = new HeaderRules();
  for (const status of [100, 103, 200, 404, 431, 599, 999]) {
    t.equal(rules.checkResponse([':status', String(status)]), null);
    t.equal(rules.status, status);
  }
});

await t.test(
  'lists found well-formed are remembered by identity, with their content-length and status',
  async (t) => {
    const rules = new HeaderRules();
    const lists: HeaderList[] = [1, 2, 3, 4, 5, 6].map((n) => [
      ':status',
      `20${n}`,
      'content-length',
      String(n),
    ]);
    for (let round = 0; round < 3; round++) {
      for (const [index, list] of lists.entries()) {
        t.equal(rules.checkResponse(list), null);
        t.equal(rules.status, 201 + index);
        t.equal(rules.contentLength, 1 + index);
      }
    }
    // The same list is judged anew as another kind.
    t.equal(rules.checkTrailers(lists[5]!), 'http.pseudo-header.in-trailers');
    t.equal(rules.checkRequest(lists[5]!), 'http.pseudo-header.unknown');
    const bad = [':status', '200', 'te', 'x'];
    t.equal(rules.checkResponse(bad), 'http.field.te-not-trailers');
    t.equal(
      rules.checkResponse(bad),
      'http.field.te-not-trailers',
      'faults are not remembered as well-formed',
    );
  },
);
