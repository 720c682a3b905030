/** From `:path` to method. */

import type { ServerMethod } from '../../lib/call/call.ts';
import { Cardinality, methodDescriptor } from '../../lib/method.ts';
import { MethodTable } from '../../lib/server/method-table.ts';
import { t } from '../support/tap.ts';

function served(service: string, method: string): ServerMethod {
  return {
    method: methodDescriptor(service, method, Cardinality.UNARY_UNARY),
    handler: () => {
      throw new Error('not called here');
    },
  };
}

await t.test('several services in one table', async (t) => {
  const table = new MethodTable();
  const div = served('math.Math', 'Div');
  const fib = served('math.Math', 'Fib');
  const echo = served('test.Echo', 'Div');
  table.add([div, fib]);
  table.add([echo]);
  t.equal(table.size, 3);
  t.equal(table.lookup('/math.Math/Div'), div);
  t.equal(table.lookup('/test.Echo/Div'), echo);
});

await t.test('a duplicate is a TypeError that names it, and adds nothing', async (t) => {
  const table = new MethodTable();
  table.add([served('math.Math', 'Div')]);
  t.throws(() => table.add([served('math.Math', 'Fib'), served('math.Math', 'Div')]), {
    name: 'TypeError',
    message: 'method /math.Math/Div is served already',
  });
  t.equal(table.size, 1);
  t.throws(() => table.add([served('a', 'b'), served('a', 'b')]), { message: /\/a\/b/ });
  t.equal(table.size, 1);
  t.throws(
    () => table.add([{ ...served('a', 'b'), handler: undefined as unknown as () => never }]),
    { name: 'TypeError', message: /\/a\/b must be a function/ },
  );
});

await t.test('S68 paths that are not exactly a method find nothing', async (t) => {
  const table = new MethodTable();
  table.add([served('Svc', 'Method')]);
  for (const path of [
    'Svc/Method',
    '//Svc/Method',
    '/Svc/Method/',
    '/Svc/Method?x',
    '/svc/method',
    '/Svc%2FMethod',
    'http://h/Svc/Method',
    '/Svc/Method\0',
    '',
    '/',
    '__proto__',
    '/__proto__/x',
    '/Svc/constructor',
    'toString',
    'constructor',
    'hasOwnProperty',
  ]) {
    t.equal(table.lookup(path), null, JSON.stringify(path));
  }
});

await t.test('a generic method answers for the rest, and only once', async (t) => {
  const table = new MethodTable();
  const known = served('a', 'b');
  const other = served('proxy', 'Any');
  table.add([known]);
  table.setGeneric((path) => (path === '/x/y' ? other : null));
  t.equal(table.lookup('/a/b'), known);
  t.equal(table.lookup('/x/y'), other);
  t.equal(table.lookup('/x/z'), null);
  t.throws(() => table.setGeneric(() => null), TypeError);
});
