/** Credentials: whatever is half given is refused, and nothing is silently insecure (alpha-semantics 9.3). */

import { Channel } from '../../lib/channel/channel.ts';
import {
  channelCredentials,
  insecureChannelCredentials,
  insecureServerCredentials,
  serverCredentials,
  tlsChannelCredentials,
  tlsServerCredentials,
} from '../../lib/credentials.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import { testCertificates } from '../support/certificates.ts';
import { startUnary, withTimeout } from '../support/client-calls.ts';
import { ECHO } from '../support/echo-service.ts';
import { t } from '../support/tap.ts';

const { root, server, client } = await testCertificates();

await t.test('a channel is insecure only when nothing else was asked for', async (t) => {
  t.strictSame(channelCredentials(false), { type: 'insecure' });
  t.strictSame(channelCredentials(false, { rootCertificates: null }), { type: 'insecure' });
  t.strictSame(insecureChannelCredentials(), { type: 'insecure' });
  t.equal(channelCredentials(true).type, 'tls');
  for (const name of ['rootCertificates', 'privateKey', 'certificateChain', 'serverHostOverride']) {
    t.throws(() => channelCredentials(false, { [name]: root }), {
      name: 'TypeError',
      message: new RegExp(`^${name} is given, but secure is false`),
    });
  }
  t.throws(() => channelCredentials('yes' as unknown as boolean), TypeError);
});

await t.test('key and chain are given together or not at all', async (t) => {
  for (const make of [tlsChannelCredentials, tlsServerCredentials]) {
    t.throws(() => make({ privateKey: client.privateKey }), {
      name: 'TypeError',
      message: 'privateKey is given without certificateChain: TLS needs both',
    });
    t.throws(() => make({ certificateChain: client.certificateChain }), {
      name: 'TypeError',
      message: 'certificateChain is given without privateKey: TLS needs both',
    });
  }
  t.throws(() => tlsServerCredentials({}), { name: 'TypeError', message: /needs both/ });
  t.strictSame(serverCredentials(), { type: 'insecure' });
  t.strictSame(serverCredentials(null, null), { type: 'insecure' });
  t.strictSame(insecureServerCredentials(), { type: 'insecure' });
  t.throws(() => serverCredentials(server.privateKey), TypeError);
  t.throws(() => serverCredentials(null, server.certificateChain), TypeError);
  const made = serverCredentials(server.privateKey, server.certificateChain);
  t.strictSame(made, {
    type: 'tls',
    ...server,
    rootCertificates: null,
    clientCertificates: 'ignore',
    ticketKeys: null,
  });
});

await t.test('ticket keys are 48 octets, copied', async (t) => {
  const keys = new Uint8Array(48).fill(7);
  const made = tlsServerCredentials({ ...server, ticketKeys: keys });
  keys.fill(0);
  t.strictSame(made.type === 'tls' && made.ticketKeys, new Uint8Array(48).fill(7));
  for (const wrong of [new Uint8Array(47), new Uint8Array(49), 'x'.repeat(48)]) {
    t.throws(() => tlsServerCredentials({ ...server, ticketKeys: wrong as Uint8Array }), {
      name: 'TypeError',
      message: 'ticketKeys must be a Uint8Array of 48 random octets',
    });
  }
});

await t.test('PEM comes as a string or as octets, and is checked for its kind', async (t) => {
  const octets = new TextEncoder().encode(root);
  const made = tlsChannelCredentials({ rootCertificates: octets });
  t.equal(made.type === 'tls' ? made.rootCertificates : null, root);
  t.throws(() => tlsChannelCredentials({ rootCertificates: 'junk' }), {
    name: 'TypeError',
    message: /^rootCertificates holds no certificate/,
  });
  t.throws(() => tlsServerCredentials({ ...server, privateKey: server.certificateChain }), {
    name: 'TypeError',
    message: /^privateKey holds no private key/,
  });
  t.throws(
    () => tlsServerCredentials({ ...server, certificateChain: server.privateKey }),
    {
      message: /^certificateChain holds no certificate in PEM form \("-----BEGIN …"\)$/,
    },
    'and the key is not in the message',
  );
  t.throws(() => tlsChannelCredentials({ rootCertificates: 5 as unknown as string }), TypeError);
  t.throws(() => tlsChannelCredentials({ serverHostOverride: 'a b' }), TypeError);
  t.throws(
    () => tlsServerCredentials({ ...server, clientCertificates: 'maybe' as 'ignore' }),
    TypeError,
  );
});

await t.test('a client whose key does not belong to its chain never gets through', async (t) => {
  const credentials = tlsChannelCredentials({
    rootCertificates: root,
    certificateChain: client.certificateChain,
    privateKey: server.privateKey,
    serverHostOverride: 'localhost',
  });
  const grpcServer = new GrpcServer();
  const port = await grpcServer.listen(
    { host: '127.0.0.1', port: 0 },
    tlsServerCredentials({ ...server, rootCertificates: root, clientCertificates: 'require' }),
  );
  t.teardown(() => grpcServer.closeNow());
  let channel: Channel;
  try {
    channel = new Channel(`127.0.0.1:${port}`, { credentials });
  } catch (error) {
    // Node and Bun look when the channel is made.
    t.ok(error instanceof TypeError);
    t.match((error as Error).message, /^privateKey does not belong to the first certificate/);
    return;
  }
  // Deno when it connects.
  const { status } = await startUnary(channel, ECHO, new Uint8Array(1), withTimeout(10_000))
    .outcome;
  t.equal(status.code, Status.UNAVAILABLE);
  await channel.close();
});
