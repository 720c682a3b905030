/** A peer server as a process: `server-process.js NAME [PORT]` writes its port and serves until it is killed. */

import { GRPC_JS, HTTP2, PUREWIRE } from './peers.ts';

const [name, port] = process.argv.slice(2);
const peer = [PUREWIRE, GRPC_JS, HTTP2].find((each) => each.name === name);
if (peer === undefined) throw new Error(`there is no peer "${name}"`);
const server = await peer.startServer({ port: Number(port ?? 0) });
console.log(`port ${server.port}`);
