/** Static modules: classes in the shape that pbjs writes, with and without its metadata of methods. */

import protobuf from 'protobufjs';
import { Cardinality } from '../../lib/method.ts';
import { loadService } from '../../lib/protobuf/index.ts';
import { t } from '../support/tap.ts';

type Writer = protobuf.Writer;

/** A message `{ string text = 1; }` as the static-module target writes it, without the parts that are not used here. */
function textClass(): object {
  class Text {
    declare text: string;
    static encode(message: Text, writer: Writer = protobuf.Writer.create()): Writer {
      if (message.text != null && Object.hasOwn(message, 'text')) {
        writer.uint32(10).string(message.text);
      }
      return writer;
    }
    static decode(octets: Uint8Array): Text {
      const reader = protobuf.Reader.create(octets);
      const message = new Text();
      while (reader.pos < reader.len) {
        const tag = reader.uint32();
        if (tag >>> 3 === 1) message.text = reader.string();
        else reader.skipType(tag & 7, 0, tag);
      }
      return message;
    }
    static verify(message: Text): string | null {
      if (message.text != null && typeof message.text !== 'string') return 'text: string expected';
      return null;
    }
    static toObject(message: Text): object {
      return { text: message.text };
    }
  }
  Text.prototype.text = '';
  return Text;
}

interface Described {
  readonly path?: string;
  readonly requestType?: string;
  readonly responseType?: string;
  readonly requestStream?: boolean;
  readonly responseStream?: boolean;
}

/** A service class with one method, and on it the metadata that a current pbjs writes. */
function serviceClass(methods: Readonly<Record<string, Described>>): object {
  function Talk(this: unknown): void {}
  Talk.prototype = Object.create(protobuf.rpc.Service.prototype, {
    constructor: { value: Talk, writable: true },
  });
  for (const [name, described] of Object.entries(methods)) {
    const method = (): void => {};
    Object.defineProperty(method, 'name', { value: name });
    Object.assign(method, described);
    const property = name.charAt(0).toLowerCase() + name.slice(1);
    (Talk.prototype as Record<string, unknown>)[property] = method;
  }
  return Talk;
}

const METHODS = {
  Say: { path: '/demo.v1.Talk/Say', requestType: 'Text', responseType: 'Text' },
  Chat: {
    path: '/demo.v1.Talk/Chat',
    requestType: 'Text',
    responseType: '.demo.v1.Text',
    requestStream: true,
    responseStream: true,
  },
};

await t.test('a module that describes its methods', async (t) => {
  const module = { demo: { v1: { Text: textClass(), Talk: serviceClass(METHODS) } } };
  const service = loadService({ module }, 'demo.v1.Talk');
  t.strictSame(
    service.methods.map((m) => [m.name, m.path, m.cardinality, m.request.typeName]),
    [
      ['Say', '/demo.v1.Talk/Say', Cardinality.UNARY_UNARY, 'demo.v1.Text'],
      ['Chat', '/demo.v1.Talk/Chat', Cardinality.STREAM_STREAM, 'demo.v1.Text'],
    ],
  );
  const { request } = service.methods[0]!;
  const octets = request.encode({ text: 'hi' });
  t.strictSame([...octets], [10, 2, 104, 105]);
  t.equal((request.decode(octets) as { text: string }).text, 'hi');
  t.throws(() => request.encode({ text: 5 }), {
    message: 'request of /demo.v1.Talk/Say: text: string expected',
  });
  t.throws(() => request.encode({ txet: 'a' }), {
    message: 'request of /demo.v1.Talk/Say: field "txet" is not a field of demo.v1.Text',
  });
  t.throws(() => request.encode(null as unknown as object), {
    message: 'request of /demo.v1.Talk/Say: must be a demo.v1.Text message, got null',
  });
  t.throws(() => request.decode(new Uint8Array(21504).fill(0x13)), {
    message:
      'request of /demo.v1.Talk/Say: not a demo.v1.Text message (21504 octets): messages are nested too deeply',
  });
  const converted = loadService({ module }, 'demo.v1.Talk', { toObject: {} });
  t.strictSame(converted.message('demo.v1.Text').decode(octets), { text: 'hi' });
});

await t.test('a module of an old pbjs: the methods are given', async (t) => {
  const module = { demo: { v1: { Text: textClass(), Talk: serviceClass({ Say: {} }) } } };
  t.throws(() => loadService({ module }, 'demo.v1.Talk'), {
    name: 'ProtoError',
    message:
      'the static module does not say which types demo.v1.Talk.Say has and which sides stream: it was made by an old pbjs. Make it anew with a current protobufjs-cli, or give the methods in the option "methods"',
  });
  const methods = {
    Say: { request: 'demo.v1.Text', response: 'demo.v1.Text', responseStream: true },
  };
  const service = loadService({ module, methods }, 'demo.v1.Talk');
  t.equal(service.methods[0]?.path, '/demo.v1.Talk/Say');
  t.equal(service.methods[0]?.cardinality, Cardinality.UNARY_STREAM);
});

await t.test('names that the module does not have', async (t) => {
  const module = { demo: { v1: { Text: textClass(), Talk: serviceClass(METHODS) } } };
  for (const name of ['Talk', 'demo.v1.Other', 'demo.constructor', '__proto__.constructor']) {
    t.throws(() => loadService({ module }, name), {
      name: 'ProtoError',
      message: new RegExp(
        `^the static module has no service "${name}"; it is looked up by its full`,
      ),
    });
  }
  for (const request of ['Text', 'demo.v1', 'demo.v1.constructor', 'toString']) {
    const methods = { Say: { request, response: 'demo.v1.Text' } };
    t.throws(() => loadService({ module, methods }, 'demo.v1.Talk'), {
      name: 'ProtoError',
      message: new RegExp(`^the static module has no message class "${request}" with encode and`),
    });
  }
});
