/** Target strings (grpc/grpc doc/naming.md) and host plus port. */

import { DEFAULT_PORT, parseTarget, targetOf } from '../../lib/channel/target.ts';
import { t } from '../support/tap.ts';

await t.test('naming.md: every supported form', async (t) => {
  const forms: [string, object, string, string][] = [
    ['localhost:50051', { host: 'localhost', port: 50051 }, 'localhost:50051', 'localhost'],
    ['example.org', { host: 'example.org', port: DEFAULT_PORT }, 'example.org', 'example.org'],
    ['my_service:1', { host: 'my_service', port: 1 }, 'my_service:1', 'my_service'],
    ['127.0.0.1:65535', { host: '127.0.0.1', port: 65535 }, '127.0.0.1:65535', '127.0.0.1'],
    ['[::1]:50051', { host: '::1', port: 50051 }, '[::1]:50051', '::1'],
    ['[::1]', { host: '::1', port: 443 }, '[::1]', '::1'],
    ['::1', { host: '::1', port: 443 }, '[::1]', '::1'],
    ['fe80::1%eth0', { host: 'fe80::1%eth0', port: 443 }, '[fe80::1%eth0]', 'fe80::1%eth0'],
    ['dns:example.org:80', { host: 'example.org', port: 80 }, 'example.org:80', 'example.org'],
    ['dns:///example.org:80', { host: 'example.org', port: 80 }, 'example.org:80', 'example.org'],
    [
      'dns:///[2001:db8::1]:80',
      { host: '2001:db8::1', port: 80 },
      '[2001:db8::1]:80',
      '2001:db8::1',
    ],
    ['DNS:example.org', { host: 'example.org', port: 443 }, 'example.org', 'example.org'],
    ['ipv4:192.0.2.1:80', { host: '192.0.2.1', port: 80 }, '192.0.2.1:80', '192.0.2.1'],
    ['ipv4:192.0.2.1', { host: '192.0.2.1', port: 443 }, '192.0.2.1', '192.0.2.1'],
    ['ipv6:[2001:db8::1]:80', { host: '2001:db8::1', port: 80 }, '[2001:db8::1]:80', '2001:db8::1'],
    ['ipv6:2001:db8::1', { host: '2001:db8::1', port: 443 }, '[2001:db8::1]', '2001:db8::1'],
    [
      'ipv6:::ffff:10.0.0.1',
      { host: '::ffff:10.0.0.1', port: 443 },
      '[::ffff:10.0.0.1]',
      '::ffff:10.0.0.1',
    ],
    ['unix:/run/x.sock', { path: '/run/x.sock' }, 'localhost', 'localhost'],
    ['unix:///run/x.sock', { path: '/run/x.sock' }, 'localhost', 'localhost'],
    ['unix:x.sock', { path: 'x.sock' }, 'localhost', 'localhost'],
    ['unix:50051', { path: '50051' }, 'localhost', 'localhost'],
  ];
  for (const [text, endpoint, authority, host] of forms) {
    const target = parseTarget(text);
    t.strictSame(target.endpoint, endpoint, text);
    t.equal(target.authority, authority, `${text}: authority`);
    t.equal(target.host, host, `${text}: host`);
    t.equal(target.text, text);
  }
});

await t.test('what is no target is refused with a TypeError', async (t) => {
  for (const text of [
    '',
    ':50051',
    'unix:',
    'unix://relative',
    'unix:/a\0b',
    'dns:',
    'dns://8.8.8.8/example.org',
    'dns:///',
    'dns:/example.org',
    'ipv4:example.org:80',
    'ipv4:256.1.1.1:80',
    'ipv4:1.1.1.1:80,2.2.2.2:80',
    'ipv6:127.0.0.1:80',
    'ipv6:[::1',
    '[::1',
    '[localhost]:80',
    'http://example.org:80',
    'https://example.org',
    'xds:///service',
    'user@example.org:80',
    'exa mple.org:80',
    'example.org/path:80',
    'exämple.org:80',
    'a:b:c',
    'host\r\nx:1',
  ]) {
    t.throws(() => parseTarget(text), TypeError, JSON.stringify(text));
  }
  t.throws(() => parseTarget(undefined as unknown as string), TypeError);
  t.throws(() => parseTarget('http://example.org'), { message: /is a URL/ });
});

await t.test('a port outside 1 to 65535 is refused with a RangeError', async (t) => {
  for (const text of [
    'h:0',
    'h:65536',
    'h:99999',
    'h:123456',
    'dns:h:0',
    '[::1]:',
    'h:-1',
    'h:8x',
    'h:',
  ]) {
    t.throws(() => parseTarget(text), { name: /^(RangeError|TypeError)$/ }, text);
  }
  t.throws(() => parseTarget('h:0'), RangeError);
  t.throws(() => parseTarget('h:65536'), { message: /1 to 65535/ });
  for (const port of [0, -1, 65_536, 1.5, Number.NaN, '80' as unknown as number]) {
    t.throws(() => targetOf('localhost', port), RangeError, String(port));
  }
});

await t.test('host and port: IPv6 addresses with and without brackets', async (t) => {
  t.strictSame(targetOf('localhost', 50051), {
    text: 'localhost:50051',
    endpoint: { host: 'localhost', port: 50051 },
    authority: 'localhost:50051',
    host: 'localhost',
  });
  for (const host of ['::1', '[::1]']) {
    t.strictSame(targetOf(host, 1), {
      text: '[::1]:1',
      endpoint: { host: '::1', port: 1 },
      authority: '[::1]:1',
      host: '::1',
    });
  }
  for (const host of ['', 'a:b', 'a/b', 'a@b', 'a b', '[x]', undefined as unknown as string]) {
    t.throws(() => targetOf(host, 1), TypeError, JSON.stringify(host) ?? 'undefined');
  }
});
