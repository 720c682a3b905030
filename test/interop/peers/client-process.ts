/** A peer client as a process: `client-process.js NAME PORT` holds calls of every kind until it is killed. */

import { sample } from './octets.ts';
import { CHAT, ENDLESS, HOLD, JOIN, REPEAT, repeatRequest } from './peer.ts';
import { GRPC_JS, HTTP2, PUREWIRE } from './peers.ts';

const [name, port] = process.argv.slice(2);
const peer = [PUREWIRE, GRPC_JS, HTTP2].find((each) => each.name === name);
if (peer === undefined) throw new Error(`there is no peer "${name}"`);
const client = peer.openClient({ port: Number(port) });
client.start(HOLD, sample(1));
client.start(REPEAT, repeatRequest(ENDLESS, 10_000));
client.start(JOIN, null).send(sample(100));
const chat = client.start(CHAT, null);
chat.send(sample(100));
await chat.received(1);
console.log(`port ${port}`);
